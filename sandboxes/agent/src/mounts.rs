//! Thin, safe wrappers over the mount calls that the agent needs.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::{Errno, Result};
use rustix::mount::{self, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

pub const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub const NODEV: u64 = libc::MOUNT_ATTR_NODEV;

const COPY: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

/// A private copy of the mounts at and below `path`, attached nowhere yet.
pub fn detach(path: &Path) -> Result<OwnedFd> {
    mount::open_tree(CWD, path, COPY | OpenTreeFlags::AT_RECURSIVE)
}

/// The same without what is mounted below.
pub fn detach_alone(path: &Path) -> Result<OwnedFd> {
    mount::open_tree(CWD, path, COPY)
}

/// Lets a mount that was read-only be written again.
pub fn writable_again(path: &str) -> Result<()> {
    mount::mount_remount(path, MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"")
}

/// Attaches a detached copy at `target`.
pub fn attach(tree: &OwnedFd, target: &str) -> Result<()> {
    mount::move_mount(tree, c"", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Adds attributes to a mount and all below it.
pub fn restrict(tree: &OwnedFd, attributes: u64) -> Result<()> {
    set_attributes(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, attributes, 0)
}

/// Makes the owner that a detached tree's files have on disk look like the one that `users` maps it to.
pub fn map_owners(tree: &OwnedFd, users: &OwnedFd) -> Result<()> {
    let users = u64::try_from(users.as_raw_fd()).map_err(|_| Errno::BADF)?;
    set_attributes(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::MOUNT_ATTR_IDMAP, users)
}

/// Adds attributes to the one mount at `path`.
pub fn restrict_at(path: &str, attributes: u64) -> Result<()> {
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    set_attributes(libc::AT_FDCWD, &path, 0, attributes, 0)
}

fn set_attributes(at: i32, path: &std::ffi::CStr, flags: i32, attributes: u64, userns_fd: u64) -> Result<()> {
    let attr = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd };
    // SAFETY: path and attr are valid for the length of the call and the size is that of attr.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const attr,
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The error of the libc call that just failed.
pub fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// A new filesystem of a kind that needs no device.
pub fn fresh(kind: &str, target: &str, flags: MountFlags, options: &str) -> Result<()> {
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount::mount(kind, target, kind, flags, options.as_c_str())
}

/// Shows `source` at `target` too.
pub fn bind(source: &str, target: &str) -> Result<()> {
    mount::mount_bind(source, target)
}

/// Takes a mount away.
pub fn let_go(path: &str) -> Result<()> {
    mount::unmount(path, UnmountFlags::DETACH)
}

/// Makes `new_root` the root and lets go of the old one. Docker's filter refuses pivot_root: there the new root is moved
/// over the old one, which nobody without capabilities can take away.
pub fn pivot(new_root: &str) -> Result<()> {
    rustix::process::chdir(new_root)?;
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => mount::unmount(".", UnmountFlags::DETACH)?,
        Err(Errno::PERM) => {
            mount::mount_move(".", "/")?;
            rustix::process::chroot(".")?;
        }
        Err(error) => return Err(error),
    }
    rustix::process::chdir("/")
}

/// Which kind of file a detached tree is.
pub fn is_directory(tree: impl AsFd) -> Result<bool> {
    let stat = rustix::fs::fstat(tree)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
}
