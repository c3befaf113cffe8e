//! Bringing a directory of files in as a commit without history.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use git2::{ErrorCode, Oid};

use super::RepoError;
use super::paths;
use super::store::Repository;

/// Who and when of every commit we make: fixed, so that the same content is the same commit everywhere.
const AUTHOR: (&str, &str) = ("assay", "assay@localhost");
/// 2000-01-01T00:00:00Z.
const COMMIT_TIME: i64 = 946_684_800;
/// A ref is written in no time. One that is locked for longer was left locked.
const LONGEST_LOCK: Duration = Duration::from_secs(10);

impl Repository {
    /// Commits a directory's files: bytes, executable bits and links; anything named `.git` is left out, and so are
    /// empty directories. Gives the commit id, which depends on content and message only.
    pub fn import_directory(&self, dir: &Path, message: &str) -> Result<String, RepoError> {
        let tree = self.import_level(dir)?.map_or_else(|| self.empty_tree(), Ok)?;
        self.commit_tree(tree, message)
    }

    fn import_level(&self, dir: &Path) -> Result<Option<Oid>, RepoError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |fault| RepoError::Io { doing, path, fault }
        };
        let mut builder = self.git.treebuilder(None).map_err(self.fault("writing a tree"))?;
        for entry in fs::read_dir(dir).map_err(io("reading directory", dir))? {
            let entry = entry.map_err(io("reading directory", dir))?;
            let name = entry.file_name();
            if name == OsStr::new(".git") {
                continue;
            }
            let path = entry.path();
            let unstorable =
                |why: &str| RepoError::Unstorable { path: path.display().to_string(), why: why.to_owned() };
            let Some(text) = name.to_str() else { return Err(unstorable("the name is not UTF-8; rename it")) };
            if let Some(why) = paths::fault(text) {
                return Err(unstorable(&format!("the name {why}; rename or remove it")));
            }
            let kind = entry.file_type().map_err(io("reading", &path))?;
            let (oid, mode) = if kind.is_dir() {
                let Some(below) = self.import_level(&path)? else { continue };
                (below, 0o040_000)
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(io("reading link", &path))?;
                if target.to_str().is_none() {
                    return Err(unstorable("the link's target is not UTF-8; remove it"));
                }
                (self.git.blob(target.as_os_str().as_bytes()).map_err(self.fault("storing a link"))?, 0o120_000)
            } else if kind.is_file() {
                let content = fs::read(&path).map_err(io("reading", &path))?;
                let executable = entry.metadata().map_err(io("reading", &path))?.permissions().mode() & 0o100 != 0;
                let oid = self.git.blob(&content).map_err(self.fault("storing a file"))?;
                (oid, if executable { 0o100_755 } else { 0o100_644 })
            } else {
                return Err(unstorable("is neither file, directory nor link; remove it"));
            };
            builder.insert(text, oid, mode).map_err(self.fault("writing a tree"))?;
        }
        if builder.is_empty() {
            return Ok(None);
        }
        builder.write().map(Some).map_err(self.fault("writing a tree"))
    }

    /// Commits a tree without parents and keeps it from garbage collection by a ref of its own.
    pub(super) fn commit_tree(&self, tree: Oid, message: &str) -> Result<String, RepoError> {
        let doing = "writing a commit";
        let tree = self.git.find_tree(tree).map_err(self.fault("reading a tree"))?;
        let author =
            git2::Signature::new(AUTHOR.0, AUTHOR.1, &git2::Time::new(COMMIT_TIME, 0)).map_err(self.fault(doing))?;
        let commit = self.git.commit(None, &author, &author, message, &tree, &[]).map_err(self.fault(doing))?;
        self.keep(commit)?;
        Ok(commit.to_string())
    }

    /// Gives a commit a ref. Several workers may keep the same one: who finds it locked waits for the other to be done.
    fn keep(&self, commit: Oid) -> Result<(), RepoError> {
        let name = format!("refs/assay/{commit}");
        let end = Instant::now() + LONGEST_LOCK;
        loop {
            if self.git.refname_to_id(&name).is_ok_and(|kept| kept == commit) {
                return Ok(());
            }
            match self.git.reference(&name, commit, true, "assay import") {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(self.fault("keeping a commit")(error)),
            }
        }
    }
}
