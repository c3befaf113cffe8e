//! What the wheel of a project holds and its tree does not: compiled modules, generated sources, data. And which files of the
//! tree may decide it.
//!
//! A file of the wheel that the tree holds below the import root is imported from there, so it is no part of this. A compiled
//! module beside a source of the same name is left out: the source that a diff shows is what runs. Everything that is not
//! known to be copied into the wheel as it is, or never to be read by a build, may decide what is built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::build_scripts::{Scripts, VERSIONS, ending, files_below, name_of};
use crate::images::environment_error::EnvironmentError;
use crate::language::classes::classify;
use crate::model::built_part::BuiltPart;
use crate::model::candidate::PathClass;

/// A built part beyond these bounds is no part of a project's tree.
const MOST_FILES: usize = 5_000;
const MOST_BYTES: u64 = 512 << 20;

/// Names of files that are built from wherever they stand.
const PATTERNS: &str = "setup.py meson.build meson_options.txt meson.options cmakelists.txt *.cmake cargo.* makefile gnumakefile \
    *.c *.cc *.cpp *.cxx *.c++ *.h *.hh *.hpp *.hxx *.inc *.inl *.ipp *.tcc *.pyx *.pxd *.pxi *.rs *.f *.f90 *.f95 *.for *.f77 \
    *.s *.asm *.cu *.m *.mm *.zig *.i *.pyf *.h.in *.c.in *.py.in *.pyx.in *.pxd.in *.cmake.in *.po *.proto *.g4 *.peg *.gram \
    *.lark *.y *.l *.thrift *.fbs *.capnp *.idl *.tmpl *.j2 *.mako *.ui *.qrc *.scss *.less *.ts";

/// Folders of a tree that no build reads, unless a script of the build names them.
const NEVER_READ: [&str; 14] = [
    "examples",
    "example",
    "benchmarks",
    "benchmark",
    "bench",
    "newsfragments",
    "changelog.d",
    "changes",
    "news",
    "docs",
    "doc",
    "demos",
    "demo",
    "asv_bench",
];
/// Beginnings of such files at the top.
const NEVER_READ_FILES: [&str; 8] = ["change", "history", "news", "contributors", "thanks", "todo", ".", "roadmap"];

/// A wheel, as a part of it is told from the tree.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Paths of its modules and data as they are imported, and where the files are.
    pub files: BTreeMap<PathBuf, PathBuf>,
}

/// The built part of a tree, and the file of each of its paths.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub part: BuiltPart,
    pub files: BTreeMap<String, PathBuf>,
    /// Compiled modules that are left out, because the tree holds their source.
    pub left_out: Vec<String>,
}

impl Contents {
    /// Whether the wheel is compiled and its modules are no copies of files of the tree: then all of it was made by the build.
    pub fn is_made_whole(&self, tree: &Path) -> bool {
        let text = |path: &Path| fs::read(path).ok().filter(|bytes| !bytes.trim_ascii().is_empty());
        let python = |path: &Path| ending(path) == "py";
        let of_tree = WalkDir::new(tree).into_iter().filter_map(Result::ok).filter(|entry| python(entry.path()));
        let of_tree: BTreeSet<_> = of_tree.filter_map(|entry| text(entry.path())).collect();
        let copied = |(inside, file): (&PathBuf, &PathBuf)| {
            python(inside) && text(file).is_some_and(|text| of_tree.contains(&text))
        };
        self.files.keys().any(|path| is_compiled(path)) && !self.files.iter().any(copied)
    }

    /// Paths of the modules that are source.
    pub fn modules(&self) -> BTreeSet<PathBuf> {
        let python = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "py");
        self.files.keys().filter(python).cloned().collect()
    }
}

/// Everything of an unpacked wheel that is importable or beside what is.
pub(super) fn contents(unpacked: &Path) -> Result<Contents, EnvironmentError> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(unpacked).sort_by_file_name() {
        let entry = entry.map_err(|error| EnvironmentError::Failed {
            doing: "reading the project's wheel".to_owned(),
            why: error.to_string(),
        })?;
        let inside = entry.path().strip_prefix(unpacked).unwrap_or(entry.path()).to_owned();
        let mut parts = inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let top = parts.next().unwrap_or_default();
        if !entry.file_type().is_file() || top.ends_with(".dist-info") {
            continue;
        }
        let inside = match (top.ends_with(".data"), parts.next().as_deref()) {
            (false, _) => inside,
            (true, Some("purelib" | "platlib")) => inside.components().skip(2).collect(),
            // Scripts, headers and shared data are not where modules are.
            (true, _) => continue,
        };
        let cached = inside.components().any(|part| part.as_os_str() == "__pycache__");
        if !cached && !matches!(ending(&inside), "pyc" | "pth") {
            files.insert(inside, entry.path().to_owned());
        }
    }
    Ok(Contents { files })
}

/// What the wheel adds to the tree.
pub(super) fn built_part(contents: &Contents, tree: &Path, import_root: &str) -> Result<Found, EnvironmentError> {
    let root = Path::new(import_root);
    let mut found = Found::default();
    let mut bytes = 0;
    for (inside, file) in &contents.files {
        let at = root.join(inside);
        if fs::symlink_metadata(tree.join(&at)).is_ok() {
            continue;
        }
        let path = at.display().to_string();
        if is_compiled(inside) && has_source(tree, &at) {
            found.left_out.push(path);
            continue;
        }
        bytes += fs::metadata(file).map_or(0, |data| data.len());
        found.files.insert(path, file.clone());
    }
    if found.files.len() > MOST_FILES || bytes > MOST_BYTES {
        return Err(EnvironmentError::Unsupported(format!(
            "the build of the project adds {} files of {} MiB to its tree, more than {MOST_FILES} files or {} MiB; name a ready \
             Docker image in the instance's environment.image",
            found.files.len(),
            bytes >> 20,
            MOST_BYTES >> 20
        )));
    }
    if !found.files.is_empty() {
        found.part = part(&found.files, contents, tree, root)?;
    }
    Ok(found)
}

fn part(
    files: &BTreeMap<String, PathBuf>,
    contents: &Contents,
    tree: &Path,
    root: &Path,
) -> Result<BuiltPart, EnvironmentError> {
    let mut part = BuiltPart { files: files.keys().cloned().collect(), ..BuiltPart::default() };
    part.inputs.extend(part.files.iter().flat_map(|path| stand_ins(path)));
    part.inputs.extend(folder_stand_ins(files, tree, root));
    // A version out of git tags is built from no file.
    if files.keys().all(|path| VERSIONS.contains(&name(path)) && name(path) != "__init__.py") {
        part.copied.insert(String::new());
        return Ok(part);
    }
    part.patterns = PATTERNS.split_ascii_whitespace().map(str::to_owned).collect();
    let tops: BTreeSet<PathBuf> =
        contents.files.keys().filter_map(|inside| inside.components().next()).map(|top| root.join(top)).collect();
    let scripts = Scripts::read(tree, &tops)?;
    // What no script that was read names, another may.
    if !scripts.whole {
        return Ok(part);
    }
    part.copied.extend(tops.iter().filter(|top| tree.join(top).exists()).map(|top| top.display().to_string()));
    // Sources and data are generated out of data.
    let generates = files.keys().any(|path| !is_compiled(Path::new(path)) && !VERSIONS.contains(&name(path)));
    let unread = |error| EnvironmentError::io("reading", tree, &error);
    for entry in fs::read_dir(tree).map_err(unread)? {
        let top = entry.map_err(unread)?.file_name().to_string_lossy().into_owned();
        let lower = top.to_ascii_lowercase();
        let code = Path::new(&top).extension().is_some_and(|extension| extension == "py");
        let file = !code && NEVER_READ_FILES.iter().any(|start| lower.starts_with(start));
        if (file || NEVER_READ.contains(&lower.as_str())) && !scripts.name(&top) {
            part.copied.insert(top);
        }
    }
    for top in tops.iter().filter(|top| tree.join(top).exists()) {
        let (mut read, mut shipped) = (BTreeSet::new(), BTreeSet::new());
        for file in files_below(&tree.join(top))? {
            let path = file.strip_prefix(tree).unwrap_or(&file);
            let inside = path.strip_prefix(root).unwrap_or(path);
            let copied = contents.files.get(inside).is_some_and(|built| same(built, &file));
            let data = generates && !matches!(ending(path), "py" | "pyi");
            if !copied || data || scripts.read_file(path, inside) {
                part.inputs.insert(path.display().to_string());
                read.extend(data_pattern(top, path));
            } else {
                shipped.extend(data_pattern(top, path));
            }
        }
        // Data of one ending that is shipped as it is, and is not all read, says that the ending decides nothing.
        part.patterns.extend(read.difference(&shipped).cloned());
    }
    Ok(part)
}

/// Names of new data beside data that a build reads: it often takes all files of an ending.
fn data_pattern(top: &Path, path: &Path) -> Option<String> {
    let read = match classify(&path.to_string_lossy(), "pytest") {
        PathClass::Source | PathClass::Generated | PathClass::Binary | PathClass::BuildConfig => true,
        PathClass::Test
        | PathClass::Fixture
        | PathClass::RunnerConfig
        | PathClass::Startup
        | PathClass::Bytecode
        | PathClass::Vcs
        | PathClass::Ci
        | PathClass::Docs => false,
    };
    let ending = ending(path);
    let data = read && !ending.is_empty() && !matches!(ending, "py" | "pyi");
    data.then(|| format!("{}/*.{ending}", top.display()).to_ascii_lowercase())
}

/// Files that the tree does not hold and that importing would take for a folder of a built file: a module of its name, and what
/// makes a package of it.
fn folder_stand_ins(files: &BTreeMap<String, PathBuf>, tree: &Path, root: &Path) -> BTreeSet<String> {
    let folders = files.keys().flat_map(|path| Path::new(path).ancestors().skip(1));
    let below: BTreeSet<_> =
        folders.filter(|folder| folder.strip_prefix(root).is_ok_and(|inside| inside != Path::new(""))).collect();
    let both = |folder: &&Path| [format!("{}.py", folder.display()), format!("{}/__init__.py", folder.display())];
    let new = |path: &String| !files.contains_key(path) && fs::symlink_metadata(tree.join(path)).is_err();
    below.iter().flat_map(both).filter(new).collect()
}

/// Paths that importing would prefer to a built file, or take for it: a package or a source of its name.
fn stand_ins(path: &str) -> Vec<String> {
    let (folder, name) =
        path.rsplit_once('/').map_or((String::new(), path), |(folder, name)| (format!("{folder}/"), name));
    let Some((stem, rest)) = name.split_once('.') else { return Vec::new() };
    match is_compiled(Path::new(name)) {
        true => vec![format!("{folder}{stem}"), format!("{folder}{stem}.py")],
        false if rest == "py" => vec![format!("{folder}{stem}")],
        false => Vec::new(),
    }
}

fn has_source(tree: &Path, compiled: &Path) -> bool {
    let name = name_of(compiled);
    let stem = name.split('.').next().unwrap_or_default();
    let beside = |file: String| tree.join(compiled.with_file_name(file)).is_file();
    beside(format!("{stem}.py")) || beside(format!("{stem}/__init__.py"))
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether a file is a compiled module or library.
pub(super) fn is_compiled(path: &Path) -> bool {
    matches!(ending(path), "so" | "pyd" | "dylib" | "dll") || name_of(path).contains(".so.")
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn found(tree: &[(&str, &str)], wheel: &[(&str, &str)], root: &str) -> Option<Found> {
        let (tree, wheel) = (laid(tree), laid(wheel));
        let found = built_part(&contents(wheel.path()).unwrap(), tree.path(), root).unwrap();
        (!found.files.is_empty()).then_some(found)
    }

    fn names(paths: &BTreeSet<String>) -> Vec<&str> {
        paths.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_wheel_of_nothing_but_the_trees_files_has_no_built_part() {
        let files = [("p/__init__.py", "import os"), ("p/data.txt", "x")];
        let wheel = [
            ("p/__init__.py", "import os"),
            ("p/data.txt", "x"),
            ("p-1.dist-info/METADATA", ""),
            ("p-1.data/scripts/run", ""),
            ("p.pth", ""),
        ];
        assert!(found(&files, &wheel, "").is_none());
    }

    #[test]
    fn a_compiled_module_is_built_and_what_it_may_be_built_from_is_known() {
        let tree = [
            ("setup.py", "from gen import make\nExtension('p.fast', ['src/p/fast.c'])\nopen('src/p/table.txt')"),
            ("src/p/__init__.py", ""),
            ("src/p/core.py", "core"),
            ("src/p/fast.c", "c"),
            ("src/p/table.txt", "t"),
            ("src/p/grammar.peg", "g"),
            ("gen.py", ""),
            ("CHANGES", ""),
            ("examples/x.py", ""),
        ];
        let wheel = [
            ("p/__init__.py", ""),
            ("p/core.py", "core"),
            ("p/fast.cpython-311-x86_64-linux-gnu.so", "elf"),
            ("p/parser.py", "made"),
            ("p/table.txt", "t"),
        ];
        let found = found(&tree, &wheel, "src").unwrap();
        assert_eq!(names(&found.part.files), ["src/p/fast.cpython-311-x86_64-linux-gnu.so", "src/p/parser.py"]);
        assert_eq!(names(&found.part.copied), ["CHANGES", "examples", "src/p"]);
        let inputs = [
            "src/p.py",
            "src/p/fast",
            "src/p/fast.c",
            "src/p/fast.py",
            "src/p/grammar.peg",
            "src/p/parser",
            "src/p/table.txt",
        ];
        assert_eq!(names(&found.part.inputs), inputs);
        assert!(found.part.patterns.contains("*.pyx"));
        let data: Vec<_> = found.part.patterns.iter().filter(|pattern| pattern.contains('/')).collect();
        assert_eq!(data, ["src/p/*.c", "src/p/*.peg", "src/p/*.txt"]);
    }

    #[test]
    fn a_compiled_module_beside_its_source_is_left_out_because_the_source_is_what_a_diff_shows() {
        let so = "p/core.cpython-311-x86_64-linux-gnu.so";
        let tree = [("p/__init__.py", ""), ("p/core.py", "")];
        assert!(found(&tree, &[("p/__init__.py", ""), ("p/core.py", ""), (so, "elf")], "").is_none());
    }

    #[test]
    fn a_wheel_of_which_the_tree_holds_nothing_is_made_whole_unless_a_module_is_a_copy_from_elsewhere() {
        let wheel = laid(&[("p/__init__.py", "from .p import *"), ("p/p.abi3.so", "elf")]);
        let contents = contents(wheel.path()).unwrap();
        assert!(contents.is_made_whole(laid(&[("src/lib.rs", ""), ("tests/__init__.py", "")]).path()));
        assert!(!contents.is_made_whole(laid(&[("code/__init__.py", "from .p import *")]).path()));
        let pure = laid(&[("p/__init__.py", "x")]);
        assert!(!super::contents(pure.path()).unwrap().is_made_whole(wheel.path()));
    }

    #[test]
    fn a_version_out_of_git_tags_is_built_from_no_file() {
        let tree = [("p/__init__.py", ""), ("gen.py", "")];
        let part = found(&tree, &[("p/__init__.py", ""), ("p/_version.py", "v")], "").unwrap().part;
        assert_eq!((names(&part.copied), names(&part.inputs)), (vec![""], vec!["p.py", "p/_version"]));
        assert!(part.patterns.is_empty());
    }

    #[test]
    fn a_generator_inside_the_package_is_an_input_and_a_version_file_is_not() {
        let setup = "from p.build_ffi import ffi\nfrom p.version import v\ncffi_modules=['p/defs.py:ffi']";
        let tree = [
            ("setup.py", setup),
            ("p/__init__.py", ""),
            ("p/build_ffi.py", ""),
            ("p/defs.py", ""),
            ("p/version.py", ""),
        ];
        let wheel = [
            ("p/__init__.py", ""),
            ("p/build_ffi.py", ""),
            ("p/defs.py", ""),
            ("p/version.py", ""),
            ("p/_x.abi3.so", ""),
        ];
        let part = found(&tree, &wheel, "").unwrap().part;
        assert_eq!(names(&part.inputs), ["p.py", "p/_x", "p/_x.py", "p/build_ffi.py", "p/defs.py"]);
    }

    #[test]
    fn what_would_be_imported_for_a_folder_of_built_files_is_an_input_unless_the_tree_has_it() {
        let tree = [("src/p/__init__.py", ""), ("src/p/own.py", ""), ("src/p/own/data.txt", "")];
        let wheel =
            [("p/__init__.py", ""), ("p/made/deep/table.py", ""), ("p/made/__init__.py", ""), ("p/own/_x.abi3.so", "")];
        let part = found(&tree, &wheel, "src").unwrap().part;
        let folders: Vec<_> = names(&part.inputs).into_iter().filter(|path| !path.contains("_x")).collect();
        let expected = [
            "src/p.py",
            "src/p/made.py",
            "src/p/made/__init__",
            "src/p/made/deep.py",
            "src/p/made/deep/__init__.py",
            "src/p/made/deep/table",
            "src/p/own.py",
            "src/p/own/__init__.py",
            "src/p/own/data.txt",
        ];
        assert_eq!(folders, expected);
    }

    #[test]
    fn what_scripts_that_settings_and_scripts_name_read_is_an_input() {
        let pyproject = "[build-system]\nbuild-backend = 'own'\nbackend-path = ['tools']\n[tool.hatch.build.hooks.custom]\npath \
                         = 'tools/hook.py'\n[tool.ruff.lint.per-file-ignores]\n'p/core.py' = ['E1']\n";
        let tree = [
            ("pyproject.toml", pyproject),
            ("tools/hook.py", "run('tools/deep/gen.py')"),
            ("tools/deep/gen.py", "open('words.json')"),
            ("tools/own.py", "import p.tables\n"),
            ("p/__init__.py", ""),
            ("p/core.py", "import p.other\n"),
            ("p/other.py", ""),
            ("p/tables.py", ""),
            ("p/words.json", "{}"),
        ];
        let mut wheel: Vec<_> = tree[4..].to_vec();
        wheel.push(("p/_x.abi3.so", ""));
        let part = found(&tree, &wheel, "").unwrap().part;
        let inputs = names(&part.inputs);
        assert!(inputs.contains(&"p/words.json") && inputs.contains(&"p/tables.py"), "{inputs:?}");
        assert!(!inputs.contains(&"p/other.py"), "{inputs:?}");
        assert!(part.patterns.contains("p/*.json"), "{:?}", part.patterns);
    }

    #[test]
    fn what_a_script_imports_from_beside_the_packages_is_a_script_too() {
        let tree = [
            ("setup.py", "import os, sys\nfrom buildtools.gen import make\nExtension('p._x', ['p/_x.c'])"),
            ("buildtools/gen.py", "open('p/defs.py')"),
            ("p/src/deep/far/meson.build", "run('../../../../tools/far.py')"),
            ("tools/far.py", "open('p/far.py')"),
            ("p/__init__.py", ""),
            ("p/core.py", ""),
            ("p/defs.py", ""),
            ("p/far.py", ""),
        ];
        let mut wheel: Vec<_> = tree[4..].to_vec();
        wheel.push(("p/_x.abi3.so", ""));
        let inputs = found(&tree, &wheel, "").unwrap().part.inputs;
        let code: Vec<_> =
            names(&inputs).into_iter().filter(|path| path.ends_with("s.py") || path.ends_with("r.py")).collect();
        assert_eq!(code, ["p/defs.py", "p/far.py"]);
    }

    #[test]
    fn data_of_an_ending_that_is_also_shipped_unread_is_no_sign_for_new_data() {
        let tree =
            [("setup.py", ""), ("p/__init__.py", ""), ("p/words.txt", "w"), ("p/notes.txt", "n"), ("p/x.def", "d")];
        let wheel = [("p/__init__.py", ""), ("p/words.txt", "w"), ("p/_x.abi3.so", "")];
        let patterns = found(&tree, &wheel, "").unwrap().part.patterns;
        assert!(!patterns.contains("p/*.txt") && patterns.contains("p/*.def"), "{patterns:?}");
    }

    #[test]
    fn where_not_all_scripts_are_read_nothing_is_known_to_be_copied() {
        let names: Vec<String> = (0..=200).map(|number| format!("tools/t{number}.py")).collect();
        let all = names.join(" ");
        for (setup, copied) in [("", 1), (all.as_str(), 0)] {
            let mut tree = vec![("setup.py", setup), ("p/__init__.py", "")];
            tree.extend(names.iter().map(|name| (name.as_str(), "")));
            let wheel = [("p/__init__.py", ""), ("p/_x.abi3.so", "")];
            assert_eq!(found(&tree, &wheel, "").unwrap().part.copied.len(), copied);
        }
    }
}
