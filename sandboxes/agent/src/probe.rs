//! The first job of a container that is tried out: this program again, inside a cell, in an image that holds nothing else.

use std::fs;
use std::io;
use std::process::ExitCode;

use super::identity::INSIDE;

/// Does what jobs do to their files and looks whether it is who a job must be. What is wrong goes to the error stream.
pub fn main() -> ExitCode {
    match look() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If this fails, nobody listens; the exit code says it too.
            let _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn look() -> io::Result<()> {
    fs::remove_dir_all("old")?;
    fs::create_dir("old")?;
    if fs::read_dir("old")?.next().is_some() {
        return Err(io::Error::other("a directory that was removed and made again is not empty"));
    }
    fs::write("old/file", "x")?;
    fs::write("/tmp/file", "x")?;
    let (user, capabilities) = (rustix::process::geteuid().as_raw(), fs::read_to_string("/proc/self/status")?);
    if user != INSIDE || !capabilities.contains("CapEff:\t0000000000000000") {
        return Err(io::Error::other("the job has another user or more rights than it should"));
    }
    match fs::write("/proc/sys/kernel/core_pattern", "core") {
        Err(_) => Ok(()),
        Ok(()) => Err(io::Error::other("the job may write the machine's settings")),
    }
}
