//! The container that the agent is alone in, made ready for cells: places to mount on, a few files of `/etc`, a work
//! directory that belongs to jobs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use super::fault::Doing;
use super::files::copy;
use super::identity;
use super::mounts::{self, NODEV, NOSUID, RDONLY};
use super::{SUPPORT_DIR, etc};

/// What cells mount on, in every image.
const PLACES: &[&str] = &["/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run", SUPPORT_DIR];
/// Where a work directory lies that had to be copied.
const COPY: &str = "/.assay-base";
/// A read-only copy of the container's root, without what Docker mounted into it, and without this program.
pub fn take_root(homes: &[String]) -> Result<OwnedFd, String> {
    std::env::current_exe().and_then(fs::remove_file).doing(|| "taking the agent out of sight".to_owned())?;
    let root = mounts::detach_alone(Path::new("/")).doing(|| "taking the container's root".to_owned())?;
    // Through the copy, because Docker has mounted over some of these.
    let at = format!("/proc/self/fd/{}", root.as_raw_fd());
    for place in PLACES.iter().copied().chain(homes.iter().map(String::as_str)) {
        let path = format!("{at}{place}");
        DirBuilder::new().recursive(true).mode(0o755).create(&path).doing(|| format!("making {place}"))?;
    }
    for (name, _) in etc::OURS {
        // Docker mounts its own there. If there is none, that is fine.
        let _ = mounts::let_go(&format!("/etc/{name}"));
    }
    etc::complete(Path::new(&format!("{at}/etc"))).doing(|| "writing into the container's /etc".to_owned())?;
    mounts::restrict(&root, RDONLY | NOSUID | NODEV).doing(|| "making the container's root read-only".to_owned())?;
    Ok(root)
}

/// A view of `/proc` that hides nothing: without one the kernel gives none to a cell. Only the agent sees it.
pub fn take_proc() -> Result<OwnedFd, String> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mounts::fresh("proc", "/proc", flags, "").doing(|| "mounting /proc".to_owned())?;
    mounts::detach(Path::new("/proc")).doing(|| "taking /proc".to_owned())
}

/// The base layer, and the id outside that jobs get: the owner of the work directory, because then nothing has to be copied. A
/// work directory of root's is copied once and given away, because a job may not be root.
pub fn take_base(workdir: &str) -> Result<(OwnedFd, u32), String> {
    let owner = fs::symlink_metadata(workdir).doing(|| format!("looking at the work directory {workdir}"))?.uid();
    let (path, outside) = if owner == 0 || !identity::may_give(owner) {
        let outside = identity::foreign().ok_or("the container has no second id to give to jobs")?;
        fs::create_dir_all(COPY)
            .and_then(|()| copy(Path::new(workdir), Path::new(COPY)))
            .and_then(|()| give_away(Path::new(COPY), outside))
            .doing(|| format!("copying the work directory {workdir}"))?;
        (PathBuf::from(COPY), outside)
    } else {
        (PathBuf::from(workdir), owner)
    };
    let base = mounts::detach_alone(&path).doing(|| format!("taking {}", path.display()))?;
    mounts::restrict(&base, RDONLY | NOSUID | NODEV).doing(|| format!("making {} read-only", path.display()))?;
    Ok((base, outside))
}

fn give_away(at: &Path, owner: u32) -> io::Result<()> {
    if fs::symlink_metadata(at)?.is_dir() {
        for entry in fs::read_dir(at)? {
            give_away(&entry?.path(), owner)?;
        }
    }
    lchown(at, Some(owner), Some(owner))
}
