//! A fault of the sandbox, in words: what was being done, and why it failed.

use std::fmt::Display;

/// Says what was being done when something failed.
pub trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, String>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, String> {
        self.map_err(|error| format!("{}: {error}", what()))
    }
}
