//! Files that lie in a dataset directory and do not belong to the dataset. One rule for every reader of such a directory.

use std::collections::BTreeSet;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::dataset::seal::file_names::MANIFEST;
use crate::dataset::seal::file_names::STATEMENT;
use crate::dataset::seal::manifest::Manifest;
use crate::dataset::seal::signature::ENVELOPE;

/// The Hub puts this file into every repository.
pub const ATTRIBUTES: &str = ".gitattributes";

/// Paths below `root`, in order, that belong neither to the dataset nor to the tools that fetched it: `.gitattributes` at
/// the top is the Hub's, `.git` is git's, and directories called `.cache` or `.huggingface` hold the notes of download
/// tools. A file that the manifest lists is never a stranger, wherever it lies.
///
/// # Errors
/// The directory cannot be listed.
pub fn strangers(root: &Path, manifest: &Manifest) -> Result<Vec<String>, walkdir::Error> {
    let listed: BTreeSet<_> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
    let apart = [MANIFEST, STATEMENT, ENVELOPE, ATTRIBUTES];
    let mut found = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| !of_a_tool(entry)) {
        let entry = entry?;
        let inner = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let path = inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        if !entry.file_type().is_dir() && !listed.contains(path.as_str()) && !apart.contains(&path.as_str()) {
            found.push(path);
        }
    }
    Ok(found)
}

fn of_a_tool(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    match entry.depth() {
        0 => false,
        // In a work tree or a submodule it is a file that says where the repository is.
        1 if name == ".git" => true,
        _ => entry.file_type().is_dir() && (name == ".git" || name == ".cache" || name == ".huggingface"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dataset::seal::manifest::Contents;
    use crate::model::receipt::Tool;

    fn put(root: &Path, paths: &[&str]) {
        for path in paths {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
    }

    #[test]
    fn what_tools_leave_beside_a_dataset_is_told_from_files_that_nobody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, &["README.md", "sft/a.parquet"]);
        let contents = Contents {
            tool: Tool::this(),
            inputs: BTreeMap::new(),
            settings: BTreeMap::new(),
            configs: BTreeMap::new(),
            evidence: BTreeMap::new(),
            left_out: BTreeMap::new(),
            left_out_tasks: BTreeMap::new(),
            matched: Default::default(),
        };
        let manifest = Manifest::of_directory(root, contents, &BTreeMap::new()).unwrap();
        manifest.write(root, None).unwrap();
        let tools = [".gitattributes", ".git/HEAD", ".cache/huggingface/download/a.metadata", ".huggingface/b.lock"];
        put(root, &tools);
        assert_eq!(strangers(root, &manifest).unwrap(), Vec::<String>::new());
        std::fs::remove_dir_all(root.join(".git")).unwrap();
        put(root, &[".git", "sft/.gitattributes", ".cached/x", "sft/.git.bak", "cache/y", "secret.env"]);
        assert_eq!(
            strangers(root, &manifest).unwrap(),
            [".cached/x", "cache/y", "secret.env", "sft/.git.bak", "sft/.gitattributes"]
        );
    }
}
