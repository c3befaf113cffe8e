//! Opening a repository: by its root or its git directory, whoever owns it. What cannot be read is refused in one sentence
//! that says what to do.
//!
//! git refuses a repository of another user because it would run what the configuration there names: hooks, file system
//! monitors, filters. libgit2 has neither hooks nor monitors, it filters only on the way to a work tree, and nothing here
//! writes or reads one. So no program of the repository runs, and the check of the owner is off for this process. The
//! configuration there still says where objects and refs are read from. It cannot give an id other bytes, because every
//! object that is read is held against its id.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use git2::ErrorCode;
use rustix::fs::{Access, access};
use rustix::process::geteuid;

use super::RepoError;
use super::clone_kind::{self, quoted};
use super::store::Repository;

/// Extensions of git's repository format that change nothing for a reader of objects. The first is an older mark of a
/// partial clone.
const HARMLESS: [&str; 1] = ["partialclone"];

impl Repository {
    /// Opens the repository at exactly this path: a work tree's root or a git directory.
    pub fn open(path: &Path) -> Result<Self, RepoError> {
        prepare();
        match git2::Repository::open(path) {
            Ok(git) => Ok(Self { git, path: path.to_owned(), reads: None }),
            Err(fault) => Err(match not_opened(path, &fault) {
                Some(why) => RepoError::Unopened { path: path.to_owned(), why },
                None => RepoError::Git { doing: "opening the repository", repository: path.to_owned(), fault },
            }),
        }
    }

    /// Makes an empty bare repository, or opens the one that is there.
    pub fn create_bare(path: &Path) -> Result<Self, RepoError> {
        prepare();
        let git = git2::Repository::init_bare(path).map_err(|fault| RepoError::Git {
            doing: "making a bare repository",
            repository: path.to_owned(),
            fault,
        })?;
        Ok(Self { git, path: path.to_owned(), reads: None })
    }

    /// Whether what is made here may be written here: the folder of its objects is ours, and can be written. Root may write
    /// everywhere, and would leave files that the owner cannot remove.
    pub fn is_ours(&self) -> bool {
        let objects = self.objects();
        let own = fs::metadata(&objects).is_ok_and(|data| data.uid() == geteuid().as_raw());
        own && access(&objects, Access::WRITE_OK).is_ok()
    }

    /// The bare repository at `own`, which reads the objects and names of another one too, and writes nothing there.
    ///
    /// # Errors
    /// [`RepoError::Companion`] is about the repository at `own`, every other one about the repository at `path`.
    pub fn beside(path: &Path, own: &Path) -> Result<Self, RepoError> {
        let other = Self::open(path)?;
        let objects = other.objects().canonicalize();
        let objects = objects.map_err(|fault| RepoError::Io { doing: "finding", path: other.objects(), fault })?;
        let objects = objects.to_str().ok_or_else(|| RepoError::Unopened {
            path: objects.clone(),
            why: "has a name that is not UTF-8; rename the folder".to_owned(),
        })?;
        let damaged = |fault: git2::Error| RepoError::Companion { path: own.to_owned(), fault };
        let git = git2::Repository::open_bare(own).map_err(damaged)?;
        let store = git.odb().map_err(damaged)?;
        store.add_disk_alternate(objects).map_err(damaged)?;
        drop(store);
        Ok(Self { git, path: own.to_owned(), reads: Some(path.to_owned()) })
    }

    /// Where its objects are.
    fn objects(&self) -> PathBuf {
        self.git.commondir().join("objects")
    }
}

/// Tells libgit2, once and before anything is opened, what this program allows.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both set a global of libgit2. Every repository of this program is opened after this, so nothing reads them
        // meanwhile, and nothing else sets them.
        let (owner, extensions) =
            unsafe { (git2::opts::set_verify_owner_validation(false), git2::opts::set_extensions(&HARMLESS)) };
        // If either is not taken, opening such a repository fails, and says why.
        let _told_at_opening = (owner, extensions);
    });
}

/// Why a path cannot be opened, where that can be told better than libgit2 tells it.
fn not_opened(path: &Path, fault: &git2::Error) -> Option<String> {
    let shown = quoted(path);
    let Ok(data) = fs::metadata(path) else { return Some("is not there".to_owned()) };
    if data.is_file() {
        return Some(format!(
            "is a file; name the folder of a clone (of a bundle, `git clone {shown} FOLDER` makes one)"
        ));
    }
    if let Some(target) = clone_kind::lost_gitfile(path) {
        return Some(format!(
            "is a work tree of {}, which is not there; put that back, or name the repository that has the commits",
            target.display()
        ));
    }
    let setting = |name: &str| clone_kind::extension(path, name);
    if let Some(hash) = setting("objectformat").filter(|hash| hash != "sha1") {
        return Some(format!(
            "names its objects by {hash}, which cannot be read; write both trees out, for example with `git -C {shown} worktree \
             add --detach FOLDER COMMIT`, and use `assay import folders`"
        ));
    }
    if let Some(format) = setting("refstorage").filter(|format| format != "files") {
        return Some(format!(
            "keeps its refs as {format}, which cannot be read; `git clone --ref-format=files {shown} FOLDER` makes a clone that can"
        ));
    }
    if fault.code() != ErrorCode::NotFound {
        return None;
    }
    let above = git2::Repository::discover(path).ok();
    Some(match above.as_ref().and_then(git2::Repository::workdir) {
        Some(root) => format!(
            "is a folder inside the repository {}; name that, because a commit holds its whole tree",
            root.display().to_string().trim_end_matches('/')
        ),
        None => "is not a git repository; name the folder of a clone, or use `assay import folders` for two trees"
            .to_owned(),
    })
}
