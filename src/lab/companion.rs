//! The repository of an instance, to read and to write. What is not ours gets a companion in the cache: it reads the
//! objects and names there, and takes what is written.

use std::path::Path;

use crate::images::cache::Cache;
use crate::model::digest::Digest;
use crate::repo::Repository;

const KIND: &str = "beside";

/// Opens a repository; beside it, its companion, if it is not ours.
///
/// # Errors
/// A [`crate::repo::RepoError`] says by `is_about_repository` whether the repository is at fault. All else is ours.
pub(crate) fn open(cache: &Cache, path: &Path) -> anyhow::Result<Repository> {
    let there = Repository::open(path)?;
    if there.is_ours() {
        return Ok(there);
    }
    // Several workers want it at once: the first one makes it.
    let own = cache.directory(KIND, &name_of(path), |making| {
        Repository::create_bare(making)?;
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(Repository::beside(path, &own)?)
}

/// The same; a repository that is not there is made.
///
/// # Errors
/// As of [`open`].
pub(crate) fn open_or_make(cache: &Cache, path: &Path) -> anyhow::Result<Repository> {
    // Held while it is looked for, so that nobody sees one that is half made. The name is that before and after it is there.
    let making = cache.lock(KIND, &format!("{}-made", Digest::of(path.as_os_str().as_encoded_bytes())))?;
    if !path.exists() {
        return Ok(Repository::create_bare(path)?);
    }
    drop(making);
    open(cache, path)
}

/// The name of a companion in the cache.
fn name_of(path: &Path) -> String {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Digest::of(place.as_os_str().as_encoded_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;
    use crate::repo::RepoError;
    use crate::sandbox::FileChange;

    struct World {
        folder: tempfile::TempDir,
        cache: Cache,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::open(&folder.path().join("cache")).unwrap();
            Self { folder, cache }
        }

        /// A repository with a file that is somebody else's, or, for a user who cannot give files away, one that is closed.
        fn theirs(&self, name: &str) -> (std::path::PathBuf, String) {
            let path = self.folder.path().join(name);
            let tree = file_in(&Repository::create_bare(&path).unwrap(), "old");
            let objects = path.join("objects");
            if chown(&objects, Some(12_345), Some(12_345)).is_err() {
                fs::set_permissions(&objects, fs::Permissions::from_mode(0o555)).unwrap();
            }
            (path, tree)
        }

        fn files(&self, folder: &str) -> usize {
            walkdir::WalkDir::new(self.folder.path().join(folder)).into_iter().count()
        }
    }

    /// A tree with a file of this text.
    fn file_in(repository: &Repository, text: &str) -> String {
        let commit = repository.import_directory(tempfile::tempdir().unwrap().path(), "empty").unwrap();
        let content = text.as_bytes().into();
        let file = FileChange::Write { path: "a".to_owned(), content, executable: false };
        repository.with(&repository.tree_of(&commit).unwrap(), &[file]).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_read_and_what_is_made_goes_beside() {
        let world = World::new();
        let (path, old) = world.theirs("theirs");
        let before = world.files("theirs");
        let repository = open(&world.cache, &path).unwrap();
        assert_eq!(repository.read(&old, "a").unwrap().as_deref(), Some(&b"old"[..]));
        let new = file_in(&repository, "new");
        assert_eq!(world.files("theirs"), before, "nothing was written there");
        let again = open(&world.cache, &path).unwrap().reopen().unwrap();
        assert_eq!(again.read(&new, "a").unwrap().as_deref(), Some(&b"new"[..]), "what was made is found again");

        let own = world.folder.path().join("own");
        let made = open_or_make(&world.cache, &own).unwrap();
        let tree = file_in(&made, "ours");
        assert!(Repository::open(&own).unwrap().holds(&tree), "what is ours is written where it is");
        assert_eq!(fs::metadata(own.join("objects")).unwrap().uid(), rustix::process::geteuid().as_raw());
        assert!(open_or_make(&world.cache, &own).unwrap().holds(&tree));
    }

    #[test]
    fn workers_that_want_one_companion_at_once_all_get_it() {
        for round in 0..20 {
            let world = World::new();
            let (path, old) = world.theirs("theirs");
            let start = std::sync::Barrier::new(8);
            let work = || {
                start.wait();
                let repository = open(&world.cache, &path)?;
                anyhow::ensure!(repository.holds(&old), "the tree is not there");
                Ok(file_in(&repository, "new"))
            };
            let found: Vec<anyhow::Result<String>> = std::thread::scope(|scope| {
                let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).collect()
            });
            for tree in found {
                tree.unwrap_or_else(|error| panic!("round {round}: {error:#}"));
            }
        }
    }

    #[test]
    fn a_fault_of_the_repository_is_told_from_one_of_the_cache() {
        let world = World::new();
        let about = |path: &Path| {
            let error = open(&world.cache, path).unwrap_err();
            error.downcast_ref::<RepoError>().is_some_and(RepoError::is_about_repository)
        };
        assert!(about(&world.folder.path().join("gone")));
        let plain = world.folder.path().join("plain");
        fs::create_dir(&plain).unwrap();
        assert!(about(&plain));

        let (path, _) = world.theirs("theirs");
        let own = open(&world.cache, &path).unwrap().path().to_owned();
        fs::remove_file(own.join("HEAD")).unwrap();
        assert!(!about(&path), "the companion is damaged");
        let told = open(&world.cache, &path).unwrap_err().to_string();
        assert!(told.starts_with(&own.display().to_string()) && told.contains("delete that folder"), "{told}");
        fs::remove_dir_all(world.cache.root().join(KIND)).unwrap();
        fs::write(world.cache.root().join(KIND), "").unwrap();
        assert!(!about(&path), "the cache has no place");
    }
}
