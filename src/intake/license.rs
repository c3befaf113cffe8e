//! The licence of a tree, from its licence files alone.

use crate::repo::{RepoError, Repository};

/// File names that licences stand in, without suffix, in lower case.
const NAMES: [&str; 5] = ["license", "licence", "copying", "license-mit", "unlicense"];

/// Words that all occur in a licence's text, most specific licence first.
const MARKS: [(&str, &[&str]); 12] = [
    ("Apache-2.0", &["apache license", "version 2.0"]),
    ("MPL-2.0", &["mozilla public license", "2.0"]),
    ("AGPL-3.0-only", &["gnu affero general public license", "version 3"]),
    ("LGPL-3.0-only", &["gnu lesser general public license", "version 3"]),
    ("LGPL-2.1-only", &["gnu lesser general public license", "version 2.1"]),
    ("GPL-3.0-only", &["gnu general public license", "version 3"]),
    ("GPL-2.0-only", &["gnu general public license", "version 2"]),
    ("BSD-3-Clause", &["redistribution and use in source and binary forms", "endorse or promote"]),
    ("BSD-2-Clause", &["redistribution and use in source and binary forms"]),
    ("MIT", &["permission is hereby granted, free of charge", "the above copyright notice and this permission notice"]),
    ("ISC", &["permission to use, copy, modify, and/or distribute this software for any purpose"]),
    ("Unlicense", &["this is free and unencumbered software released into the public domain"]),
];

/// SPDX id of the licence that the files at a tree's root state; none where there is none, or it is not known here, or
/// the files state several.
pub(super) fn of_tree(repo: &Repository, tree: &str) -> Result<Option<String>, RepoError> {
    let mut found: Option<&str> = None;
    for path in repo.paths(tree)? {
        let stem = path.split_once('.').map_or(&*path, |(stem, _)| stem).to_lowercase();
        if path.contains('/') || !NAMES.contains(&&*stem) {
            continue;
        }
        let Some(content) = repo.read(tree, &path)? else { continue };
        match (found, detect(&String::from_utf8_lossy(&content))) {
            (None, license) => found = license,
            (Some(earlier), Some(license)) if earlier != license => return Ok(None),
            _ => {}
        }
    }
    Ok(found.map(str::to_owned))
}

fn detect(text: &str) -> Option<&'static str> {
    let words = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let known = MARKS.iter().find(|(_, marks)| marks.iter().all(|mark| words.contains(mark)));
    known.map(|(license, _)| *license)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_known_by_their_words_however_the_lines_break() {
        let table = [
            (
                "Permission is hereby granted, free of\n charge ... The above copyright notice and this permission\nnotice",
                Some("MIT"),
            ),
            (
                "Redistribution and use in source and binary forms ... to endorse or promote products",
                Some("BSD-3-Clause"),
            ),
            ("Redistribution and use in source and binary forms", Some("BSD-2-Clause")),
            ("   Apache License\n  Version 2.0, January 2004", Some("Apache-2.0")),
            ("All rights reserved.", None),
        ];
        for (text, license) in table {
            assert_eq!(detect(text), license, "{text}");
        }
    }
}
