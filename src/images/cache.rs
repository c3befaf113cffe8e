//! The cache: things that are dear to make and named by what they are. Made under a temporary name, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thiserror::Error;

/// The cache directory. Safe to share between processes and to delete while nothing runs.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// How names of scratch folders begin.
const SCRATCH: &str = "work-";

/// A folder for the time being, removed when it is dropped; what a killed process leaves is removed by the next one.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Absolute path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The cache cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    #[error("no cache directory: neither ASSAY_CACHE, XDG_CACHE_HOME nor HOME is set; set ASSAY_CACHE to a directory")]
    NoPlace,
    #[error("cannot {doing} {path}: {source}; ASSAY_CACHE can name another cache directory")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is damaged: {source}; it was left as it is. It holds {holds}: move it away to go on without that")]
    Damaged { path: PathBuf, holds: &'static str, source: serde_json::Error },
}

impl Cache {
    /// Where the cache is unless it is said: `$ASSAY_CACHE`, else `$XDG_CACHE_HOME/assay`, else `~/.cache/assay`.
    pub fn default_place() -> Result<PathBuf, CacheError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("ASSAY_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|base| base.join("assay")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/assay")))
            .ok_or(CacheError::NoPlace)
    }

    /// The cache in `root`, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        fs::create_dir_all(root).map_err(|source| CacheError::Io {
            doing: "make the cache directory",
            path: root.to_owned(),
            source,
        })?;
        let root = fs::canonicalize(root).map_err(|source| CacheError::Io {
            doing: "resolve the cache directory",
            path: root.to_owned(),
            source,
        })?;
        let cache = Self { root };
        cache.sweep()?;
        Ok(cache)
    }

    /// A fresh folder in the cache, on the same file system as its entries.
    pub fn scratch(&self) -> Result<Scratch, CacheError> {
        let folder = self.root.join("scratch");
        let _creating = self.lock("scratch", "all")?;
        let folder = tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(&folder)
            .map_err(|source| io_error("make a folder in", &folder, source))?;
        let handle = File::open(folder.path()).map_err(|source| io_error("open", folder.path(), source))?;
        handle.lock().map_err(|source| io_error("lock", folder.path(), source))?;
        Ok(Scratch { folder, _lock: handle })
    }

    /// Removes the scratch folders and half-made entries of processes that are gone: theirs are not locked.
    fn sweep(&self) -> Result<(), CacheError> {
        // A folder that is made a cache only now may hold a `scratch` of somebody else.
        let swept_before = self.root.join("scratch/.all.lock").is_file();
        let _creating = self.lock("scratch", "all")?;
        for folder in list(&self.root.join("scratch"))? {
            let ours = folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(SCRATCH.as_bytes()));
            if swept_before
                && ours
                && folder.is_dir()
                && let Ok(handle) = File::open(&folder)
                && handle.try_lock().is_ok()
            {
                remove(&folder)?;
            }
        }
        for kind in list(&self.root)?.into_iter().filter(|kind| kind.is_dir()) {
            for making in list(&kind)? {
                let name = making.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".making")) else { continue };
                if let Ok(lock) = File::open(kind.join(format!(".{name}.lock")))
                    && lock.try_lock().is_ok()
                {
                    remove(&making)?;
                }
            }
        }
        Ok(())
    }

    /// Absolute path of the cache directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `kind/name` is or would be.
    pub fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(kind).join(name)
    }

    /// Gives the directory `kind/name`; the first caller makes it. `make` fills an empty directory that becomes the entry
    /// when it succeeds; when it fails, or the process dies, nothing is left that looks like an entry. A second process
    /// that wants the same entry waits.
    pub fn directory<E: From<CacheError>>(
        &self,
        kind: &str,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let entry = self.path(kind, name);
        if entry.is_dir() {
            return Ok(entry);
        }
        let folder = self.root.join(kind);
        let _lock = self.lock(kind, name)?;
        if entry.is_dir() {
            return Ok(entry);
        }
        let making = folder.join(format!(".{name}.making"));
        remove(&making)?;
        fs::create_dir(&making).map_err(|source| io_error("make", &making, source))?;
        if let Err(error) = make(&making) {
            remove(&making)?;
            return Err(error);
        }
        fs::rename(&making, &entry).map_err(|source| io_error("rename", &making, source))?;
        Ok(entry)
    }

    /// Waits until no other process works on `kind/name`; held until the file is dropped or the process dies.
    pub fn lock(&self, kind: &str, name: &str) -> Result<File, CacheError> {
        let folder = self.root.join(kind);
        fs::create_dir_all(&folder).map_err(|source| io_error("make", &folder, source))?;
        lock(&folder.join(format!(".{name}.lock")))
    }

    /// Names of the entries of a kind, sorted; without locks and what is being made.
    pub fn names(&self, kind: &str) -> Result<Vec<String>, CacheError> {
        let folder = self.root.join(kind);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let names = list(&folder)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        Ok(names)
    }

    /// Reads the small file `kind/name`; `None` if it is not there.
    pub fn read(&self, kind: &str, name: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let path = self.path(kind, name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path, source)),
        }
    }

    /// Removes the small file `kind/name`; one that is not there is fine.
    pub(crate) fn drop_file(&self, kind: &str, name: &str) -> Result<(), CacheError> {
        let path = self.path(kind, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Removes the directory `kind/name`. A process that dies on the way leaves nothing that looks like an entry.
    pub(crate) fn discard(&self, kind: &str, name: &str) -> Result<(), CacheError> {
        let entry = self.path(kind, name);
        let _lock = self.lock(kind, name)?;
        let going = self.root.join(kind).join(format!(".{name}.making"));
        remove(&going)?;
        match fs::rename(&entry, &going) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|source| io_error("rename", &entry, source))?,
        }
        remove(&going)
    }

    /// Writes the small file `kind/name` whole or not at all.
    pub fn write(&self, kind: &str, name: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let path = self.path(kind, name);
        let folder = self.root.join(kind);
        fs::create_dir_all(&folder).map_err(|source| io_error("make", &folder, source))?;
        let mut file =
            tempfile::NamedTempFile::new_in(&folder).map_err(|source| io_error("write into", &folder, source))?;
        io::Write::write_all(&mut file, bytes).map_err(|source| io_error("write", &path, source))?;
        file.persist(&path).map_err(|error| io_error("write", &path, error.error))?;
        Ok(())
    }
}

/// Waits for an exclusive lock, held until the file is dropped or the process dies.
fn lock(path: &Path) -> Result<File, CacheError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| io_error("open the lock", path, source))?;
    file.lock().map_err(|source| io_error("lock", path, source))?;
    Ok(file)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let entries = fs::read_dir(folder).map_err(|source| io_error("list", folder, source))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|source| io_error("list", folder, source))).collect()
}

fn remove(path: &Path) -> Result<(), CacheError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove the unfinished", path, error)),
        _ => Ok(()),
    }
}

pub(crate) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> CacheError {
    CacheError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_a_failed_or_killed_one_leaves_nothing_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("new/cache")).unwrap();
        let failed = cache.directory("layers", "a", |making| -> Result<(), CacheError> {
            fs::write(making.join("half"), "").unwrap();
            Err(CacheError::NoPlace)
        });
        assert!(failed.is_err());
        assert!(!cache.path("layers", "a").exists());

        // What a killed process leaves behind.
        fs::create_dir(cache.root().join("layers/.a.making")).unwrap();
        fs::write(cache.root().join("layers/.a.making/half"), "").unwrap();
        let make = |making: &Path| -> Result<(), CacheError> {
            fs::write(making.join("whole"), "").unwrap();
            Ok(())
        };
        let entry = cache.directory("layers", "a", make).unwrap();
        assert!(entry.join("whole").exists() && !entry.join("half").exists());
        cache.directory::<CacheError>("layers", "a", |_| panic!("made twice")).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let used = cache.scratch().unwrap();
        let left = [folder.path().join("scratch/work-left"), folder.path().join("layers/.a.making")];
        for path in &left {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join("file"), "").unwrap();
        }
        fs::write(folder.path().join("layers/.a.lock"), "").unwrap();
        Cache::open(folder.path()).unwrap();
        assert!(used.path().is_dir());
        assert!(left.iter().all(|path| !path.exists()));
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }

    #[test]
    fn two_threads_that_want_one_entry_make_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let made = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    cache.directory::<CacheError>("x", "y", |_| {
                        made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok(())
                    })
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
