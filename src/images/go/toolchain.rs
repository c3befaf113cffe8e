//! The environment of a Go project: Go of the host, its standard library built once, and the modules that `go.mod` asks
//! for. Both are made once, by version and by `go.mod` with `go.sum` and what stands in for modules, and are read-only for
//! jobs.
//!
//! The standard library alone is built beforehand, outside of any tree. What belongs to the tree is built in the sandbox,
//! in every run. A job links the files of the warm cache into a cache of its own, because Go needs one that it can write
//! to. C code is not compiled (`CGO_ENABLED=0`). Modules of folders with a `go.mod` of their own are not fetched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::compiler::Compiler;
use super::module_file::{ModuleFile, unescaped};
use crate::images::cache::Cache;
use crate::images::environment_error::EnvironmentError;
use crate::images::order::Order;
use crate::images::provisioned::Provisioned;
use crate::images::toolchain::Toolchain;
use crate::model::digest::Digest;
use crate::runner::go::test::{BUILD_CACHE, MODULE_CACHE};
use crate::runner::go::variables::is_read_by_go;
use crate::sandbox::ENVIRONMENT_DIR;

/// Raised when environments are laid out differently, so that old ones are not used.
const LAYOUT: u32 = 1;
/// Kinds of entries of the cache.
const STANDARD_LIBRARIES: &str = "go-std";
const MODULES: &str = "go-modules";

/// Go of the host.
#[derive(Debug)]
pub struct GoToolchain;

impl Toolchain for GoToolchain {
    fn language(&self) -> &'static str {
        "go"
    }

    fn tool_name(&self) -> &'static str {
        "Go"
    }

    fn provision(&self, cache: &Cache, order: &Order) -> Result<Provisioned, EnvironmentError> {
        let compiler = Compiler::find()?;
        let standard = standard_library(&compiler, cache, order.say)?;
        let (modules, named) = modules(&compiler, cache, order)?;
        let mut mounts = Vec::new();
        if !compiler.root.starts_with("/usr") {
            mounts.push((compiler.root.clone(), text(&compiler.root)?));
        }
        mounts.push((standard, format!("{ENVIRONMENT_DIR}/{BUILD_CACHE}")));
        let mut packages = Vec::new();
        if let Some(folder) = modules {
            packages = releases(&folder)?.into_iter().map(|(path, version)| format!("{path}=={version}")).collect();
            mounts.push((folder, format!("{ENVIRONMENT_DIR}/{MODULE_CACHE}")));
        }
        Ok(Provisioned {
            digest: Digest::of_json(&(LAYOUT, "go", &compiler.version, &compiler.root, &named)),
            mounts,
            tool: text(&compiler.program())?,
            tool_version: compiler.version,
            workdir: order.environment.workdir.clone(),
            packages,
        })
    }

    /// Go would read these where the runner does not set them, and so would the programs that it built.
    fn translate(&self, env: &mut BTreeMap<String, String>) {
        env.retain(|name, _| !is_read_by_go(name));
    }
}

/// The standard library, built.
fn standard_library(compiler: &Compiler, cache: &Cache, say: &dyn Fn(&str)) -> Result<PathBuf, EnvironmentError> {
    let name = Digest::of_json(&(LAYOUT, &compiler.version, &compiler.root));
    cache.directory(STANDARD_LIBRARIES, name.as_str(), |making| {
        say(&format!("building the standard library of Go {}", compiler.version));
        let env = [("GOCACHE", OsString::from(making)), ("GOFLAGS", "-buildvcs=false".into())];
        compiler.run("building the standard library", &["build", "std"], &compiler.root.join("src"), &env)?;
        make_readable(making)
    })
}

/// The modules that the tree asks for, and what names them. There are none if it asks for none or brings them along.
fn modules(
    compiler: &Compiler,
    cache: &Cache,
    order: &Order,
) -> Result<(Option<PathBuf>, Option<Digest>), EnvironmentError> {
    let scratch = cache.scratch()?;
    let tree = scratch.path().join("tree");
    (order.checkout)(order.base_tree, &tree).map_err(|error| EnvironmentError::Failed {
        doing: "writing the tree of base".to_owned(),
        why: format!("{error:#}"),
    })?;
    let read = |name: &str| text_of(&tree.join(name));
    let Some(module) = read("go.mod")? else {
        return Err(EnvironmentError::Unsupported(
            "base has no go.mod at its top, so its packages cannot be built; choose a commit that is a module"
                .to_owned(),
        ));
    };
    let file = module_file(compiler, &tree)?;
    if !file.requires || tree.join("vendor/modules.txt").is_file() {
        return Ok((None, None));
    }
    let name = Digest::of_json(&(LAYOUT, &module, read("go.sum")?, stand_ins(&tree, &file)?));
    let folder = cache.directory(MODULES, name.as_str(), |making| {
        (order.say)("fetching the modules that go.mod asks for");
        let env = [("GOMODCACHE", OsString::from(making)), ("GOFLAGS", "-modcacherw".into())];
        compiler.run("fetching modules", &["mod", "download"], &tree, &env)?;
        make_readable(making)
    })?;
    if let Some((path, version)) = releases(&folder)?.into_iter().find(|(path, _)| file.is_release_of_it(path)) {
        return Err(EnvironmentError::AnswerInImage { path: format!("{path}@{version}") });
    }
    Ok((Some(folder), Some(name)))
}

/// What the `go.mod` of a tree says. A tree that this Go cannot build is refused here, in Go's words.
fn module_file(compiler: &Compiler, tree: &Path) -> Result<ModuleFile, EnvironmentError> {
    let offline = [("GOPROXY", OsString::from("off")), ("GOFLAGS", "-mod=readonly".into())];
    let doing = "reading go.mod";
    let said = compiler.run(doing, &["mod", "edit", "-json"], tree, &offline)?;
    let file = ModuleFile::read(&said)
        .map_err(|error| EnvironmentError::Failed { doing: doing.to_owned(), why: error.to_string() })?;
    if file.path.is_empty() {
        return Err(EnvironmentError::Unsupported(
            "the go.mod of base names no module, so its packages have no paths to be imported by; choose a commit whose \
             go.mod has a line `module PATH`"
                .to_owned(),
        ));
    }
    // Says that the tree needs a newer Go. Nothing is looked up, and no line is added that the file lacks.
    compiler.run(doing, &["list", "-m"], tree, &offline)?;
    Ok(file)
}

/// Folders of the tree that stand in for modules, each with its `go.mod`, because what they ask for is fetched too. Go itself
/// refuses a folder that is not there.
fn stand_ins(tree: &Path, file: &ModuleFile) -> Result<BTreeMap<String, Option<String>>, EnvironmentError> {
    let folders = file.folders.iter();
    folders.map(|folder| Ok((folder.clone(), text_of(&tree.join(folder).join("go.mod"))?))).collect()
}

/// The text of a file; `None` if there is none.
fn text_of(path: &Path) -> Result<Option<String>, EnvironmentError> {
    match path.is_file() {
        true => fs::read_to_string(path).map(Some).map_err(|error| EnvironmentError::io("reading", path, &error)),
        false => Ok(None),
    }
}

/// Path and version of each module whose files are in a module cache, sorted.
fn releases(folder: &Path) -> Result<Vec<(String, String)>, EnvironmentError> {
    let mut releases = Vec::new();
    let mut entries = WalkDir::new(folder).min_depth(1).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: format!("reading {}", folder.display()),
            why: error.to_string(),
        })?;
        let inside = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
        if let Some((path, version)) = inside.rsplit_once('@').filter(|_| entry.file_type().is_dir()) {
            releases.push((unescaped(path), version.to_owned()));
            entries.skip_current_dir();
        } else if inside == "cache" {
            // Archives of the same modules, and of some that are not unpacked.
            entries.skip_current_dir();
        }
    }
    Ok(releases)
}

/// Jobs run with ids of their own, so what they read must be readable by all, whatever the caller's umask.
fn make_readable(folder: &Path) -> Result<(), EnvironmentError> {
    for entry in WalkDir::new(folder) {
        let failed = |why: String| EnvironmentError::Failed { doing: format!("reading {}", folder.display()), why };
        let entry = entry.map_err(|error| failed(error.to_string()))?;
        if entry.file_type().is_symlink() {
            continue;
        }
        let mode = entry.metadata().map_err(|error| failed(error.to_string()))?.permissions().mode();
        let wanted = if entry.file_type().is_dir() { mode | 0o755 } else { mode | 0o444 };
        if mode != wanted {
            fs::set_permissions(entry.path(), Permissions::from_mode(wanted))
                .map_err(|error| EnvironmentError::io("making readable", entry.path(), &error))?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, EnvironmentError> {
    path.to_str().map(str::to_owned).ok_or_else(|| EnvironmentError::Failed {
        doing: format!("mounting {}", path.display()),
        why: "the path is not UTF-8".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_a_cache_are_named_by_path_and_version() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["github.com/!burnt!sushi/toml@v1.2.0/sub@x", "gopkg.in/yaml.v2@v2.4.0", "cache/download/a@v1"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let named = releases(folder.path()).unwrap();
        let expected = [("github.com/BurntSushi/toml", "v1.2.0"), ("gopkg.in/yaml.v2", "v2.4.0")];
        assert_eq!(named, expected.map(|(path, version)| (path.to_owned(), version.to_owned())));
    }

    #[test]
    fn an_instance_sets_no_variable_of_go() {
        let own = ["GOROOT", "GOARCH", "GOAMD64", "GODEBUG", "GOCACHEPROG", "GO_TEST_TIMEOUT_SCALE", "CGO_CFLAGS"];
        let others = ["CC", "LEVEL", "NOGO", "gopher"];
        let env = own.iter().chain(&others).map(|name| ((*name).to_owned(), "1".to_owned()));
        let mut env: BTreeMap<_, _> = env.collect();
        GoToolchain.translate(&mut env);
        assert_eq!(env.into_keys().collect::<Vec<_>>(), others);
    }
}
