//! Where a dataset is, and which of its files hold rows.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use walkdir::WalkDir;

use crate::dataset::seal::file_names::MANIFEST;
use crate::exit_code::Stop;

/// A dataset on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The directory, or the file's directory.
    pub root: PathBuf,
    /// As it was named.
    pub name: String,
    /// A directory with a manifest of ours.
    pub ours: bool,
    /// Tables by name, relative to `root`; of a dataset of ours, what the manifest lists is read instead.
    pub tables: Vec<Table>,
}

/// A file with rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Relative to the dataset, with `/`.
    pub name: String,
    pub path: PathBuf,
}

/// Endings of files that may hold rows, in order of preference: of a directory, one kind is read.
const KINDS: [&[&str]; 3] =
    [&["parquet"], &["jsonl", "jsonl.zst", "jsonl.gz", "ndjson"], &["json", "json.zst", "json.gz"]];

/// Files of a dataset repository that hold no rows.
const NO_ROWS: [&str; 5] =
    ["dataset_info.json", "dataset_infos.json", "statement.json", "state.json", "croissant.json"];

/// Finds the tables of a dataset: a directory or a file.
///
/// # Errors
/// [`Stop::Usage`] for a place that is not there, and for a directory without a table.
pub fn open(name: &str) -> Result<Source> {
    let path = Path::new(name);
    if path.is_file() {
        let root = path.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let tables = vec![Table { name: file, path: path.to_owned() }];
        return Ok(Source { root, name: name.to_owned(), ours: false, tables });
    }
    if !path.is_dir() {
        return Err(Stop::Usage(format!(
            "{name} is neither a directory nor a file; name a dataset directory, a .parquet, .jsonl or .json file, or \
             hub:owner/name"
        ))
        .into());
    }
    let ours = path.join(MANIFEST).is_file();
    let tables = if ours { Vec::new() } else { tables_below(path)? };
    if tables.is_empty() && !ours {
        return Err(Stop::Usage(format!(
            "{name} holds no .parquet, .jsonl or .json file; name the directory that holds the rows"
        ))
        .into());
    }
    Ok(Source { root: path.to_owned(), name: name.to_owned(), ours, tables })
}

fn tables_below(root: &Path) -> Result<Vec<Table>> {
    let hidden = |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
    let mut files = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.with_context(|| format!("cannot list {}", root.display()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let inner = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let name = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        files.push(Table { name, path: entry.path().to_owned() });
    }
    let of_kind = |endings: &[&str]| -> Vec<Table> {
        let fits = |table: &&Table| {
            let file = table.name.rsplit('/').next().unwrap_or_default();
            let ends = endings.iter().any(|ending| file.to_ascii_lowercase().ends_with(&format!(".{ending}")));
            ends && !NO_ROWS.contains(&file)
        };
        files.iter().filter(fits).cloned().collect()
    };
    Ok(KINDS.iter().map(|endings| of_kind(endings)).find(|tables| !tables.is_empty()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_table_is_read_and_nothing_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for file in [".cache/x.parquet", "data/b.parquet", "data/a.parquet", "a.jsonl", "dataset_info.json"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |source: Source| source.tables.into_iter().map(|table| table.name).collect::<Vec<_>>();
        assert_eq!(names(open(folder.path().to_str().unwrap()).unwrap()), ["data/a.parquet", "data/b.parquet"]);
        let file = folder.path().join("a.jsonl");
        assert_eq!(names(open(file.to_str().unwrap()).unwrap()), ["a.jsonl"]);
        let empty = tempfile::tempdir().unwrap();
        assert!(open(empty.path().to_str().unwrap()).unwrap_err().to_string().contains("holds no .parquet"));
        assert!(open("/no/such/place").unwrap_err().to_string().contains("hub:owner/name"));
    }
}
