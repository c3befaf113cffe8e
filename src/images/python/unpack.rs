//! Unpacking of the project's wheel, within bounds: code of the project made it.

use std::path::{Path, PathBuf};

use super::environment::Environments;
use crate::images::environment_error::EnvironmentError;

/// Bounds of an unpacked wheel.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: u64,
    pub files: u64,
}

/// Far more than a wheel of a project holds, and less than any disk.
pub(super) const BOUNDS: Bounds = Bounds { bytes: 2 << 30, files: 100_000 };

/// Adds up the sizes first. No file is read beyond the size that its wheel states.
const UNPACK: &str = "import resource, sys, zipfile\n\
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]\n\
    most = 4 << 30 if hard == resource.RLIM_INFINITY else min(4 << 30, hard)\n\
    resource.setrlimit(resource.RLIMIT_AS, (most, most))\n\
    wheel, folder, most_bytes, most_files = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])\n\
    with zipfile.ZipFile(wheel) as file:\n    \
        files = file.infolist()\n    \
        size = sum(one.file_size for one in files)\n    \
        if size > most_bytes or len(files) > most_files:\n        \
            sys.stdout.write(f'{len(files)} files of {size >> 20} MiB')\n        \
            sys.exit(3)\n    \
        file.extractall(folder)\n";
const TOO_LARGE: i32 = 3;

impl Environments {
    /// Unpacks a wheel into a new folder `unpacked` of the scratch folder. Gives that.
    ///
    /// # Errors
    /// It is larger than the bounds, or no wheel.
    pub fn unpack(&self, wheel: &Path, scratch: &Path, bounds: Bounds) -> Result<PathBuf, EnvironmentError> {
        let unpacked = scratch.join("unpacked");
        let output = self
            .interpreter
            .command(["-I", "-c", UNPACK])
            .args([wheel, &unpacked])
            .args([bounds.bytes.to_string(), bounds.files.to_string()])
            .output()
            .map_err(|error| EnvironmentError::io("unpacking", wheel, &error))?;
        if output.status.success() {
            return Ok(unpacked);
        }
        if output.status.code() == Some(TOO_LARGE) {
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            let Bounds { bytes, files } = bounds;
            return Err(EnvironmentError::NotBuilt {
                why: format!("its wheel unpacks to {found}, more than {files} files or {} MiB", bytes >> 20),
            });
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(EnvironmentError::Failed { doing: "unpacking the project's wheel".to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::images::cache::Cache;

    #[test]
    fn a_wheel_is_unpacked_if_it_is_within_bounds_and_nothing_is_written_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let environments = Environments::open(Cache::open(&folder.path().join("cache")).unwrap(), None).unwrap();
        let wheel = folder.path().join("p.whl");
        let make = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as file:\n    \
                    file.writestr('p/a.py', 'x = 1\\n')\n    file.writestr('p/zeros', bytes(3 << 20))\n";
        let made = environments.interpreter.command(["-c", make]).arg(&wheel).status().unwrap();
        assert!(made.success() && fs::metadata(&wheel).unwrap().len() < 1 << 20);
        let unpack = |bytes, files| environments.unpack(&wheel, folder.path(), Bounds { bytes, files });
        for (bytes, files, limit) in [(2 << 20, 9, "9 files or 2 MiB"), (4 << 20, 1, "1 files or 4 MiB")] {
            let error = unpack(bytes, files).unwrap_err().to_string();
            assert!(error.ends_with(&format!("unpacks to 2 files of 3 MiB, more than {limit}")), "{error}");
            assert!(!folder.path().join("unpacked").exists());
        }
        let unpacked = unpack(4 << 20, 2).unwrap();
        assert_eq!(fs::read_to_string(unpacked.join("p/a.py")).unwrap(), "x = 1\n");
    }
}
