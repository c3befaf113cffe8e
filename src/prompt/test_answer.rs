//! Test answers: a diff or edits on test files, whole files whose fences name a path, or a reproduction script. Pure.

use std::collections::HashMap;

use super::extract::change;
use super::fence::{Block, info_path, path_of, scan};
use crate::language::{self, Language};
use crate::model::candidate::{Malformed, MalformedReason, Payload, WholeFile};

/// What a reproduction script prints, by the SWE-Swiss recipe. A fence without a path is a script only if it holds one.
pub const MARKERS: [&str; 3] = ["Issue reproduced", "Issue resolved", "Other issues"];

pub(super) fn parse(answer: &str) -> Result<Payload, Malformed> {
    if let Some(change) = change(answer)? {
        return Ok(change);
    }
    let fences = scan(answer);
    if let Some(cut) = fences.blocks.iter().find(|block| !block.closed) {
        let detail = format!("the fence ```{} is never closed; the answer was cut", cut.info);
        return Err(Malformed::new(MalformedReason::BadFormat, detail));
    }
    let mut files: Vec<WholeFile> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    for file in fences.blocks.iter().filter_map(whole_file) {
        match at.get(&file.path) {
            Some(&earlier) if files[earlier].content != file.content => {
                let detail = format!("{} is given twice, with different contents", file.path);
                return Err(Malformed::new(MalformedReason::BadFormat, detail));
            }
            Some(_) => {}
            None => {
                at.insert(file.path.clone(), files.len());
                files.push(file);
            }
        }
    }
    if !files.is_empty() {
        return Ok(Payload::TestFiles { files });
    }
    let mut scripts = fences.blocks.iter().filter(|block| is_script(block)).peekable();
    if scripts.peek().is_none() {
        return Err(Malformed::new(MalformedReason::NoAnswer, "no fenced test, diff or edit was found"));
    }
    let script = scripts.find(|block| MARKERS.iter().any(|marker| block.body.contains(marker)));
    match script {
        Some(block) => Ok(Payload::Script { content: lf(block.body) }),
        None => Err(Malformed::new(
            MalformedReason::NoAnswer,
            "a test needs a path (`### PATH` before its fence), and a script must print one of the three markers",
        )),
    }
}

/// A block that names its path: in the info string, on the line before, or on its first line as a comment.
fn whole_file(block: &Block<'_>) -> Option<WholeFile> {
    let info = info_path(block.info).filter(|path| is_file(path));
    let named = info.or_else(|| block.before.and_then(path_of).filter(|path| is_file(path)));
    let (first, rest) = block.body.split_once('\n').unwrap_or((block.body, ""));
    let comment = ["#", "//"].iter().find_map(|mark| first.strip_prefix(mark));
    let inside = comment.and_then(path_of).filter(|path| is_file(path));
    match (named, inside) {
        (Some(path), Some(same)) if path == same => Some(WholeFile { path: path.to_owned(), content: lf(rest) }),
        (Some(path), _) => Some(WholeFile { path: path.to_owned(), content: lf(block.body) }),
        (None, Some(path)) => Some(WholeFile { path: path.to_owned(), content: lf(rest) }),
        (None, None) => None,
    }
}

/// A comment such as `# numpy.testing` names no file.
fn is_file(path: &str) -> bool {
    path.contains('/') || language::all().any(|language| language.script().is_some() && language.is_source(path))
}

/// A block that may be a script: it names no language, or one that has scripts.
fn is_script(block: &Block<'_>) -> bool {
    let named = block.language();
    let scripts = || language::all().filter_map(Language::script);
    named.is_empty() || scripts().any(|script| script.fences.contains(&named.as_str()))
}

fn lf(text: &str) -> String {
    text.replace("\r\n", "\n")
}
