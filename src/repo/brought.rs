//! One commit of another repository, brought here without its history. Files that its tree only names come along if they
//! are at hand: those of submodules (`.git/modules`), and contents that Git LFS keeps (`.git/lfs`). Nothing is fetched.
//!
//! What came along stands in the tree as plain folders and files, so that the tests that need it run. What did not is
//! counted, and the tree is as git has it there: an empty folder, a pointer.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid};

use super::RepoError;
use super::draft::Mode;
use super::paths;
use super::regular;
use super::store::{Leaf, Repository, SUBMODULE_MODE, TREE_MODE, utf8_name};
use crate::model::digest::Digest;

/// A larger content is left out: it is no hand-made test data, and every trial would carry it.
const LARGEST_CONTENT: u64 = 256 << 20;
/// A pointer is shorter than this; Git LFS says so.
const LARGEST_POINTER: usize = 1024;
/// Submodules inside submodules.
const DEEPEST_MODULE: usize = 8;
/// Missing objects are named by so many paths.
const MOST_NAMED: usize = 3;

/// What was brought.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// The commit here. The same tree, message and companions give the same id.
    pub commit: String,
    /// Submodules of the tree, by path.
    pub submodules: BTreeMap<String, Submodule>,
    /// Files that Git LFS keeps elsewhere, by path: whether their content came along.
    pub pointers: BTreeMap<String, bool>,
}

/// What became of a submodule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submodule {
    /// Its files came along.
    Here,
    /// It was never cloned.
    NotCloned,
    /// Its clone lacks the commit that is wanted.
    Lacks { clone: PathBuf, commit: String },
    /// Its clone has the commit and lacks objects of it.
    Incomplete {
        commit: String,
        /// For people: what completes it.
        next: String,
    },
}

impl Submodule {
    /// Whether its files came along.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Here => true,
            Self::NotCloned | Self::Lacks { .. } | Self::Incomplete { .. } => false,
        }
    }
}

impl Repository {
    /// Copies the tree of one commit of another repository and commits it here without its history, so that nothing later
    /// or earlier can be reached from it.
    ///
    /// # Errors
    /// [`RepoError::Incomplete`] says how many objects the other repository lacks.
    pub fn bring(&self, other: &Self, commit: &str) -> Result<Brought, RepoError> {
        let commit = other.commit_of(commit)?;
        let tree = Oid::from_str(&other.tree_of(&commit)?).map_err(self.fault("reading a tree id"))?;
        let store = self.git.odb().map_err(self.fault("opening the object store"))?;
        let mut carrier =
            Carrier { into: self, store, brought: Brought::default(), missing: 0, named: Vec::new(), depth: 0 };
        let brought = carrier.tree(&Origin::of(other, tree, String::new())?, tree, "")?;
        let Carrier { brought: found, missing, named, .. } = carrier;
        if missing > 0 {
            let more = if missing > named.len() { ", ..." } else { "" };
            let short = &commit[..12];
            return Err(other.incomplete(format!("{missing} of commit {short}: {}{more}", named.join(", "))));
        }
        let commit = self.commit_tree(brought, &format!("Tree of commit {commit}\n"))?;
        Ok(Brought { commit, ..found })
    }

    /// The commit of [`Repository::bring`].
    pub fn fetch_tree_from(&self, other: &Self, commit: &str) -> Result<String, RepoError> {
        Ok(self.bring(other, commit)?.commit)
    }
}

/// Where objects come from: a repository, or a submodule of one.
struct Origin<'a> {
    repository: &'a Repository,
    store: git2::Odb<'a>,
    /// Path -> name of the submodules.
    modules: BTreeMap<String, String>,
    /// Where Git LFS keeps contents, if the tree says that it has such files.
    contents: Option<PathBuf>,
    /// Its place in the instance: empty, or with a slash at its end.
    prefix: String,
}

impl<'a> Origin<'a> {
    fn of(repository: &'a Repository, tree: Oid, prefix: String) -> Result<Self, RepoError> {
        let store = repository.git.odb().map_err(repository.fault("opening the object store"))?;
        let (mut modules, mut with_contents) = (BTreeMap::new(), false);
        let text = |oid| match repository.blob(oid) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            // It is counted when it is copied.
            Err(error) if error.lacks_objects() => Ok(String::new()),
            Err(error) => Err(error),
        };
        let entries = match repository.entries(&tree.to_string()) {
            Ok(entries) => entries,
            Err(error) if error.lacks_objects() => BTreeMap::new(),
            // A clone without trees has not even this one.
            Err(RepoError::TreeNotFound { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        for (path, leaf) in entries.iter().filter(|(_, leaf)| Mode::from_raw(leaf.mode) == Some(Mode::Plain)) {
            if path == ".gitmodules" {
                modules = submodules(&text(leaf.oid)?);
            } else if path.rsplit('/').next() == Some(".gitattributes") {
                with_contents |= text(leaf.oid)?.contains("filter=lfs");
            }
        }
        let contents = with_contents.then(|| contents_of(repository));
        Ok(Self { repository, store, modules, contents, prefix })
    }

    /// The clone of the submodule at a path.
    fn module(&self, path: &str) -> Option<Repository> {
        let git = &self.repository.git;
        let name = self.modules.get(path).map(Path::new);
        let name = name.filter(|name| name.components().all(|part| matches!(part, Component::Normal(_))));
        let kept =
            name.into_iter().flat_map(|name| [git.path(), git.commondir()].map(|at| at.join("modules").join(name)));
        // Older clones keep it inside the work tree.
        let inside = git.workdir().map(|root| root.join(path));
        kept.chain(inside).find_map(|place| Repository::open(&place).ok())
    }
}

/// Copies objects.
struct Carrier<'a> {
    into: &'a Repository,
    store: git2::Odb<'a>,
    brought: Brought,
    missing: usize,
    /// Places of the first missing objects.
    named: Vec<String>,
    /// How deep in submodules.
    depth: usize,
}

impl Carrier<'_> {
    /// Copies a tree and gives what it is here: itself, or one in which what is at hand stands for what was named.
    fn tree(&mut self, from: &Origin, tree: Oid, at: &str) -> Result<Oid, RepoError> {
        let other = from.repository;
        let object = match other.git.find_tree(tree) {
            Ok(object) => object,
            Err(error) if error.code() == ErrorCode::NotFound => {
                self.lacks(&format!("{}{at}", from.prefix));
                return Ok(tree);
            }
            Err(error) => return Err(other.fault("reading a tree")(error)),
        };
        let mut changed = Vec::new();
        for entry in &object {
            let inside = format!("{at}{}", utf8_name(&format!("{}{at}", from.prefix), &entry)?);
            let path = format!("{}{inside}", from.prefix);
            let name = inside.rsplit('/').next().unwrap_or_default();
            let too_deep = inside.split('/').count() > paths::MAX_COMPONENTS;
            if let Some(why) = paths::fault(name).or(too_deep.then_some("stands too deep")) {
                return Err(RepoError::Unstorable { path, why: format!("the name {why}; such trees are refused") });
            }
            let (old, mode) = (entry.id(), entry.filemode());
            let new = match entry.kind() {
                Some(ObjectType::Tree) => Some((self.tree(from, old, &format!("{inside}/"))?, mode)),
                Some(ObjectType::Blob) => Some((self.file(from, old, &path)?, mode)),
                _ if mode == SUBMODULE_MODE => self.submodule(from, old, &inside, &path)?.map(|tree| (tree, TREE_MODE)),
                _ => None,
            };
            changed.extend(new.filter(|(new, _)| *new != old).map(|(oid, mode)| (name.to_owned(), Leaf { oid, mode })));
        }
        if !self.store.exists(tree) {
            self.copy(from, tree)?;
        }
        if changed.is_empty() || self.missing > 0 {
            return Ok(tree);
        }
        let whole = changed.into_iter().map(|(name, leaf)| (name, Some(leaf))).collect();
        let new = self.into.write_tree(&tree.to_string(), &whole)?;
        Oid::from_str(&new).map_err(self.into.fault("reading a tree id"))
    }

    fn file(&mut self, from: &Origin, blob: Oid, path: &str) -> Result<Oid, RepoError> {
        if !self.store.exists(blob) && !self.copy(from, blob)? {
            self.lacks(path);
            return Ok(blob);
        }
        let Some(contents) = &from.contents else { return Ok(blob) };
        let (bytes, _) = self.store.read_header(blob).map_err(self.into.fault("reading a file"))?;
        if bytes >= LARGEST_POINTER {
            return Ok(blob);
        }
        let Some(pointer) = Pointer::of(&self.into.blob(blob)?) else { return Ok(blob) };
        let content = pointer.content(contents);
        self.brought.pointers.insert(path.to_owned(), content.is_some());
        match content {
            Some(content) => self.into.git.blob(&content).map_err(self.into.fault("storing a file")),
            None => Ok(blob),
        }
    }

    /// The tree of a submodule's commit, if it is at hand.
    fn submodule(&mut self, from: &Origin, commit: Oid, inside: &str, path: &str) -> Result<Option<Oid>, RepoError> {
        let module = if self.depth < DEEPEST_MODULE { from.module(inside) } else { None };
        let Some(module) = module else {
            self.brought.submodules.insert(path.to_owned(), Submodule::NotCloned);
            return Ok(None);
        };
        let tree = match module.git.find_commit(commit) {
            Ok(commit) => commit.tree_id(),
            Err(error) if error.code() == ErrorCode::NotFound => {
                let lacks = Submodule::Lacks { clone: module.path().to_owned(), commit: commit.to_string() };
                self.brought.submodules.insert(path.to_owned(), lacks);
                return Ok(None);
            }
            Err(error) => return Err(module.fault("reading the commit of a submodule")(error)),
        };
        let missing = (self.missing, self.named.len());
        self.depth += 1;
        let prefix = format!("{path}/");
        let copied = self.tree(&Origin::of(&module, tree, prefix.clone())?, tree, "")?;
        self.depth -= 1;
        let (copied, what) = if self.missing > missing.0 {
            // The instance lacks nothing by that: it is as if the submodule were not there, nor what is inside of it.
            self.missing = missing.0;
            self.named.truncate(missing.1);
            self.brought.submodules.retain(|path, _| !path.starts_with(&prefix));
            self.brought.pointers.retain(|path, _| !path.starts_with(&prefix));
            (None, Submodule::Incomplete { commit: commit.to_string(), next: module.completion() })
        } else {
            (Some(copied), Submodule::Here)
        };
        self.brought.submodules.insert(path.to_owned(), what);
        Ok(copied)
    }

    /// Copies one object; whether it is there.
    fn copy(&self, from: &Origin, oid: Oid) -> Result<bool, RepoError> {
        match from.store.read(oid) {
            Ok(object) => {
                self.store.write(object.kind(), object.data()).map_err(self.into.fault("storing an object"))?;
                Ok(true)
            }
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(from.repository.fault("reading an object")(error)),
        }
    }

    fn lacks(&mut self, path: &str) {
        self.missing += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(if path.is_empty() { "its tree".to_owned() } else { path.to_owned() });
        }
    }
}

/// Path -> name of submodules, by the text of `.gitmodules`.
fn submodules(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut name = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            name = line.strip_prefix("[submodule \"").and_then(|rest| rest.strip_suffix("\"]"));
        } else if let Some(name) = name
            && let Some((key, path)) = line.split_once('=')
            && key.trim() == "path"
        {
            found.insert(path.trim().trim_matches('"').to_owned(), name.to_owned());
        }
    }
    found
}

/// Where Git LFS keeps the contents of a repository.
fn contents_of(repository: &Repository) -> PathBuf {
    let common = repository.git.commondir();
    let named = repository.git.config().and_then(|config| config.get_path("lfs.storage"));
    common.join(named.unwrap_or_else(|_| PathBuf::from("lfs"))).join("objects")
}

/// What git has of a file whose content Git LFS keeps.
struct Pointer {
    digest: String,
    bytes: u64,
}

impl Pointer {
    fn of(file: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(file).ok()?;
        let rest = text.strip_prefix("version https://git-lfs.github.com/spec/v1\n")?;
        let value = |key: &str| rest.lines().find_map(|line| line.strip_prefix(key));
        let digest = value("oid sha256:")?.to_owned();
        let plain = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self { digest, bytes: value("size ")?.parse().ok()? }).filter(|_| plain)
    }

    /// The content, if it is at hand and whole.
    fn content(&self, contents: &Path) -> Option<Vec<u8>> {
        let place = contents.join(&self.digest[..2]).join(&self.digest[2..4]).join(&self.digest);
        if self.bytes > LARGEST_CONTENT {
            return None;
        }
        let content = regular::read(&place, self.bytes).ok()??;
        Some(content)
            .filter(|content| content.len() as u64 == self.bytes && Digest::of(content).as_str() == self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_read_off_their_file() {
        let text = "[submodule \"a b\"]\n\tpath = vendor/x\n\turl = https://e.org/x\n[core]\n path = no\n[submodule \"y\"]\n path=y\n";
        let found = submodules(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found["vendor/x"].as_str(), found["y"].as_str()), ("a b", "y"));
    }

    #[test]
    fn a_pointer_is_one_of_git_lfs_and_nothing_that_looks_alike() {
        let digest = "a".repeat(64);
        let text = |first: &str, oid: &str, size: &str| format!("version {first}\noid sha256:{oid}\nsize {size}\n");
        let v1 = "https://git-lfs.github.com/spec/v1";
        assert_eq!(Pointer::of(text(v1, &digest, "12").as_bytes()).map(|pointer| pointer.bytes), Some(12));
        for other in [text("https://e.org", &digest, "12"), text(v1, "../../../etc", "12"), text(v1, &digest, "many")] {
            assert!(Pointer::of(other.as_bytes()).is_none(), "{other}");
        }
    }
}
