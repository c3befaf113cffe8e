//! Formats of changes that are not read, by name, for the detail of a refusal. Pure.

use super::fence::{heading_path, info_path, path_of, scan};
use super::search_replace::marker;

/// What an answer without edits and without a diff seems to hold.
pub(super) fn name(answer: &str) -> Option<&'static str> {
    let lines = || answer.lines();
    let begins = |starts: &[&str]| lines().any(|line| starts.iter().any(|start| line.trim_start().starts_with(start)));
    if answer.contains("\u{1b}[") {
        return Some("a coloured diff or other text with terminal colours");
    }
    if begins(&["*** Begin Patch", "*** Update File: ", "*** Add File: ", "*** Delete File: "]) {
        return Some("a patch of the apply_patch tool (`*** Begin Patch`)");
    }
    if begins(&["***************"]) && begins(&["*** "]) {
        return Some("a context diff");
    }
    if lines().any(|line| marker(line.trim(), '-', "SEARCH").is_some()) {
        return Some("edits between `------- SEARCH` and `+++++++ REPLACE`");
    }
    if lines().any(|line| marker(line.trim_start(), '<', "SEARCH").is_some()) {
        return Some("indented edits, whose lines have to begin at the left");
    }
    if begins(&["<<<<<<< "]) {
        return Some("conflict markers whose first line is not `<<<<<<< SEARCH`");
    }
    if lines().any(|line| is_header(line.strip_prefix("> ").unwrap_or_default())) {
        return Some("a quoted diff (`> ` before each line)");
    }
    if lines().any(|line| line.starts_with([' ', '\t']) && is_header(line.trim_start())) {
        return Some("an indented diff");
    }
    if lines().any(is_command) && begins(&["< ", "> "]) {
        return Some("a diff without the names of the files");
    }
    if begins(&["\"command\": \"str_replace\"", "{\"command\": \"str_replace\"", "<function=str_replace"]) {
        return Some("a call of an editor tool");
    }
    let fences = scan(answer);
    let named = |before: Option<&str>| before.is_some_and(|line| path_of(line).or(heading_path(line)).is_some());
    match fences.blocks.first() {
        None => None,
        Some(_) if fences.blocks.iter().any(|block| named(block.before) || info_path(block.info).is_some()) => {
            Some("a whole file")
        }
        Some(_) => Some("code without edit markers"),
    }
}

/// Whether a line heads a file of a diff.
fn is_header(line: &str) -> bool {
    line.starts_with("diff --git ") || line.starts_with("--- a/") || line.starts_with("+++ b/")
}

/// Whether a line is a command of a plain diff, such as `5c5` or `3,4d2`.
fn is_command(line: &str) -> bool {
    let line = line.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b',');
    line.split_once(['a', 'c', 'd']).is_some_and(|(old, new)| digits(old) && digits(new))
}
