//! A git object store: trees in, trees out, all by id.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use git2::{ErrorClass, ErrorCode, ObjectType, Oid};

use super::RepoError;
use super::draft::Mode;
use crate::sandbox::FileChange;

/// A git repository, bare or with a work tree. It can be sent to another thread but not shared: every thread opens its
/// own with [`Repository::reopen`].
pub struct Repository {
    pub(super) git: git2::Repository,
    pub(super) path: PathBuf,
    /// Another repository whose objects and names are read too ([`Repository::beside`]).
    pub(super) reads: Option<PathBuf>,
}

/// What a tree holds at one path: an object and its raw git mode. Trees are leaves here too, so that a whole directory
/// can be put at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub oid: Oid,
    pub mode: i32,
}

/// Raw git mode of a directory.
pub(super) const TREE_MODE: i32 = 0o040_000;
/// Raw git mode of a submodule.
pub(super) const SUBMODULE_MODE: i32 = 0o160_000;

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("path", &self.path).finish()
    }
}

impl Repository {
    /// The same repository, opened once more for another thread.
    pub fn reopen(&self) -> Result<Self, RepoError> {
        match &self.reads {
            Some(reads) => Self::beside(reads, &self.path),
            None => Self::open(&self.path),
        }
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fault(&self, doing: &'static str) -> impl FnOnce(git2::Error) -> RepoError + '_ {
        move |fault| match (fault.code(), fault.class()) {
            (ErrorCode::NotFound, ErrorClass::Odb) => self.incomplete(format!("{doing}: {}", fault.message())),
            _ => RepoError::Git { doing, repository: self.path.clone(), fault },
        }
    }

    /// Id of the commit that a revision names: an id, a tag, a branch, `HEAD~2`, ...
    ///
    /// # Errors
    /// [`RepoError::CommitNotFound`] names the revision and this repository.
    pub fn commit_of(&self, rev: &str) -> Result<String, RepoError> {
        let object = self.revision(rev)?;
        let commit = object.peel_to_commit().map_err(|_| self.commit_not_found(rev))?;
        Ok(commit.id().to_string())
    }

    /// Id of the tree of a commit, or of whatever else names a tree.
    ///
    /// # Errors
    /// [`RepoError::CommitNotFound`] names the revision and this repository.
    pub fn tree_of(&self, commit_or_rev: &str) -> Result<String, RepoError> {
        let object = self.revision(commit_or_rev)?;
        let tree = object.peel_to_tree().map_err(|_| match object.peel_to_commit() {
            Ok(commit) if !self.holds(&commit.tree_id().to_string()) => {
                self.incomplete(format!("the tree of commit {}", &commit.id().to_string()[..12]))
            }
            Ok(_) | Err(_) => self.commit_not_found(commit_or_rev),
        })?;
        Ok(tree.id().to_string())
    }

    fn revision(&self, rev: &str) -> Result<git2::Object<'_>, RepoError> {
        let found = match (self.git.revparse_single(rev), &self.reads) {
            // The names are those of the repository that is read.
            (Err(_), Some(reads)) => {
                let commit = Self::open(reads)?.revision(rev)?.id();
                self.git.find_object(commit, None)
            }
            (found, _) => found,
        };
        found.map_err(|error| match error.code() {
            ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Ambiguous => self.commit_not_found(rev),
            _ => self.fault("looking up a revision")(error),
        })
    }

    pub(super) fn tree(&self, id: &str) -> Result<git2::Tree<'_>, RepoError> {
        let missing = || RepoError::TreeNotFound { tree: id.to_owned(), repository: self.path.clone() };
        let oid = Oid::from_str(id).map_err(|_| missing())?;
        self.git.find_tree(oid).map_err(|_| missing())
    }

    /// Whether a tree is here.
    pub fn holds(&self, tree: &str) -> bool {
        self.tree(tree).is_ok()
    }

    /// Every file and link of a tree, sorted by bytes. Submodules are left out.
    pub fn paths(&self, tree: &str) -> Result<Vec<String>, RepoError> {
        let mut paths: Vec<_> = self.leaves(tree)?.into_keys().collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// Every file and link of a tree with its object. Submodules are left out.
    pub(super) fn leaves(&self, tree: &str) -> Result<BTreeMap<String, Leaf>, RepoError> {
        let mut entries = self.entries(tree)?;
        entries.retain(|_, leaf| leaf.mode != SUBMODULE_MODE);
        Ok(entries)
    }

    /// Every file, link and submodule of a tree.
    pub(super) fn entries(&self, tree: &str) -> Result<BTreeMap<String, Leaf>, RepoError> {
        let mut leaves = BTreeMap::new();
        let mut open = vec![(String::new(), self.tree(tree)?)];
        while let Some((prefix, tree)) = open.pop() {
            for entry in &tree {
                let path = format!("{prefix}{}", utf8_name(&prefix, &entry)?);
                match entry.kind() {
                    Some(ObjectType::Tree) => {
                        let below = self.git.find_tree(entry.id()).map_err(self.fault("reading a tree"))?;
                        open.push((path + "/", below));
                    }
                    Some(ObjectType::Blob | ObjectType::Commit) => {
                        leaves.insert(path, Leaf { oid: entry.id(), mode: entry.filemode() });
                    }
                    _ => {}
                }
            }
        }
        Ok(leaves)
    }

    /// The bytes of a file (or the target of a link); `None` if the tree has no file there.
    pub fn read(&self, tree: &str, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        match self.leaf(&self.tree(tree)?, path)? {
            Some(leaf) if leaf.mode != TREE_MODE && leaf.mode != SUBMODULE_MODE => Ok(Some(self.blob(leaf.oid)?)),
            _ => Ok(None),
        }
    }

    pub(super) fn blob(&self, oid: Oid) -> Result<Vec<u8>, RepoError> {
        Ok(self.git.find_blob(oid).map_err(self.fault("reading a file"))?.content().to_vec())
    }

    /// What is at a path, directories included.
    pub(super) fn leaf(&self, tree: &git2::Tree<'_>, path: &str) -> Result<Option<Leaf>, RepoError> {
        // An answer may name what no tree can hold: `../x`, `/x`, `./x`, a NUL. git2 takes that for a fault of ours.
        let odd = Path::new(path).components().any(|part| !matches!(part, Component::Normal(_)));
        if path.is_empty() || odd || path.contains('\0') {
            return Ok(None);
        }
        match tree.get_path(Path::new(path)) {
            Ok(entry) => Ok(Some(Leaf { oid: entry.id(), mode: entry.filemode() })),
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Invalid) => Ok(None),
            Err(error) => Err(self.fault("reading a tree")(error)),
        }
    }

    /// A new tree: `tree` with these changes made. Whatever stands in the way of a written path is replaced; removing
    /// what is not there changes nothing.
    pub fn with(&self, tree: &str, changes: &[FileChange]) -> Result<String, RepoError> {
        let mut leaves = BTreeMap::new();
        for change in changes {
            let (path, leaf) = match change {
                FileChange::Write { path, content, executable } => {
                    let mode = if *executable { Mode::Executable } else { Mode::Plain };
                    (path, Some(self.store(content, mode)?))
                }
                FileChange::Link { path, target } => (path, Some(self.store(target.as_bytes(), Mode::Link)?)),
                FileChange::Remove { path } => (path, None),
            };
            leaves.insert(path.clone(), leaf);
        }
        self.write_tree(tree, &leaves)
    }

    /// A new tree: `onto` with each path made equal to what `from` has there - a file, a link, a directory or nothing.
    pub fn take_paths(&self, onto: &str, from: &str, paths: &[String]) -> Result<String, RepoError> {
        let from = self.tree(from)?;
        let mut leaves = BTreeMap::new();
        for path in paths {
            leaves.insert(path.clone(), self.leaf(&from, path)?);
        }
        self.write_tree(onto, &leaves)
    }

    pub(super) fn store(&self, content: &[u8], mode: Mode) -> Result<Leaf, RepoError> {
        let oid = self.git.blob(content).map_err(self.fault("storing a file"))?;
        Ok(Leaf { oid, mode: mode.raw() })
    }

    /// Writes `base` with leaves put (`Some`) or removed (`None`), by path.
    pub(super) fn write_tree(&self, base: &str, leaves: &BTreeMap<String, Option<Leaf>>) -> Result<String, RepoError> {
        let base = self.tree(base)?;
        let wanted: Vec<_> = leaves.iter().map(|(path, leaf)| (path.as_str(), *leaf)).collect();
        Ok(self.write_level(Some(&base), &wanted)?.map_or_else(|| self.empty_tree(), Ok)?.to_string())
    }

    pub(super) fn empty_tree(&self) -> Result<Oid, RepoError> {
        let builder = self.git.treebuilder(None).map_err(self.fault("writing a tree"))?;
        builder.write().map_err(self.fault("writing a tree"))
    }

    /// One directory; `None` if nothing is left in it.
    fn write_level(
        &self,
        base: Option<&git2::Tree<'_>>,
        wanted: &[(&str, Option<Leaf>)],
    ) -> Result<Option<Oid>, RepoError> {
        let mut here: BTreeMap<&str, Option<Leaf>> = BTreeMap::new();
        let mut below: BTreeMap<&str, Vec<(&str, Option<Leaf>)>> = BTreeMap::new();
        for &(path, leaf) in wanted {
            match path.split_once('/') {
                None => {
                    here.insert(path, leaf);
                }
                Some((name, rest)) => below.entry(name).or_default().push((rest, leaf)),
            }
        }

        let mut builder = self.git.treebuilder(base).map_err(self.fault("writing a tree"))?;
        for (name, leaf) in &here {
            self.put(&mut builder, name, *leaf)?;
        }
        for (name, wanted) in &below {
            // A leaf put at the directory's own path is whole: nothing below it is asked for any more.
            if here.get(name).is_some_and(Option::is_some) {
                continue;
            }
            let existing = builder.get(*name).map_err(self.fault("reading a tree"))?;
            let existing = existing.map(|entry| (entry.kind(), entry.id()));
            let is_tree = matches!(existing, Some((Some(ObjectType::Tree), _)));
            if existing.is_some() && !is_tree && wanted.iter().all(|(_, leaf)| leaf.is_none()) {
                continue;
            }
            let subtree = match existing {
                Some((_, id)) if is_tree => Some(self.git.find_tree(id).map_err(self.fault("reading a tree"))?),
                _ => None,
            };
            let written = self.write_level(subtree.as_ref(), wanted)?;
            self.put(&mut builder, name, written.map(|oid| Leaf { oid, mode: TREE_MODE }))?;
        }
        if builder.is_empty() {
            return Ok(None);
        }
        builder.write().map(Some).map_err(self.fault("writing a tree"))
    }

    fn put(&self, builder: &mut git2::TreeBuilder<'_>, name: &str, leaf: Option<Leaf>) -> Result<(), RepoError> {
        match leaf {
            Some(leaf) => {
                builder.insert(name, leaf.oid, leaf.mode).map_err(self.fault("writing a tree"))?;
            }
            None => {
                if builder.get(name).map_err(self.fault("reading a tree"))?.is_some() {
                    builder.remove(name).map_err(self.fault("writing a tree"))?;
                }
            }
        }
        Ok(())
    }

    /// A stored leaf as a change for a sandbox.
    pub(super) fn change(&self, path: String, leaf: Leaf) -> Result<FileChange, RepoError> {
        let content = self.blob(leaf.oid)?;
        Ok(match Mode::from_raw(leaf.mode) {
            Some(Mode::Link) => {
                let target = String::from_utf8(content).map_err(|_| RepoError::Unstorable {
                    path: path.clone(),
                    why: "links to a name that is not UTF-8".into(),
                })?;
                FileChange::Link { path, target }
            }
            mode => FileChange::Write { path, content: Arc::from(content), executable: mode == Some(Mode::Executable) },
        })
    }
}

/// The name of an entry, refused if a path of ours could not say it.
pub(super) fn utf8_name<'e>(prefix: &str, entry: &'e git2::TreeEntry<'_>) -> Result<&'e str, RepoError> {
    std::str::from_utf8(entry.name_bytes()).map_err(|_| RepoError::Unstorable {
        path: format!("{prefix}{}", String::from_utf8_lossy(entry.name_bytes())),
        why: "the name is not UTF-8; such repositories cannot be used".to_owned(),
    })
}
