//! The files of an instance as a language sees them: no commit, no object store, only paths and bytes.

/// Larger files are not read as text: nothing of that size was written by hand.
const MOST_BYTES: usize = 1 << 20;

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

    /// The text of a file of that tree. `None`: there is none, or it is too large to have been written by hand.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let content = self.read(path)?.filter(|content| content.len() <= MOST_BYTES);
        Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }
}
