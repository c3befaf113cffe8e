//! The job's own version of the base layer: an overlay, or a copy if overlays are not whole.
//!
//! Before Linux 6.6 a tmpfs has no user attributes, so an overlay over it cannot mark a directory that was removed and
//! made again; and root's files on some filesystems cannot be shown under another id. A copy has neither trouble.

use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::MountFlags;

use super::fault::Doing;
use super::files::copy;
use super::mounts;
use super::root::{BASE, SCRATCH};

/// How jobs of a slot get their work directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Overlay,
    /// What a copy takes, beside what the job may write.
    Copy {
        bytes: u64,
        inodes: u64,
    },
}

impl Layer {
    /// A copy of the attached base layer for every job.
    pub fn copy() -> Result<Self, String> {
        let (mut bytes, mut inodes) = (0, 0);
        measure(Path::new(BASE), &mut bytes, &mut inodes).doing(|| "measuring the base layer".to_owned())?;
        Ok(Self::Copy { bytes, inodes })
    }

    /// An overlay if it is whole here, otherwise a copy. Tried on an empty scratch space in the agent's own mounts.
    pub fn choose() -> Result<Self, String> {
        let tried = try_overlay();
        rustix::mount::unmount(SCRATCH, rustix::mount::UnmountFlags::DETACH)
            .doing(|| "leaving the scratch space".to_owned())?;
        if tried.is_ok() { Ok(Self::Overlay) } else { Self::copy() }
    }

    /// Bytes and inodes that the scratch space needs beside what the job may write.
    pub fn needs(&self) -> (u64, u64) {
        match self {
            Self::Overlay => (0, 0),
            Self::Copy { bytes, inodes } => (*bytes, *inodes),
        }
    }

    /// Makes the layer appear at `target`. The scratch space holds an empty `upper` and `work`.
    pub fn mount(&self, target: &str) -> Result<(), String> {
        let upper = format!("{SCRATCH}/upper");
        match self {
            Self::Overlay => overlay(BASE, target).doing(|| format!("mounting the overlay at {target}")),
            Self::Copy { .. } => {
                copy(Path::new(BASE), Path::new(&upper)).doing(|| "copying the base layer".to_owned())?;
                mounts::bind(&upper, target).doing(|| format!("mounting the copy at {target}"))
            }
        }
    }
}

fn overlay(lower: &str, target: &str) -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let layers = format!("lowerdir={lower},upperdir={SCRATCH}/upper,workdir={SCRATCH}/work,userxattr");
    // Nothing of the upper layer outlives the job, so it need not be synced.
    mounts::fresh("overlay", target, flags, &format!("{layers},volatile"))
        .or_else(|_| mounts::fresh("overlay", target, flags, &layers))
}

/// An overlay in which a directory of the lower layer, removed and made again, is empty.
fn try_overlay() -> io::Result<()> {
    mounts::fresh("tmpfs", SCRATCH, MountFlags::NOSUID | MountFlags::NODEV, "mode=755,size=1m")?;
    for name in ["upper", "work", "merged", "lower", "lower/old"] {
        fs::create_dir(format!("{SCRATCH}/{name}"))?;
    }
    fs::write(format!("{SCRATCH}/lower/old/file"), "")?;
    let merged = format!("{SCRATCH}/merged");
    overlay(&format!("{SCRATCH}/lower"), &merged)?;
    fs::remove_dir_all(format!("{merged}/old"))?;
    fs::create_dir(format!("{merged}/old"))?;
    if fs::read_dir(format!("{merged}/old"))?.next().is_none() {
        Ok(())
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn measure(at: &Path, bytes: &mut u64, inodes: &mut u64) -> io::Result<()> {
    let meta = fs::symlink_metadata(at)?;
    *inodes += 1;
    // A tmpfs takes whole pages, and links and directories take some too.
    *bytes += (meta.len() + 1).next_multiple_of(4096);
    if meta.is_dir() {
        for entry in fs::read_dir(at)? {
            measure(&entry?.path(), bytes, inodes)?;
        }
    }
    Ok(())
}
