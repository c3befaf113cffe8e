//! The licence of a tree, from its licence files alone.

use std::sync::LazyLock;

use askalono::{Store, TextData};
use include_dir::{Dir, include_dir};

use crate::repo::{RepoError, Repository};

/// File names that licences stand in, without suffix, in lower case.
const NAMES: [&str; 5] = ["license", "licence", "copying", "license-mit", "unlicense"];

/// Texts of licences that open repositories commonly carry, by SPDX id.
static TEXTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/src/intake/licenses");

/// Likeness of a file to a licence's text from which it is that licence. Copyright lines and wrapping do not count.
const LIKE: f32 = 0.9;

/// Licences of which later versions may be chosen or not, which their text does not say.
const LATER: [&str; 5] = ["AGPL-3.0", "GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0"];

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let mut store = Store::new();
    for file in TEXTS.files() {
        let path = file.path();
        if let (true, Some(id), Some(text)) =
            (path.extension().is_some_and(|end| end == "txt"), path.file_stem(), file.contents_utf8())
        {
            store.add_license(id.to_string_lossy().into_owned(), TextData::new(text));
        }
    }
    store
});

/// SPDX id of the licence that the files at a tree's root state; `None` if there is none, if it is not known here, or
/// the files state several.
pub(super) fn of_tree(repo: &Repository, tree: &str) -> Result<Option<String>, RepoError> {
    let mut found: Option<String> = None;
    for path in repo.paths(tree)? {
        let stem = path.split_once('.').map_or(&*path, |(stem, _)| stem).to_lowercase();
        if path.contains('/') || !NAMES.contains(&&*stem) {
            continue;
        }
        let Some(content) = repo.read(tree, &path)? else { continue };
        match (&found, detect(&String::from_utf8_lossy(&content))) {
            (None, license) => found = license,
            (Some(earlier), Some(license)) if *earlier != license => return Ok(None),
            _ => {}
        }
    }
    Ok(found)
}

/// SPDX ids of the licences that are known here.
pub fn spdx_ids() -> impl Iterator<Item = String> {
    let texts = TEXTS.files().filter(|file| file.path().extension().is_some_and(|end| end == "txt"));
    let ids = texts.filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned()));
    ids.flat_map(|id| match LATER.contains(&id.as_str()) {
        true => vec![format!("{id}-only"), format!("{id}-or-later"), id],
        false => vec![id],
    })
}

/// The licence that a whole file is like. A file with more in it than a licence (another clause, a second licence, long
/// notices) is like none, so it is not known here, and that is meant.
fn detect(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let data = TextData::new(text);
    let like = STORE.analyze(&data);
    let id = match like.name {
        // A text does not say whether later versions may be chosen; SPDX asks for one of the two.
        later if LATER.contains(&later) => format!("{later}-only"),
        other => other.to_owned(),
    };
    (like.score >= LIKE).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_known_by_itself_with_a_copyright_line_and_other_line_breaks() {
        let mut known = 0;
        for file in TEXTS.files().filter(|file| file.path().extension().is_some_and(|end| end == "txt")) {
            let id = file.path().file_stem().unwrap().to_string_lossy().into_owned();
            let words: Vec<_> = file.contents_utf8().unwrap().split_whitespace().collect();
            let lines: Vec<_> = words.chunks(13).map(|line| line.join(" ")).collect();
            let text = format!("Copyright (c) 2019 Some Body and contributors\n\n{}\n", lines.join("\n"));
            let found = detect(&text).unwrap_or_else(|| panic!("{id} is not known"));
            assert_eq!(found.trim_end_matches("-only"), id);
            known += 1;
        }
        assert!(known >= 20, "{known}");
    }

    #[test]
    fn a_licence_with_more_in_it_is_not_known() {
        let mit = TEXTS.get_file("MIT.txt").unwrap().contents_utf8().unwrap();
        assert_eq!(detect(mit).as_deref(), Some("MIT"));
        let clause = "The Software is provided to you under the License with the following condition: the grant of rights \
            does not include, and the License does not grant to you, the right to sell the Software, where selling means \
            providing to third parties for a fee a product or service whose value derives from its functionality.";
        let table = [format!("{mit}\n\n{clause}"), "All rights reserved.".to_owned(), String::new()];
        for text in table {
            assert_eq!(detect(&text), None, "{text}");
        }
    }
}
