//! One layer of an image: unpacked alone, below one folder, whatever the archive says. What it takes away from the layers
//! below is noted beside it.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::folders::{in_place_of, inside, link_tree, make_folder, place, refused, remove};

/// Marks of a layer, as the OCI image specification defines them (layer.md, "Whiteouts").
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// Bytes that are read and written at a time.
pub(super) const CHUNK: usize = 256 << 10;

/// What a layer does beside what it brings. Paths are relative to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Gone from the layers below.
    pub removed: BTreeSet<PathBuf>,
    /// Folders of which nothing below is seen.
    pub opaque: BTreeSet<PathBuf>,
    /// Further names of files that only the layers below have: name, file.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Devices, pipes and sockets that were left out.
    pub left_out: u64,
}

/// Undoes the compression that the first bytes tell.
pub fn decompressed<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader = BufReader::with_capacity(CHUNK, reader);
    let magic = io::BufRead::fill_buf(&mut reader)?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(reader)?),
        _ => Box::new(reader),
    })
}

/// Unpacks a tar into an empty folder. Owners are dropped, and everything can be read by all: jobs run as somebody whom the
/// image does not know.
///
/// # Errors
/// A path or link target that leads out of the folder, an entry behind a link, or a file system that refuses.
pub fn unpack(tar: impl Read, into: &Path) -> io::Result<Marks> {
    let mut marks = Marks::default();
    let mut archive = tar::Archive::new(tar);
    let mut buffer = vec![0; CHUNK];
    let mut real = PathBuf::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path()?)?;
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if name == OPAQUE {
            marks.opaque.insert(folder);
            continue;
        }
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            // Further names with the prefix twice are notes of one storage driver to itself.
            if !name.starts_with(WHITEOUT) {
                marks.removed.insert(folder.join(name));
            }
            continue;
        }
        make_folders(into, &folder, &real)?;
        real = folder;
        let target = into.join(&path);
        let kind = entry.header().entry_type();
        match kind {
            tar::EntryType::Directory => {
                make_folder(&target)?;
                fs::set_permissions(&target, Permissions::from_mode(0o755))?;
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mut file = in_place_of(&target, || File::create_new(&target))?;
                copy(&mut entry, &mut file, &mut buffer)?;
                let runs = entry.header().mode()? & 0o111 != 0;
                file.set_permissions(Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
                // Bytecode of the image's packages is valid only with its source's time.
                let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?);
                file.set_times(FileTimes::new().set_modified(modified).set_accessed(modified))?;
            }
            tar::EntryType::Symlink => {
                let to = entry.link_name()?.ok_or_else(|| refused(&path, "a link to nothing"))?;
                in_place_of(&target, || symlink(&to, &target))?;
            }
            tar::EntryType::Link => {
                let to = entry.link_name()?.ok_or_else(|| refused(&path, "a hard link to nothing"))?;
                let to = inside(&to)?;
                remove(&target)?;
                let here = place(into, &to)?.filter(|at| fs::symlink_metadata(at).is_ok_and(|data| !data.is_dir()));
                match here {
                    Some(file) => fs::hard_link(file, &target)?,
                    None => marks.links.push((path, to)),
                }
            }
            _ => marks.left_out += 1,
        }
    }
    Ok(marks)
}

fn copy(from: &mut impl Read, to: &mut File, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match from.read(buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

/// Makes the folders of a path, none of which may be a link. `real` and what is above it are known to be folders: the folder
/// of the entry before, because an entry replaces nothing but what is in its folder.
fn make_folders(root: &Path, folder: &Path, real: &Path) -> io::Result<()> {
    let mut at = root.to_owned();
    let known = folder.components().zip(real.components()).take_while(|(one, other)| one == other).count();
    for (number, part) in folder.components().enumerate() {
        at.push(part);
        if number < known {
            continue;
        }
        match fs::symlink_metadata(&at) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => return Err(refused(folder, "an entry of the layer lies behind a link or a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lays an unpacked layer over a root.
pub fn lay(tree: &Path, marks: &Marks, root: &Path) -> io::Result<()> {
    for folder in &marks.opaque {
        let Some(at) = place(root, folder)? else { continue };
        if fs::symlink_metadata(&at).is_ok_and(|data| data.is_dir()) {
            for entry in fs::read_dir(&at)? {
                remove(&entry?.path())?;
            }
        }
    }
    for path in &marks.removed {
        if let Some(at) = place(root, path)? {
            remove(&at)?;
        }
    }
    link_tree(tree, root, |_| true)?;
    for (path, to) in &marks.links {
        let from = place(root, to)?.filter(|at| at.symlink_metadata().is_ok_and(|data| !data.is_dir()));
        let from = from.ok_or_else(|| refused(path, "a hard link to what no layer has"))?;
        let at = place(root, path)?.ok_or_else(|| refused(path, "it lies behind a link"))?;
        remove(&at)?;
        fs::hard_link(from, at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::EntryType::{Char, Directory, Link, Regular, Symlink};

    fn tar(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = tar::Header::new_gnu();
            // The builder's own methods refuse the paths that an attacker would write.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            let data = if *kind == Regular { content.as_bytes() } else { b"" };
            if matches!(kind, Link | Symlink) {
                header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_entry_type(*kind);
            header.set_mode(0o4600);
            header.set_mtime(7);
            header.set_size(data.len() as u64);
            header.set_cksum();
            tar.append(&header, data).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn laid(layers: &[&[(tar::EntryType, &str, &str)]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        for (number, entries) in layers.iter().enumerate() {
            let tree = folder.path().join(number.to_string());
            fs::create_dir(&tree).unwrap();
            let marks = unpack(tar(entries).as_slice(), &tree).unwrap();
            lay(&tree, &marks, &root).unwrap();
        }
        folder
    }

    #[test]
    fn layers_add_replace_and_take_away() {
        let folder = laid(&[
            &[
                (Directory, "a/", ""),
                (Regular, "a/one", "1"),
                (Regular, "a/two", "2"),
                (Regular, "b/old", "old"),
                (Regular, "c", "file"),
                (Symlink, "link", "a"),
            ],
            &[
                (Regular, "a/.wh.one", ""),
                (Regular, "b/.wh..wh..opq", ""),
                (Regular, "b/new", "new"),
                (Regular, "c/now", "a folder"),
                (Link, "again", "a/two"),
                (Regular, "link", "no link"),
            ],
        ]);
        let root = folder.path().join("root");
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        assert_eq!(read("a/one"), None);
        assert_eq!(read("a/two").as_deref(), Some("2"));
        assert_eq!((read("b/old"), read("b/new").as_deref()), (None, Some("new")));
        assert_eq!(read("c/now").as_deref(), Some("a folder"));
        assert_eq!(read("again").as_deref(), Some("2"));
        assert_eq!(read("link").as_deref(), Some("no link"));
        // The layers themselves are as they were.
        assert_eq!(fs::read_to_string(folder.path().join("0/a/one")).unwrap(), "1");
    }

    #[test]
    fn modes_are_plain_times_are_kept_and_devices_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = tar(&[(Regular, "file", "1"), (Char, "null", "")]);
        let marks = unpack(bytes.as_slice(), folder.path()).unwrap();
        let data = folder.path().join("file").metadata().unwrap();
        assert_eq!(data.permissions().mode() & 0o7777, 0o644);
        assert_eq!(data.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(marks.left_out, 1);
        assert!(!folder.path().join("null").exists());
    }

    #[test]
    fn nothing_leaves_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let away = outside.path().display().to_string();
        for entries in [
            vec![(Regular, "../escaped", "1")],
            vec![(Regular, "a/../../escaped", "1")],
            vec![(Symlink, "a", away.as_str()), (Regular, "a/escaped", "1")],
            vec![(Symlink, "a", ".."), (Directory, "a/escaped", "")],
            // A folder that was real when the entry before lay in it.
            vec![(Regular, "a/b/one", "1"), (Symlink, "a/b", away.as_str()), (Regular, "a/b/escaped", "1")],
            vec![(Regular, "a/b/one", "1"), (Symlink, "a", away.as_str()), (Regular, "a/b/escaped", "1")],
            vec![(Link, "a", "../../etc/passwd")],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let into = folder.path().join("tree");
            fs::create_dir(&into).unwrap();
            let error = unpack(tar(&entries).as_slice(), &into).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{entries:?}: {error}");
            assert!(!folder.path().join("escaped").exists() && !outside.path().join("escaped").exists());
        }
        // An absolute name is one inside.
        let folder = tempfile::tempdir().unwrap();
        unpack(tar(&[(Regular, "/inside", "1")]).as_slice(), folder.path()).unwrap();
        assert!(folder.path().join("inside").exists());
    }

    #[test]
    fn a_mark_that_names_a_place_behind_a_link_removes_nothing_there() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "1").unwrap();
        let away = outside.path().display().to_string();
        laid(&[&[(Symlink, "a", &away)], &[(Regular, "a/.wh.file", ""), (Regular, "b", "")]]);
        assert!(outside.path().join("file").exists());
    }

    #[test]
    fn a_hard_link_to_a_file_that_no_layer_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, root) = (folder.path().join("tree"), folder.path().join("root"));
        fs::create_dir(&tree).unwrap();
        fs::create_dir(&root).unwrap();
        let marks = unpack(tar(&[(Link, "a", "etc/passwd")]).as_slice(), &tree).unwrap();
        assert!(lay(&tree, &marks, &root).is_err());
    }
}
