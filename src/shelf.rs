//! A shelf: values as lines of JSON in a file without a name. In memory is only where each of them stands. The file is in the
//! folder for temporary files, and it goes with the process.

use std::fs::File;
use std::io::Write as _;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values of one type.
#[derive(Debug)]
pub struct Shelf<T> {
    file: Arc<File>,
    end: u64,
    of: PhantomData<fn(T)>,
}

/// A value that is kept on a shelf.
#[derive(Debug)]
pub struct Kept<T> {
    file: Arc<File>,
    offset: u64,
    length: usize,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Shelf<T> {
    /// An empty shelf.
    ///
    /// # Errors
    /// No file can be made in the folder for temporary files.
    pub fn new() -> anyhow::Result<Self> {
        let file = tempfile::tempfile().context("cannot make a temporary file; free space in TMPDIR")?;
        Ok(Self { file: Arc::new(file), end: 0, of: PhantomData })
    }

    /// Puts a value on the shelf.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, value: &T) -> anyhow::Result<Kept<T>> {
        let mut line = serde_json::to_vec(value).context("a value that is kept is JSON")?;
        line.push(b'\n');
        (&*self.file).write_all(&line).context("cannot write a temporary file; free space in TMPDIR")?;
        let kept = Kept { file: self.file.clone(), offset: self.end, length: line.len(), of: PhantomData };
        self.end += line.len() as u64;
        Ok(kept)
    }
}

impl<T: DeserializeOwned> Kept<T> {
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> anyhow::Result<T> {
        let mut line = vec![0; self.length];
        self.file.read_exact_at(&mut line, self.offset).context("cannot read a temporary file back")?;
        serde_json::from_slice(&line).context("what a temporary file holds is not what was written")
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { file: self.file.clone(), ..*self }
    }
}
