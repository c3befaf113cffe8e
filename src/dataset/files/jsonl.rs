//! JSON Lines: one JSON object a line, plain or compressed with zstd, in shards. Same rows, same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use zstd::stream::write::Encoder;

use super::content_bounds::Cut;
use super::shard::{LineWriter, Shard, partial_name, shard_name};

/// Higher levels cost several times the memory and time for a few hundredths of the size.
const LEVEL: i32 = 3;

/// Bytes of lines in a compressed frame: this many at least, and as many again at the mean.
const FRAME: u64 = 256 << 10;

/// How the lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.jsonl`: for readers that know no compression.
    Plain,
    /// `.jsonl.zst`.
    Zstd,
}

/// Writes `<directory>/<name>-00000-of-00001.jsonl.zst` and on. Shards keep a partial name until their number is known.
///
/// `shard_bytes` are those of a shard's lines, about. Compressed files are many frames one after the other ([`Cut`]).
pub struct JsonlWriter {
    directory: PathBuf,
    name: String,
    packing: Packing,
    open: Option<Open>,
    shard: Cut,
    shard_ends: bool,
    frame: Cut,
    frame_ends: bool,
    shards: Vec<Shard>,
}

enum Open {
    Plain(BufWriter<File>),
    Zstd(Box<Encoder<'static, BufWriter<File>>>),
}

impl Open {
    fn frame(file: BufWriter<File>) -> io::Result<Self> {
        let mut encoder = Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self::Zstd(Box::new(encoder)))
    }

    /// Ends a frame and begins the next.
    fn next_frame(self) -> io::Result<Self> {
        match self {
            Self::Zstd(encoder) => Self::frame(encoder.finish()?),
            Self::Plain(file) => Ok(Self::Plain(file)),
        }
    }
}

impl JsonlWriter {
    pub fn create(directory: &Path, name: &str, packing: Packing, shard_bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let mut this = Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            packing,
            open: None,
            shard: Cut::about(shard_bytes),
            shard_ends: false,
            frame: Cut::new(FRAME, FRAME),
            frame_ends: false,
            shards: Vec::new(),
        };
        this.open()?;
        Ok(this)
    }

    fn extension(&self) -> &'static str {
        match self.packing {
            Packing::Plain => "jsonl",
            Packing::Zstd => "jsonl.zst",
        }
    }

    fn open(&mut self) -> Result<()> {
        let path = partial_name(&self.directory, &self.name, self.shards.len());
        let open = || -> io::Result<_> {
            let file = BufWriter::new(File::create(&path)?);
            Ok(match self.packing {
                Packing::Plain => Open::Plain(file),
                Packing::Zstd => Open::frame(file)?,
            })
        };
        self.open = Some(open().with_context(|| format!("cannot create {}", path.display()))?);
        (self.shard_ends, self.frame_ends) = (false, false);
        self.frame.restart();
        self.shards.push(Shard { path, rows: 0 });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let close = || -> io::Result<()> {
            let file = match open {
                Open::Plain(file) => file,
                Open::Zstd(encoder) => encoder.finish()?,
            };
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        close().with_context(|| self.cannot_write())
    }

    fn cannot_write(&self) -> String {
        let path = self.shards.last().map_or_else(String::new, |shard| shard.path.display().to_string());
        format!("cannot write {path}")
    }
}

impl LineWriter for JsonlWriter {
    fn push_line(&mut self, line: &[u8]) -> Result<()> {
        if self.shard_ends {
            self.close()?;
            self.open()?;
        }
        if self.frame_ends {
            self.open = self.open.take().map(Open::next_frame).transpose().with_context(|| self.cannot_write())?;
        }
        let written = match &mut self.open {
            Some(Open::Plain(file)) => file.write_all(line),
            Some(Open::Zstd(encoder)) => encoder.write_all(line),
            None => Err(io::Error::other("the shard is closed")),
        };
        written.with_context(|| self.cannot_write())?;
        (self.shard_ends, self.frame_ends) = (self.shard.after(line), self.frame.after(line));
        if let Some(shard) = self.shards.last_mut() {
            shard.rows += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Shard>> {
        self.close()?;
        let (count, extension) = (self.shards.len(), self.extension());
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let path = self.directory.join(shard_name(&self.name, index, count, extension));
            std::fs::rename(&shard.path, &path).with_context(|| format!("cannot write {}", path.display()))?;
            shard.path = path;
        }
        Ok(self.shards)
    }
}

impl std::fmt::Debug for JsonlWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonlWriter").field("name", &self.name).field("shards", &self.shards).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::files::content_bounds::tests::shared;
    use crate::model::digest::Digest;

    fn lines(changed: std::ops::Range<u64>) -> Vec<String> {
        let line = |number: u64| {
            let seed = if changed.contains(&number) { number + 1_000_000 } else { number };
            let words = (0..8).map(|word| Digest::of(&(seed * 8 + word).to_le_bytes()).to_string());
            format!("{{\"number\": {number}, \"words\": \"{}\"}}\n", words.collect::<Vec<_>>().join(" of the same "))
        };
        (0..50_000).map(line).collect()
    }

    fn written(directory: &Path, lines: &[String]) -> Vec<u8> {
        let mut writer = JsonlWriter::create(directory, "lines", Packing::Zstd, u64::MAX).unwrap();
        lines.iter().for_each(|line| writer.push_line(line.as_bytes()).unwrap());
        let shards = Box::new(writer).finish().unwrap();
        assert_eq!((shards.len(), shards[0].rows), (1, lines.len() as u64));
        std::fs::read(&shards[0].path).unwrap()
    }

    #[test]
    fn lines_that_change_in_one_place_leave_most_of_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = [0..0, 5_000..5_500].map(lines);
        let [before, after] = [&first, &second].map(|lines| written(directory.path(), lines));
        assert_eq!(zstd::decode_all(after.as_slice()).unwrap(), second.concat().into_bytes());
        let share = shared(&before, &after);
        assert!(share >= 0.9, "{share}");
    }
}
