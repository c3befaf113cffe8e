//! A reader that digests what goes through it, beside the one who reads.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

use super::layer::CHUNK;

/// How many chunks may wait to be digested.
const WAITING: usize = 8;

/// A reader with a thread that digests.
pub(super) struct Hashed<R> {
    inner: R,
    chunk: Arc<Vec<u8>>,
    /// What of the chunk was given away.
    given: usize,
    chunks: SyncSender<Arc<Vec<u8>>>,
    hasher: JoinHandle<String>,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(inner: R) -> io::Result<Self> {
        let (chunks, waiting) = sync_channel::<Arc<Vec<u8>>>(WAITING);
        let hash = move || {
            let mut hasher = Sha256::new();
            waiting.into_iter().for_each(|chunk| hasher.update(chunk.as_slice()));
            hex::encode(hasher.finalize())
        };
        let hasher = std::thread::Builder::new().name("digest".to_owned()).spawn(hash)?;
        Ok(Self { inner, chunk: Arc::default(), given: 0, chunks, hasher })
    }

    /// Reads to the end and gives the digest of all: what stands behind an archive's end belongs to it, too.
    pub(super) fn finish(mut self) -> io::Result<String> {
        while self.next_chunk()? {}
        drop(self.chunks);
        self.hasher.join().map_err(|_| io::Error::other("the thread that digests panicked"))
    }

    /// Whether there was one.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        let mut filled = 0;
        while filled < chunk.len() {
            match self.inner.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        chunk.truncate(filled);
        self.chunk = Arc::new(chunk);
        self.given = 0;
        if filled > 0 && self.chunks.send(self.chunk.clone()).is_err() {
            return Err(io::Error::other("the thread that digests ended"));
        }
        Ok(filled > 0)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.chunk.len() && !self.next_chunk()? {
            return Ok(0);
        }
        let some = buffer.len().min(self.chunk.len() - self.given);
        buffer[..some].copy_from_slice(&self.chunk[self.given..self.given + some]);
        self.given += some;
        Ok(some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    #[test]
    fn what_is_read_is_what_was_there_and_the_digest_is_of_all_of_it() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 7).map(|number| (number % 251) as u8).collect();
        for read in [0, 1, CHUNK, bytes.len()] {
            let mut hashed = Hashed::new(bytes.as_slice()).unwrap();
            let mut begin = vec![0; read];
            hashed.read_exact(&mut begin).unwrap();
            assert_eq!(begin, bytes[..read]);
            assert_eq!(hashed.finish().unwrap(), Digest::of(&bytes).as_str());
        }
        assert_eq!(Hashed::new(io::empty()).unwrap().finish().unwrap(), Digest::of(b"").as_str());
    }
}
