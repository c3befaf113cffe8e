//! Path safety: which paths an answer may name at all. Pure.

use super::escaped;
use crate::model::candidate::{Malformed, MalformedReason};

/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest component, in bytes: what file systems take.
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Most components. Trees are written, and folders removed, by programs that go down one call for each.
pub const MAX_COMPONENTS: usize = 128;

/// Refuses a path that is absolute, leaves the tree, enters `.git` in any spelling a file system may fold to it, or
/// holds a backslash, a control character other than a tab, a byte that is not UTF-8, or an empty component.
pub fn check(path: &str) -> Result<(), Malformed> {
    match fault(path) {
        None => Ok(()),
        Some(why) => {
            let shown: String = path.chars().take(200).collect();
            Err(Malformed::new(MalformedReason::UnsafePath, format!("path {shown:?} {why}")))
        }
    }
}

/// What is wrong with a path, for people.
pub fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return Some("is longer than 4096 bytes");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.contains('\\') {
        return Some("holds a backslash");
    }
    if path.chars().any(|c| c.is_control() && c != '\t') {
        return Some("holds a control character");
    }
    // A name of a tree is UTF-8, and the characters that stand for such bytes would give it another name than was meant.
    if escaped::holds(path) {
        return Some("holds half a surrogate pair, which stands for a byte that is not UTF-8");
    }
    if path.split('/').count() > MAX_COMPONENTS {
        return Some("is nested deeper than 128 components");
    }
    path.split('/').find_map(component_fault)
}

fn component_fault(component: &str) -> Option<&'static str> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Some("has a component longer than 255 bytes");
    }
    match component {
        "" => Some("has an empty component"),
        "." | ".." => Some("has a '.' or '..' component"),
        _ if is_dot_git(component) => Some("enters .git"),
        _ => None,
    }
}

/// `.git` as a case-folding file system, HFS+ (ignorable code points) or NTFS (trailing dots and spaces, streams, the
/// 8.3 name) would read it.
pub fn is_dot_git(component: &str) -> bool {
    let ignorable = |c: &char| !matches!(*c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String = component.chars().filter(ignorable).flat_map(char::to_lowercase).collect();
    let stem = folded.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
    matches!(stem, ".git" | "git~1")
}

/// Proper prefixes of a path, shortest first: `a/b/c` gives `a`, `a/b`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_of_the_tree_is_refused() {
        let long = "a/".repeat(2100) + "b";
        let deep = "a/".repeat(128) + "b";
        let component = "a".repeat(256);
        for path in [
            "",
            "/etc/passwd",
            "//x",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            ".git",
            ".git/config",
            "a/.git/hooks/x",
            ".GIT/config",
            ".GiT",
            ".git./x",
            ".git /x",
            ".git::$INDEX_ALLOCATION/x",
            "GIT~1/x",
            ".g\u{200c}it/config",
            "a\\b",
            "..\\x",
            "a\0b",
            "a\nb",
            "a\u{7f}b",
            "a\u{85}b",
            "K\u{10f7fc}ste.py",
            "a/\u{10f780}",
            &long,
            &deep,
            &component,
        ] {
            let refused = check(path).expect_err(path);
            assert_eq!(refused.why, MalformedReason::UnsafePath, "{path:?}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        assert_eq!(check(&("a/".repeat(127) + "b")), Ok(()));
        for path in [
            "a.py",
            "src/a b/c.py",
            "src/a\tb.py",
            "say \"hi\".py",
            "it's.py",
            ".gitignore",
            ".github/x.yml",
            "a/...",
            "a/b..c",
            "git",
            "é/ü.py",
            "x~1",
            "a:b",
            "\u{10f77f}\u{10f800}",
        ] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
