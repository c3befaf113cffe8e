//! The files of an instance as a language sees them: no commit, no object store, only paths and bytes.

/// What an instance says about its files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stated<'a> {
    /// Files that the gold patch changes.
    pub gold: &'a [String],
    /// Files that the test patch changes.
    pub tests: &'a [String],
    /// Files of the listed tests.
    pub listed: &'a [String],
}

/// Base, and the tree that tests are taken from.
pub trait Files {
    /// Paths of base, sorted by bytes.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn base(&self) -> anyhow::Result<Vec<String>>;

    /// Paths of the tree that tests are taken from, sorted by bytes.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn trusted(&self) -> anyhow::Result<Vec<String>>;

    /// The bytes of a file of that tree; `None` if it has no file there.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>>;
}
