//! The agent's connection to the driver.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::descriptors::{aside, place};

/// The connection to the driver, moved away from descriptors that jobs get.
#[derive(Debug)]
pub struct Wire {
    pub input: File,
    pub output: File,
}

impl Wire {
    /// Takes the standard streams over and leaves `/dev/null` in their place.
    pub fn take() -> std::io::Result<Self> {
        let input = aside(std::io::stdin())?;
        let output = aside(std::io::stdout())?;
        let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
        place(&null, 0)?;
        place(&null, 1)?;
        Ok(Self { input: input.into(), output: output.into() })
    }
}
