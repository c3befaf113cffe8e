//! The name of a tag, checked before anything is sent. Pure.

use std::fmt;
use std::str::FromStr;

/// Longer names do not fit into a file name of git's.
const LONGEST: usize = 200;

/// A name that git takes for a tag and that nobody takes for a branch or a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagName(String);

impl TagName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let commit = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let why = if text.is_empty() {
            "it is empty"
        } else if !text.bytes().all(known) {
            "it holds other characters than letters, digits, '-', '_' and '.'"
        } else if text.starts_with(['-', '.', '_']) {
            "it does not begin with a letter or a digit"
        } else if text.contains("..") || text.ends_with('.') || text.to_ascii_lowercase().ends_with(".lock") {
            "git allows no '..', no '.' at the end and no '.lock' at the end"
        } else if text.len() > LONGEST {
            "it is too long"
        } else if commit {
            "it reads as the id of a commit"
        } else if ["main", "head"].contains(&text.to_ascii_lowercase().as_str()) {
            "readers would get a branch of that name instead"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(format!("{text:?} is not a name for a tag: {why}; give one such as v1.2"))
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions_are_taken_and_what_git_refuses_or_readers_mistake_is_not() {
        for good in ["v1", "v1.2.3", "2026-11-30", "20261130", "deadbeef", "r_1", "mainline", "locked", "v1.lock.2"] {
            assert_eq!(good.parse::<TagName>().unwrap().as_str(), good);
        }
        let commit = "0123456789abcdef0123456789ABCDEF01234567";
        let sha256 = "0".repeat(64);
        let long = "v".repeat(300);
        for wrong in [
            "",
            " ",
            "v 1",
            "v1 ",
            "v1\n",
            "v..1",
            "v~1",
            "v^1",
            "v:1",
            "v?",
            "v*",
            "v[1",
            "v\\1",
            "v@{1",
            "@",
            "a/b",
            "refs/heads/main",
            "-v1",
            ".v1",
            "v1.",
            "v1.lock",
            "v1.LOCK",
            "main",
            "HEAD",
            "Main",
            "vé",
            commit,
            &sha256,
            &long,
        ] {
            let why = wrong.parse::<TagName>().unwrap_err();
            assert!(why.contains("is not a name for a tag") && why.contains("such as v1.2"), "{wrong}: {why}");
        }
    }
}
