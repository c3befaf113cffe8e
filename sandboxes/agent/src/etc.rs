//! What every image's `/etc` must say: this host's name, no name servers, and who the jobs' user is.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::identity::INSIDE;

/// Files that are written anew, whatever an image has there.
pub const OURS: &[(&str, &str)] = &[
    ("hosts", "127.0.0.1 localhost assay\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("hostname", "assay\n"),
    ("resolv.conf", ""),
];

/// Completes an image's `/etc`.
pub fn complete(etc: &Path) -> io::Result<()> {
    fs::create_dir_all(etc)?;
    for (name, content) in OURS {
        replace(&etc.join(name), content)?;
    }
    // Programs look their own user up.
    let user = format!("assay:x:{INSIDE}:{INSIDE}:assay:/home/assay:/bin/sh\n");
    for (name, line) in [("passwd", user), ("group", format!("assay:x:{INSIDE}:\n"))] {
        let path = etc.join(name);
        let mut known = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => String::from_utf8_lossy(&other?).into_owned(),
        };
        if known.lines().any(|line| line.split(':').nth(2) == Some(&INSIDE.to_string())) {
            continue;
        }
        if !known.is_empty() && !known.ends_with('\n') {
            known.push('\n');
        }
        replace(&path, &(known + &line))?;
    }
    Ok(())
}

/// Writes a file anew: the old one may be a link out of the image's `/etc`.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write(path, content)
}
