//! Warm bytecode: found in what a job of trusted code wrote, and laid into the base layer. Nothing else is kept.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::files::names;

const CACHE: &str = "__pycache__";

/// Hands every `__pycache__/*.pyc` below the upper layer to `found`, with its path. Runs in pid 1.
pub fn gather(upper: &OwnedFd, found: &mut dyn FnMut(&str, &[u8])) -> io::Result<()> {
    descend(upper.as_fd(), "", found)
}

fn descend(dir: std::os::fd::BorrowedFd<'_>, path: &str, found: &mut dyn FnMut(&str, &[u8])) -> io::Result<()> {
    let in_cache = path.rsplit('/').next() == Some(CACHE);
    for name in names(dir)? {
        let Ok(text) = name.to_str() else { continue };
        let kind = FileType::from_raw_mode(rustix::fs::statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        let below = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
        let open = |flags| rustix::fs::openat(dir, &*name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        if kind.is_dir() {
            descend(open(OFlags::RDONLY | OFlags::DIRECTORY)?.as_fd(), &below, found)?;
        } else if kind.is_file() && in_cache && text.ends_with(".pyc") {
            let mut content = Vec::new();
            File::from(open(OFlags::RDONLY)?).read_to_end(&mut content)?;
            found(&below, &content);
        }
    }
    Ok(())
}

/// Writes one file of bytecode into the base layer. Gives `false` and writes nothing if its source is not there.
pub fn keep(base: &Path, path: &str, content: &[u8], mtime: fs::FileTimes) -> io::Result<bool> {
    let relative = Path::new(path);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let (Some(cache), Some(name)) = (relative.parent(), relative.file_name().and_then(|name| name.to_str())) else {
        return Ok(false);
    };
    let (Some(package), Some((module, _))) = (cache.parent(), name.split_once('.')) else { return Ok(false) };
    if !plain || cache.file_name().is_none_or(|name| name != CACHE) {
        return Ok(false);
    }
    let is =
        |path: &Path, wanted: fn(&fs::Metadata) -> bool| fs::symlink_metadata(path).is_ok_and(|meta| wanted(&meta));
    // A link on the way could lead out of the base layer.
    let mut at = base.to_path_buf();
    for part in package.components() {
        at.push(part);
        if !is(&at, fs::Metadata::is_dir) {
            return Ok(false);
        }
    }
    if !is(&at.join(format!("{module}.py")), fs::Metadata::is_file) {
        return Ok(false);
    }
    at.push(CACHE);
    match fs::create_dir(&at) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ if !is(&at, fs::Metadata::is_dir) => return Ok(false),
        _ => {}
    }
    let temporary = at.join(format!(".{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.set_times(mtime)?;
    fs::rename(temporary, at.join(name))?;
    Ok(true)
}
/// Whether bytecode may stand for a file of this path.
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// The source of bytecode: `a/b.py` for `a/__pycache__/b.cpython-311.pyc`.
pub fn source_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let name = path.file_name()?.to_str()?;
    if folder.file_name()? != "__pycache__" || !name.ends_with(".pyc") {
        return None;
    }
    Some(folder.parent()?.join(format!("{}.py", name.split('.').next()?)))
}
