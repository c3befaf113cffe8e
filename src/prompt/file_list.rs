//! Localization answers: paths, one a line, in a fence or bare. Pure.

use std::collections::HashSet;

use super::fence::{Block, path_of, scan};
use crate::model::candidate::{Malformed, MalformedReason};

/// Paths in order, each once. If there are fences with paths, the last one is the answer; otherwise every line that is a
/// path counts.
pub(super) fn parse(answer: &str) -> Result<Vec<String>, Malformed> {
    let fences = scan(answer);
    let has_path = |block: &&Block<'_>| block.body.lines().any(|line| path_of(line).is_some());
    let lines: Vec<&str> = match fences.blocks.iter().rev().find(has_path) {
        Some(block) if !block.closed => {
            return Err(Malformed::new(MalformedReason::BadFormat, "the fence around the paths is never closed"));
        }
        Some(block) => block.body.lines().collect(),
        None => fences.outside.iter().map(|(_, line)| *line).collect(),
    };
    let mut seen = HashSet::new();
    let paths = lines.into_iter().filter_map(path_of).filter(|path| seen.insert(*path));
    let files: Vec<_> = paths.map(str::to_owned).collect();
    if files.is_empty() {
        return Err(Malformed::new(MalformedReason::NoAnswer, "no line is a path"));
    }
    Ok(files)
}
