//! Applying SEARCH/REPLACE edits to a draft: whole lines, exactly once.

use super::Stop;
use super::apply::{CRLF, FINAL_NEWLINE, Normalised};
use super::draft::{Draft, Entry, Mode};
use super::escaped;
use super::patch::MAX_PARTS;
use crate::model::candidate::{Edit, Malformed, MalformedReason};

/// Applies edits in order, each to what the former ones left.
pub(super) fn apply_edits(draft: &mut Draft<'_>, edits: &[Edit], notes: &mut Normalised) -> Result<(), Stop> {
    if edits.len() > MAX_PARTS {
        let detail = format!("the answer has {} edits; the limit is {MAX_PARTS}", edits.len());
        return Err(Malformed::new(MalformedReason::TooLarge, detail).into());
    }
    for edit in edits {
        let path = &edit.path;
        draft.check(path)?;
        escaped::check_text(path, &[&edit.search, &edit.replace])?;
        let fails = |detail: String| Stop::from(Malformed::new(MalformedReason::DoesNotApply, detail));
        let now = draft.get(path)?;
        if now.as_ref().is_some_and(|entry| entry.mode == Mode::Link) {
            return Err(Malformed::new(MalformedReason::OddMode, format!("{path} is a symbolic link")).into());
        }
        let entry = match (now, edit.search.is_empty()) {
            (Some(_), true) => {
                return Err(fails(format!("{path} is there already, and an empty SEARCH creates a file")));
            }
            (None, true) => Entry { mode: Mode::Plain, content: edit.replace.clone().into_bytes() },
            (None, false) => return Err(fails(format!("{path} is not in the tree"))),
            (Some(entry), false) => match replace_once(&entry.content, &edit.search, &edit.replace, notes) {
                Ok(content) => Entry { mode: entry.mode, content },
                Err(0) => return Err(fails(format!("{path}: the SEARCH text is not in the file"))),
                Err(count) => return Err(fails(format!("{path}: the SEARCH text is {count} times in the file"))),
            },
        };
        draft.put(path, entry)?;
    }
    Ok(())
}

/// The content with the lines of `search` replaced; the number of places if that is not one.
fn replace_once(content: &[u8], search: &str, replace: &str, notes: &mut Normalised) -> Result<Vec<u8>, usize> {
    let (search, replace) = (ended(search), ended(replace));
    let mut places = occurrences(content, search.as_bytes());
    if places.len() == 1 {
        return Ok(splice(content, places[0], &search, &replace));
    }
    let count = places.len();
    if count > 0 {
        return Err(count);
    }
    let crlf = content.windows(2).any(|pair| pair == b"\r\n");
    let mut whole = content.to_vec();
    if !content.is_empty() && !content.ends_with(b"\n") {
        whole.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    }
    for (crlf, search, replace) in
        [(false, search.clone(), replace.clone()), (true, search.replace('\n', "\r\n"), replace.replace('\n', "\r\n"))]
    {
        places = occurrences(&whole, search.as_bytes());
        match places.as_slice() {
            [] => {}
            [place] => {
                notes.extend(crlf.then_some(CRLF));
                let at_end = place + search.len() == whole.len() && whole.len() != content.len();
                let mut changed = splice(&whole, *place, &search, &replace);
                if at_end {
                    notes.insert(FINAL_NEWLINE);
                } else {
                    changed.truncate(changed.len() - (whole.len() - content.len()));
                }
                return Ok(changed);
            }
            several => return Err(several.len()),
        }
    }
    Err(0)
}

/// Whole lines: a text that ends in the middle of one is completed.
fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// Places where `search`, whole lines, begins at the start of a line. Overlapping ones count.
fn occurrences(content: &[u8], search: &[u8]) -> Vec<usize> {
    let mut fallback = vec![0; search.len()];
    let mut length = 0;
    for at in 1..search.len() {
        while length > 0 && search[at] != search[length] {
            length = fallback[length - 1];
        }
        length += usize::from(search[at] == search[length]);
        fallback[at] = length;
    }
    let mut places = Vec::new();
    let mut matched = 0;
    for (at, &byte) in content.iter().enumerate() {
        while matched > 0 && byte != search[matched] {
            matched = fallback[matched - 1];
        }
        matched += usize::from(byte == search[matched]);
        if matched == search.len() {
            let start = at + 1 - search.len();
            if start == 0 || content[start - 1] == b'\n' {
                places.push(start);
            }
            matched = fallback[matched - 1];
        }
    }
    places
}

fn splice(content: &[u8], at: usize, search: &str, replace: &str) -> Vec<u8> {
    [&content[..at], replace.as_bytes(), &content[at + search.len()..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(content: &str, search: &str, replace: &str) -> (Result<String, usize>, Vec<&'static str>) {
        let mut notes = Normalised::new();
        let result = replace_once(content.as_bytes(), search, replace, &mut notes);
        (result.map(|bytes| String::from_utf8(bytes).unwrap()), notes.into_iter().collect())
    }

    #[test]
    fn a_search_text_matches_whole_lines_that_stand_once() {
        for (content, search, replace, expected, notes) in [
            ("a\nb\nc\n", "b\n", "x\ny\n", Ok("a\nx\ny\nc\n"), &[][..]),
            ("max = 1\nx = 1\n", "x = 1\n", "x = 2\n", Ok("max = 1\nx = 2\n"), &[]),
            ("a\nb\n", "b\n", "", Ok("a\n"), &[]),
            ("a\nb", "b\n", "c\n", Ok("a\nc\n"), &[FINAL_NEWLINE]),
            ("a\nb\nc", "b\n", "x\n", Ok("a\nx\nc"), &[]),
            ("a\r\nb\r\nc", "b\n", "x\n", Ok("a\r\nx\r\nc"), &[CRLF]),
            ("a\na\n", "a\n", "b\n", Err(2), &[]),
            ("a\na\na\n", "a\na\n", "b\n", Err(2), &[]),
            ("    a\n", "a\n", "b\n", Err(0), &[]),
            ("", "a\n", "b\n", Err(0), &[]),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(replaced(content, search, replace), (expected, notes.to_vec()), "{content:?} {search:?}");
        }
    }
}
