//! Files of other people's repositories, which may be anything: a pipe that nobody writes to, a device, larger than they
//! say.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Larger ones of git's own small files are not read.
const LARGEST_SMALL: u64 = 1 << 20;

/// The content of a plain file of at most so many bytes; `None` of anything else.
///
/// # Errors
/// It is not there, or the system does not give it.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    // It may be another one by now, and opening a pipe waits for who writes.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= most).then_some(content))
}

/// The text of one of git's own small files, if it is one.
pub(super) fn text(path: &Path) -> Option<String> {
    String::from_utf8(read(path, LARGEST_SMALL).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_read_and_no_more_of_them_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "hello").unwrap();
        assert_eq!(read(&path, 5).unwrap().as_deref(), Some(&b"hello"[..]));
        assert_eq!(read(&path, 4).unwrap(), None);
        assert_eq!(read(folder.path(), 5).unwrap(), None);
        assert!(read(&folder.path().join("gone"), 5).is_err());
        assert_eq!(read(Path::new("/dev/zero"), 5).unwrap(), None);
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&pipe, 5).unwrap(), None);
        assert_eq!(text(&pipe), None);
    }
}
