//! Recording a base tree from a work tree on disk: what stands there, for the paths that the base commit or the index
//! knows. Uncommitted changes are part of it. Files that git does not track are not; they are kept beside the tree and
//! laid around it again, without bytecode.
//!
//! Git objects and the index are read, and nothing else of that `.git`: not its configuration, hooks, links or
//! alternate stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use git2::Oid;
use walkdir::WalkDir;

use super::RepoError;
use super::draft::Mode;
use super::paths;
use super::store::Repository;

/// A work tree as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Our commit of it, without parents.
    pub commit: String,
    /// Paths that belong to the tree or would, had they not been removed.
    pub tracked: BTreeSet<String>,
}

impl Repository {
    /// Records the work tree in `dir` as it stands, against `base_commit` of its own `.git` or, if that has no such
    /// commit, of `other`. Only git objects and the index of `dir` are read: no configuration, hook or filter of it has a say.
    ///
    /// # Errors
    /// [`RepoError::CommitNotFound`] if neither has the commit; [`RepoError::Unstorable`] if something of the tree cannot be
    /// stored, or could lead out of `dir`.
    pub fn record(&self, dir: &Path, base_commit: &str, other: Option<&Self>) -> Result<Recorded, RepoError> {
        let own = own_repository(dir)?;
        let from = [own.as_ref(), other].into_iter().flatten().find(|from| from.commit_of(base_commit).is_ok());
        let from = from.ok_or_else(|| RepoError::CommitNotFound {
            commit: base_commit.to_owned(),
            repository: other.map_or(dir, |other| other.path()).to_owned(),
            next: "fetch it there, or correct the instance's base_commit".to_owned(),
        })?;
        let mut tracked: BTreeSet<String> = from.leaves(&from.tree_of(base_commit)?)?.into_keys().collect();
        if let Some(own) = &own {
            let index = own.git.index().map_err(own.fault("reading the index"))?;
            let entries = index.iter().filter(|entry| Mode::from_raw(entry.mode.cast_signed()).is_some());
            tracked.extend(entries.filter_map(|entry| String::from_utf8(entry.path).ok()));
        }
        let mut leaves = BTreeMap::new();
        for path in &tracked {
            if let Some(why) = paths::fault(path) {
                return Err(unstorable(path, &format!("the path {why}; such trees are refused")));
            }
            if let Some(leaf) = self.record_file(dir, path)? {
                leaves.insert(path.clone(), Some(leaf));
            }
        }
        let tree = self.write_tree(&self.empty_tree()?.to_string(), &leaves)?;
        let tree = Oid::from_str(&tree).map_err(self.fault("reading a tree id"))?;
        let commit = self.commit_tree(tree, &format!("Work tree at commit {base_commit}\n"))?;
        Ok(Recorded { commit, tracked })
    }

    /// A file or link as it stands; `None` if there is none.
    fn record_file(&self, dir: &Path, path: &str) -> Result<Option<super::store::Leaf>, RepoError> {
        // A directory that is a link would lead elsewhere; what git tracks below it is not there then.
        let linked = |parent: &str| fs::symlink_metadata(dir.join(parent)).is_ok_and(|data| data.is_symlink());
        if paths::parents(path).any(linked) {
            return Ok(None);
        }
        let full = dir.join(path);
        let io = |fault| RepoError::Io { doing: "reading", path: full.clone(), fault };
        let Ok(data) = fs::symlink_metadata(&full) else { return Ok(None) };
        if data.is_symlink() {
            let target = fs::read_link(&full).map_err(io)?;
            return self.store(target.as_os_str().as_bytes(), Mode::Link).map(Some);
        }
        if !data.is_file() {
            return Ok(None);
        }
        let mode = if data.permissions().mode() & 0o100 != 0 { Mode::Executable } else { Mode::Plain };
        self.store(&fs::read(&full).map_err(io)?, mode).map(Some)
    }

    /// Id of the object that a path of a tree holds; `None` if there is no file.
    pub fn blob_id(&self, tree: &str, path: &str) -> Result<Option<String>, RepoError> {
        Ok(self.leaf(&self.tree(tree)?, path)?.map(|leaf| leaf.oid.to_string()))
    }
}

/// The repository of a work tree that came from elsewhere, read for its objects only. What could make git read outside of it
/// - links, other object stores - is not followed.
fn own_repository(dir: &Path) -> Result<Option<Repository>, RepoError> {
    let git = dir.join(".git");
    if !fs::symlink_metadata(&git).is_ok_and(|data| data.is_dir()) {
        return Ok(None);
    }
    for entry in WalkDir::new(&git) {
        let entry = entry.map_err(|error| unstorable(".git", &error.to_string()))?;
        if entry.path_is_symlink() {
            return Err(unstorable(&entry.path().display().to_string(), "is a link in a repository of others"));
        }
    }
    for foreign in ["objects/info/alternates", "commondir", "config.worktree"] {
        let path = git.join(foreign);
        if path.exists() {
            fs::remove_file(&path).map_err(|fault| RepoError::Io { doing: "removing", path, fault })?;
        }
    }
    let path = git.join("config");
    let plain = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
    // The file may be a further name of one that others have, so it is never written in place.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(RepoError::Io { doing: "removing", path, fault: error });
        }
        _ => {}
    }
    fs::write(&path, plain).map_err(|fault| RepoError::Io { doing: "writing", path, fault })?;
    Repository::open(&git).map(Some)
}

fn unstorable(path: &str, why: &str) -> RepoError {
    RepoError::Unstorable { path: path.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_tree_whose_files_are_names_of_others_is_recorded_and_they_stay_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (image, copy) = (folder.path().join("image"), folder.path().join("copy"));
        let own = git2::Repository::init(&image).unwrap();
        fs::write(image.join("a.py"), "committed").unwrap();
        let mut index = own.index().unwrap();
        index.add_path(Path::new("a.py")).unwrap();
        index.write().unwrap();
        let tree = own.find_tree(index.write_tree().unwrap()).unwrap();
        let author = git2::Signature::now("t", "t@t").unwrap();
        let base = own.commit(Some("HEAD"), &author, &author, "base", &tree, &[]).unwrap().to_string();
        fs::write(image.join("a.py"), "changed at set-up").unwrap();
        fs::write(image.join(".git/config"), "[core]\n\tbare = false\n\thooksPath = /elsewhere\n").unwrap();
        let contents = || -> BTreeMap<_, _> {
            let files = WalkDir::new(&image).into_iter().map(Result::unwrap);
            let files = files.filter(|entry| entry.file_type().is_file());
            files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
        };
        let before = contents();
        for entry in WalkDir::new(&image).into_iter().map(Result::unwrap) {
            let target = copy.join(entry.path().strip_prefix(&image).unwrap());
            match entry.file_type().is_dir() {
                true => fs::create_dir(target).unwrap(),
                false => fs::hard_link(entry.path(), target).unwrap(),
            }
        }
        let store = Repository::create_bare(&folder.path().join("store")).unwrap();
        let recorded = store.record(&copy, &base, None).unwrap();
        let tree = store.tree_of(&recorded.commit).unwrap();
        assert_eq!(store.read(&tree, "a.py").unwrap().unwrap(), b"changed at set-up");
        assert!(!fs::read_to_string(copy.join(".git/config")).unwrap().contains("hooksPath"));
        assert_eq!(contents(), before);
    }
}
