//! Two trees of a repository to an instance: the difference outside tests is gold, the difference inside tests the test
//! patch.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Map;

use super::clone_notes::beside_git;
use super::license;
use super::one_sided::{Side, one_sided};
use super::pypi::ReleasePair;
use crate::language::suite::is_at;
use crate::language::{self, Stated};
use crate::model::candidate::PathClass;
use crate::model::format;
use crate::model::instance::{Environment, Instance, Source};
use crate::model::layout::Layout;
use crate::model::near_names::nearest;
use crate::repo::{self, Brought, Repository};

/// What the caller says about an instance beside its two trees.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The issue, for prompts. Must not be empty.
    pub problem_statement: String,
    /// Overrides the id that is made of name and versions.
    pub instance_id: Option<String>,
    /// Overrides the repository name that is made of package or folder.
    pub repo: Option<String>,
    /// Changed files that do not belong to the instance: release bookkeeping such as a version number. They stay as in base.
    pub leave_out: Vec<String>,
    /// Overrides the licence that is found in the tree.
    pub license: Option<String>,
    /// What the tests run in. Without requirements, those that a release states are taken.
    pub environment: Environment,
}

/// Paths of a difference by the patch they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Everything that a repair may change: part of the gold patch.
    pub gold: Vec<String>,
    /// Tests, their data and the runner's configuration: part of the test patch.
    pub tests: Vec<String>,
}

/// Parts changed paths into gold and tests.
pub fn split(paths: impl IntoIterator<Item = String>, layout: &Layout) -> Split {
    let mut split = Split::default();
    for path in paths {
        match layout.class(&path) {
            PathClass::Test | PathClass::Fixture | PathClass::RunnerConfig => split.tests.push(path),
            _ => split.gold.push(path),
        }
    }
    split
}

/// Where an import directory keeps the bare repository of `Instance::repo`.
pub fn repository_path(out: &Path, repo: &str) -> PathBuf {
    repository_in(&out.join("repos"), repo)
}

/// The same below a directory of repositories.
pub fn repository_in(repos: &Path, repo: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let slug: String = repo.replace('/', "__").chars().map(plain).collect();
    repos.join(format!("{}.git", slug.trim_start_matches('.')))
}

/// Makes an instance of two source releases and puts the base commit into the import directory's repository.
pub fn import_pair(pair: &ReleasePair, wanted: Wanted, out: &Path) -> Result<Instance> {
    let (name, old, new) = (&*pair.name, &*pair.old.version, &*pair.new.version);
    let mut wanted = wanted;
    if wanted.environment.requirements.is_empty() {
        wanted.environment.requirements = pair.old.metadata.requires.clone();
    }
    wanted.license = wanted.license.or_else(|| pair.old.metadata.license.clone());
    let folders = Folders { name, base: (old, &pair.old.directory), fix: (new, &pair.new.directory) };
    let source = Source::Pypi { name: name.to_owned(), old: old.to_owned(), new: new.to_owned() };
    import(&folders, source, wanted, out)
}

/// Makes an instance of two folders, the tree before and after.
pub fn import_folders(base: &Path, fix: &Path, wanted: Wanted, out: &Path) -> Result<Instance> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (old, new) = (name(base), name(fix));
    let folders = Folders { name: "folders", base: (&old, base), fix: (&new, fix) };
    let source = Source::Folders { base: old.clone(), fix: new.clone() };
    import(&folders, source, wanted, out)
}

/// Two trees on disk, each with what it is called.
struct Folders<'a> {
    name: &'a str,
    base: (&'a str, &'a Path),
    fix: (&'a str, &'a Path),
}

fn import(folders: &Folders<'_>, source: Source, wanted: Wanted, out: &Path) -> Result<Instance> {
    let Folders { name, base: (old, old_folder), fix: (new, new_folder) } = *folders;
    let what = || format!("{name} {old} -> {new}");
    let repo_name = wanted.repo.clone().unwrap_or_else(|| name.to_owned());
    let scratch = Scratch::new()?;
    let message = format!("{name} {old}\n");
    let base = scratch.repo.import_directory(old_folder, &message).with_context(what)?;
    let fix = scratch.repo.import_directory(new_folder, &format!("{name} {new}\n")).with_context(what)?;
    let patches = patches(&scratch.repo, &base, &fix, &wanted).with_context(what)?;
    let store = store(out, &repo_name)?;
    let base_commit = store.import_directory(old_folder, &message).with_context(|| kept(out)).with_context(what)?;
    let id = format!("{name}__{old}__{new}");
    instance(&store, Draft { id, name: &repo_name, base_commit, version: Some(old), patches, source }, wanted)
        .with_context(what)
}

/// Makes an instance of a commit range of a local repository and puts the base tree, without history, into the import
/// directory's repository. `base` and `fix` are revisions of any kind. What of them is not as git shows it is said beside the
/// instance.
pub fn import_range(path: &Path, base: &str, fix: &str, wanted: Wanted, out: &Path) -> Result<Ranged> {
    if !path.exists() {
        bail!("{} is not there; name the folder of a clone", path.display());
    }
    let from = Repository::open(path)?;
    let (base, fix) = (from.commit_of(base)?, from.commit_of(fix)?);
    for commit in [&base, &fix] {
        if let Some(other) = from.replacement(commit) {
            bail!(
                "git reads {other} in the place of {commit} (refs/replace of {}), and assay follows no replacement; name the \
                 one that is meant, or remove the replacement with {}",
                path.display(),
                from.command(&format!("replace -d {commit}"))
            );
        }
    }
    let absolute = path.canonicalize().with_context(|| format!("finding {}", path.display()))?;
    let folder = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = match folder.strip_suffix(".git").unwrap_or(&folder) {
        "" => "repository",
        name => name,
    };
    let repo_name = wanted.repo.clone().unwrap_or_else(|| name.to_owned());
    let what = format!("{} {}..{}", path.display(), &base[..12], &fix[..12]);
    let scratch = Scratch::new()?;
    let copied = scratch.repo.bring(&from, &base).with_context(|| what.clone())?;
    let fixed = scratch.repo.bring(&from, &fix).with_context(|| what.clone())?;
    comparable(&from, &scratch.repo, [(&base, &copied), (&fix, &fixed)], &wanted).with_context(|| what.clone())?;
    let patches = patches(&scratch.repo, &copied.commit, &fixed.commit, &wanted).with_context(|| what.clone())?;
    let store = store(out, &repo_name)?;
    let base_commit = store.fetch_tree_from(&from, &base).with_context(|| kept(out)).with_context(|| what.clone())?;
    let id = format!("{name}__{}__{}", &base[..12], &fix[..12]);
    let notes = beside_git(&from, &[(&base, &copied), (&fix, &fixed)]);
    let version = from.nearest_version(&base);
    let source = Source::Git { path: absolute.display().to_string(), base, fix };
    let draft = Draft { id, name: &repo_name, base_commit, version: version.as_deref(), patches, source };
    Ok(Ranged { instance: instance(&store, draft, wanted).context(what)?, notes })
}

/// Ends if one of the two trees has files that the other one only names.
fn comparable(from: &Repository, brought: &Repository, sides: [(&str, &Brought); 2], wanted: &Wanted) -> Result<()> {
    let trees = [brought.tree_of(&sides[0].1.commit)?, brought.tree_of(&sides[1].1.commit)?];
    let files = |tree: &String| Ok(brought.paths(tree)?.into_iter().collect::<BTreeSet<_>>());
    let paths: [Result<_>; 2] = trees.each_ref().map(files);
    let [base, fix] = paths;
    let paths = [base?, fix?];
    let side = |at: usize| Side { commit: sides[at].0, brought: sides[at].1, paths: &paths[at] };
    let same = |path: &str| {
        let [base, fix] = trees.each_ref().map(|tree| brought.read(tree, path).ok());
        wanted.leave_out.iter().any(|left| left == path) || (base.is_some() && base == fix)
    };
    match one_sided(from, [side(0), side(1)], &same) {
        Some(why) => bail!(why),
        None => Ok(()),
    }
}

/// An instance of a commit range.
#[derive(Debug)]
pub struct Ranged {
    pub instance: Instance,
    /// For people: what of the two trees is not as git shows it, and the command that mends it.
    pub notes: Vec<String>,
}

/// A repository that holds both trees while they are compared; the one that is kept never sees the fix.
struct Scratch {
    repo: Repository,
    _directory: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir().context("making a scratch directory")?;
        let repo = Repository::create_bare(directory.path())?;
        Ok(Self { repo, _directory: directory })
    }
}

struct Draft<'a> {
    id: String,
    name: &'a str,
    base_commit: String,
    version: Option<&'a str>,
    patches: (String, String),
    source: Source,
}

fn store(out: &Path, name: &str) -> Result<Repository> {
    let path = repository_path(out, name);
    std::fs::create_dir_all(&path).with_context(|| kept(out))?;
    Repository::create_bare(&path).with_context(|| kept(out))
}

fn kept(out: &Path) -> String {
    format!("cannot keep the base tree below {}; free space or make it writable", out.display())
}

/// Gold patch (base to gold) and test patch (gold to fix).
fn patches(repo: &Repository, base: &str, fix: &str, wanted: &Wanted) -> Result<(String, String)> {
    let (base, fix) = (repo.tree_of(base)?, repo.tree_of(fix)?);
    for path in &wanted.leave_out {
        // A file that is there and does not differ is not in the gold patch, as was asked for.
        if repo.read(&base, path)?.is_none() && repo.read(&fix, path)?.is_none() {
            let changed = repo.changed_paths(&base, &fix)?;
            let known = nearest(path, changed.iter().map(String::as_str));
            bail!("--leave-out {path}: neither version has a file of this name; of files that differ {known}");
        }
    }
    let fix = repo.take_paths(&fix, &base, &wanted.leave_out)?;
    let named = &wanted.environment.tests;
    let paths = repo.paths(&fix)?;
    for path in named {
        if !paths.iter().any(|known| is_at(path, known)) {
            let known = nearest(path, paths.iter().map(String::as_str));
            bail!("--tests {path}: the fixed version has no file or folder of this name; of its files {known}");
        }
    }
    let stated = Stated { listed: named, ..Stated::default() };
    let layout = repo::layout(repo, &wanted.environment.framework, &base, &fix, stated)?;
    let split = split(repo.changed_paths(&base, &fix)?, &layout);
    if split.gold.is_empty() {
        bail!("nothing differs outside tests, so there is nothing to repair; check the order of the two versions");
    }
    let gold = repo.take_paths(&base, &fix, &split.gold)?;
    Ok((repo.diff(&base, &gold)?, repo.diff(&gold, &fix)?))
}

fn instance(store: &Repository, draft: Draft<'_>, wanted: Wanted) -> Result<Instance> {
    if wanted.problem_statement.trim().is_empty() {
        bail!("the problem statement is empty; give one with --problem");
    }
    let found = license::of_tree(store, &store.tree_of(&draft.base_commit)?)?;
    let (patch, test_patch) = draft.patches;
    Ok(Instance {
        format: format::INSTANCE.to_owned(),
        instance_id: wanted.instance_id.unwrap_or(draft.id),
        repo: draft.name.to_owned(),
        base_commit: draft.base_commit,
        problem_statement: wanted.problem_statement,
        hints_text: String::new(),
        patch,
        test_patch,
        fail_to_pass: Vec::new(),
        pass_to_pass: Vec::new(),
        version: draft.version.map(str::to_owned),
        created_at: None,
        language: language::of_runner(&wanted.environment.framework).map(|language| language.name().to_owned()),
        license: wanted.license.or(found),
        source: Some(draft.source),
        environment: wanted.environment,
        extra: Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_fixtures_and_runner_configuration_make_the_test_patch() {
        let paths = ["src/a.py", "tests/test_a.py", "tests/data/x.json", "conftest.py", "CHANGES.rst", "docs/a.rst"];
        let split = split(paths.map(str::to_owned), &Layout::by_name("pytest"));
        assert_eq!(split.gold, ["src/a.py", "CHANGES.rst", "docs/a.rst"]);
        assert_eq!(split.tests, ["tests/test_a.py", "tests/data/x.json", "conftest.py"]);
    }

    #[test]
    fn a_repository_stays_below_the_import_directory_whatever_its_name() {
        let out = Path::new("out");
        assert_eq!(repository_path(out, "pallets/jinja"), out.join("repos/pallets__jinja.git"));
        assert_eq!(repository_path(out, "../x y"), out.join("repos/__x_y.git"));
    }
}
