//! Copies the rows that stay. JSON Lines are copied line by line as they are; Parquet keeps its schema and metadata.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::dataset::files::parquet_copy::copy_rows;
use crate::output::NewFile;

/// Copies the lines or rows of a file for which `stays` says so into a new one; they are counted from 1, blank lines too.
///
/// # Errors
/// A file cannot be read or written, or the two names are of different formats.
pub fn copy(from: &Path, new: &NewFile, stays: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let to = new.path();
    match (is_parquet(from), is_parquet(to)) {
        (true, true) => copy_rows(from, new.as_file(), stays),
        (false, false) => copy_lines(from, to, new.as_file(), stays),
        _ => bail!("{} and {} are of different formats; name them alike", from.display(), to.display()),
    }
    .with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Whether a file of a directory holds rows; what was set aside is none.
pub fn is_rows(name: &str) -> bool {
    name != "quarantine.jsonl" && [".parquet", ".jsonl", ".jsonl.zst"].iter().any(|ending| name.ends_with(ending))
}

/// Whether a name is that of a Parquet file; anything else is read as JSON Lines.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

fn copy_lines(from: &Path, to: &Path, file: &File, stays: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let packed = |path: &Path, suffix: &str| path.extension().is_some_and(|extension| extension == suffix);
    if packed(to, "gz") {
        bail!("{} would be packed by gzip; write plain lines or .zst", to.display());
    }
    let source = File::open(from)?;
    let reader: Box<dyn Read> = match (packed(from, "gz"), packed(from, "zst")) {
        (true, _) => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(source))),
        (_, true) => Box::new(zstd::Decoder::new(source)?),
        (false, false) => Box::new(source),
    };
    if packed(to, "zst") {
        let mut writer = zstd::Encoder::new(BufWriter::new(file), 0)?;
        copy_each(BufReader::new(reader), &mut writer, stays)?;
        writer.finish()?.flush()?;
    } else {
        let mut writer = BufWriter::new(file);
        copy_each(BufReader::new(reader), &mut writer, stays)?;
        writer.flush()?;
    }
    Ok(())
}

fn copy_each(mut from: impl BufRead, to: &mut impl Write, stays: impl Fn(u64) -> bool) -> std::io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if stays(number) {
            to.write_all(&line)?;
            if !line.ends_with(b"\n") {
                to.write_all(b"\n")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(from: &Path, to: &Path, stays: impl Fn(u64) -> bool) -> anyhow::Result<()> {
        let new = NewFile::create(to)?;
        super::copy(from, &new, stays)?;
        new.finish().map(|_| ())
    }

    #[test]
    fn lines_are_copied_as_they_are_and_a_last_one_gets_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a.jsonl"), folder.path().join("new/b.jsonl"));
        std::fs::write(&from, "{\"a\": 1}\n\n{\"b\":2 }\n{\"c\":3}").unwrap();
        copy(&from, &to, |line| line != 3).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "{\"a\": 1}\n\n{\"c\":3}\n");
        let packed = folder.path().join("b.jsonl.zst");
        copy(&to, &packed, |_| true).unwrap();
        copy(&packed, &from, |line| line == 1).unwrap();
        assert_eq!(std::fs::read_to_string(&from).unwrap(), "{\"a\": 1}\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
        let error = copy(&from, &folder.path().join("b.parquet"), |_| true).unwrap_err().to_string();
        assert!(error.contains("different formats"), "{error}");
    }
}
