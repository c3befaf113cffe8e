//! Unpacking what came out of an image: below one folder, whatever the archive says. Nothing of it is run or followed.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// Unpacks the entries below `top` of a tar into an empty folder: files, directories, links; nothing else. Symbolic links
/// are made last, so that no entry is written through one.
///
/// # Errors
/// A path or hard link that leads out of the folder, or a file system that refuses.
pub(crate) fn unpack(tar: impl Read, top: &str, into: &Path) -> io::Result<()> {
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut folders: Vec<(PathBuf, u32)> = Vec::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let Some(path) = inside(&entry.path()?, top)? else { continue };
        let target = into.join(&path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let mode = entry.header().mode()? & 0o777;
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                fs::create_dir_all(&target)?;
                folders.push((target, mode | 0o700));
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mut file = fs::File::create_new(&target)?;
                io::copy(&mut entry, &mut file)?;
                file.set_permissions(Permissions::from_mode(mode | 0o600))?;
            }
            tar::EntryType::Link => {
                let to = entry.link_name()?.ok_or_else(|| refused(&path, "a hard link to nothing"))?;
                let to = inside(&to, top)?.ok_or_else(|| refused(&path, "a hard link out of the folder"))?;
                // The other name may be a link that is not made yet.
                match links.iter().find(|(at, _)| *at == into.join(&to)).map(|(_, link)| link.clone()) {
                    Some(link) => links.push((target, link)),
                    None => fs::hard_link(into.join(to), &target)?,
                }
            }
            tar::EntryType::Symlink => {
                let to = entry.link_name()?.ok_or_else(|| refused(&path, "a link to nothing"))?;
                links.push((target, to.into_owned()));
            }
            // Devices, pipes: no tests need them, and they are not content.
            _ => {}
        }
    }
    for (at, to) in links {
        symlink(to, at)?;
    }
    for (folder, mode) in folders.into_iter().rev() {
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The path below `top`; `None` for `top` itself.
fn inside(path: &Path, top: &str) -> io::Result<Option<PathBuf>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(refused(path, "it leads out of the folder")),
        }
    }
    let wanted: Vec<_> = Path::new(top).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let begins = parts.len() >= wanted.len() && wanted.iter().zip(&parts).all(|(want, part)| want.as_os_str() == *part);
    if !begins {
        return Err(refused(path, "it is not below the folder that was asked for"));
    }
    let below: PathBuf = parts[wanted.len()..].iter().collect();
    Ok((!below.as_os_str().is_empty()).then_some(below))
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tar: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, link: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        // The builder's own methods refuse the paths that an attacker would write.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }

    #[test]
    fn files_folders_and_links_arrive_and_devices_do_not() {
        let mut tar = tar::Builder::new(Vec::new());
        entry(&mut tar, tar::EntryType::Directory, "testbed/", "", b"");
        entry(&mut tar, tar::EntryType::Regular, "testbed/a/b.py", "", b"1");
        entry(&mut tar, tar::EntryType::Link, "testbed/hard", "testbed/a/b.py", b"");
        entry(&mut tar, tar::EntryType::Symlink, "testbed/soft", "a", b"");
        entry(&mut tar, tar::EntryType::Char, "testbed/null", "", b"");
        let folder = tempfile::tempdir().unwrap();
        unpack(tar.into_inner().unwrap().as_slice(), "testbed", folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("hard")).unwrap(), b"1");
        assert_eq!(fs::read(folder.path().join("soft/b.py")).unwrap(), b"1");
        assert!(!folder.path().join("null").exists());
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        for (kind, path, link) in [
            (tar::EntryType::Regular, "testbed/../../escaped", ""),
            (tar::EntryType::Regular, "elsewhere/escaped", ""),
            (tar::EntryType::Link, "testbed/escaped", "testbed/../../etc/passwd"),
            (tar::EntryType::Link, "testbed/escaped", "etc/passwd"),
        ] {
            let mut tar = tar::Builder::new(Vec::new());
            entry(&mut tar, kind, path, link, b"");
            let folder = tempfile::tempdir().unwrap();
            let error = unpack(tar.into_inner().unwrap().as_slice(), "testbed", folder.path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{path} {link}");
        }
    }

    #[test]
    fn no_file_is_written_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        entry(&mut tar, tar::EntryType::Symlink, "testbed/a", &outside.path().display().to_string(), b"");
        entry(&mut tar, tar::EntryType::Regular, "testbed/a/escaped", "", b"1");
        let folder = tempfile::tempdir().unwrap();
        assert!(unpack(tar.into_inner().unwrap().as_slice(), "testbed", folder.path()).is_err());
        assert!(!outside.path().join("escaped").exists());
    }
}
