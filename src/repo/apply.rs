//! Applying a parsed diff: exactly, or not at all.
//!
//! Differences that are bridged are recorded, because each gives a new canonical diff: `crlf` (line ends of the diff and of
//! the file differ as a whole), `final_newline` (they disagree on the line feed at the end of the file) and
//! `hunk_position` (the old lines stand elsewhere than stated, and only once in the file). In answers also
//! `trailing_context` (blank context lines at the end of a hunk were trimmed away), `binary_left_out` and `binary_deleted` (a file
//! of which the diff says only that it is binary), `dangling_link` and `link_left_out` (a new link was left out that leads to nothing
//! or where no link may lead; both in `policy`) and `surrogate_escapes` (half surrogate pairs stand for bytes that are not UTF-8).

use std::borrow::Cow;
use std::collections::BTreeSet;

use thiserror::Error;

use super::Stop;
use super::draft::{Draft, Entry, Mode};
use super::escaped;
use super::links;
use super::patch::{self, Change, FilePatch, Hunk, Line, LineKind, MAX_PARTS};
use crate::model::candidate::{Malformed, MalformedReason};

/// Normalisations that were needed, by the names that candidates record.
pub(super) type Normalised = BTreeSet<&'static str>;

pub(super) const CRLF: &str = "crlf";
pub(super) const FINAL_NEWLINE: &str = "final_newline";
pub(super) const HUNK_POSITION: &str = "hunk_position";
pub(super) const TRAILING_CONTEXT: &str = "trailing_context";
pub(super) const BINARY_LEFT_OUT: &str = "binary_left_out";
pub(super) const BINARY_DELETED: &str = "binary_deleted";
pub(super) const DANGLING_LINK: &str = "dangling_link";
pub(super) const LINK_LEFT_OUT: &str = "link_left_out";
pub(super) const SURROGATE_ESCAPES: &str = "surrogate_escapes";

/// Whose diff it is. Instances may carry links as they like, repairs may make new ones that stay inside the tree
/// ([`super::links`]), and tests may make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Instance,
    Repair,
    Test,
}

/// Applies every file of a diff to a draft, in order.
pub(super) fn apply_diff(
    draft: &mut Draft<'_>,
    diff: &str,
    origin: Origin,
    notes: &mut Normalised,
) -> Result<(), Stop> {
    let files = match origin {
        Origin::Instance => patch::parse(diff)?,
        Origin::Repair | Origin::Test => {
            let read = patch::parse_answer(diff)?;
            notes.extend(read.bridged.completed.then_some(TRAILING_CONTEXT));
            notes.extend(read.bridged.left_out_binary.then_some(BINARY_LEFT_OUT));
            notes.extend(read.bridged.deleted_binary.then_some(BINARY_DELETED));
            read.files
        }
    };
    let mut searches = MAX_PARTS;
    for file in files {
        apply_file(draft, &file, origin, &mut searches, notes)?;
    }
    Ok(())
}

fn does_not_apply(detail: String) -> Stop {
    Malformed::new(MalformedReason::DoesNotApply, detail).into()
}

fn apply_file(
    draft: &mut Draft<'_>,
    file: &FilePatch,
    origin: Origin,
    searches: &mut usize,
    notes: &mut Normalised,
) -> Result<(), Stop> {
    for path in [&file.old, &file.new].into_iter().flatten() {
        draft.check(path)?;
    }
    let shown = file.new.as_deref().or(file.old.as_deref()).unwrap_or_default();
    let old = match &file.old {
        Some(path) => Some(draft.get(path)?.ok_or_else(|| does_not_apply(format!("{path} is not in the tree")))?),
        None => None,
    };
    let link = |mode: Option<Mode>| mode == Some(Mode::Link);
    let links = link(file.mode) || link(file.old_mode) || link(old.as_ref().map(|old| old.mode));
    let allowed = match origin {
        Origin::Instance => true,
        Origin::Repair => file.old.is_none(),
        Origin::Test => false,
    };
    if links && !allowed {
        return Err(Malformed::new(MalformedReason::OddMode, format!("{shown} is or becomes a symbolic link")).into());
    }
    if let Some(path) = file.new.as_deref().filter(|_| file.new != file.old)
        && draft.get(path)?.is_some()
    {
        return Err(does_not_apply(format!("{path} is there already")));
    }

    let before = old.as_ref().map_or(&[][..], |old| &old.content);
    if let Change::Text(hunks) = &file.change
        && let Some(hunk) = hunks.iter().position(|hunk| hunk.lines.iter().any(|line| escaped::holds(&line.text)))
    {
        match origin {
            Origin::Instance => return Err(escaped::of_instance(shown, hunk + 1)),
            Origin::Repair | Origin::Test => escaped::check(shown, before)?,
        }
        notes.insert(SURROGATE_ESCAPES);
    }
    let after = match &file.change {
        Change::Text(hunks) => apply_hunks(before, hunks, file.crlf_headers, searches, notes)
            .map_err(|why| does_not_apply(format!("{shown}: {why}")))?,
        Change::Binary(change) => change
            .apply(before)
            .ok_or_else(|| does_not_apply(format!("{shown}: the binary delta is against another content")))?,
    };
    match (&file.old, &file.new) {
        (Some(old), None) => {
            if !after.is_empty() {
                return Err(does_not_apply(format!("{old} is deleted, but the diff does not remove all its lines")));
            }
            draft.remove(old)
        }
        (old_path, Some(new)) => {
            let mode = file.mode.or(old.map(|old| old.mode)).unwrap_or(Mode::Plain);
            if mode == Mode::Link && origin != Origin::Instance {
                links::check(draft, new, &after)?;
            }
            if let Some(old) = old_path.as_ref().filter(|old| *old != new && !file.copy) {
                draft.remove(old)?;
            }
            draft.put(new, Entry { mode, content: after })
        }
        (None, None) => Ok(()),
    }
}

/// Why hunks do not apply. Hunks are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Mismatch {
    #[error("the old lines of hunk {hunk} are not in the file")]
    Absent { hunk: usize },
    #[error("the old lines of hunk {hunk} are not where it says, and several times elsewhere")]
    Ambiguous { hunk: usize },
    /// A hunk without old lines.
    #[error("hunk {hunk} adds lines after the end of the file")]
    PastEnd { hunk: usize },
    #[error("hunk {hunk} is not where it says, and {} hunks of the diff were looked for elsewhere already", MAX_PARTS)]
    TooMany { hunk: usize },
    #[error("hunk {hunk} overlaps another one")]
    Overlap { hunk: usize },
    /// `\ No newline at end of file` under a line that others follow.
    #[error("hunk {hunk} ends the file before its last line")]
    NewlineInside { hunk: usize },
}

/// Tries the diff as it is, then with each normalisation of line ends and of the final newline, in a fixed order.
/// Reports the mismatch of the first try. `searches` says how many hunks of the diff may still be looked for: each costs a pass over
/// the file.
fn apply_hunks(
    before: &[u8],
    hunks: &[Hunk],
    crlf_headers: bool,
    searches: &mut usize,
    notes: &mut Normalised,
) -> Result<Vec<u8>, Mismatch> {
    let any_cr = hunks.iter().flat_map(|hunk| &hunk.lines).any(|line| line.text.ends_with('\r'));
    let file_has_cr = before.windows(2).any(|pair| pair == b"\r\n");
    let mut ends = vec![Ends::AsIs];
    if hunks.iter().any(|hunk| hunk.completed > 0) {
        ends.push(Ends::OtherBlanks);
    }
    if any_cr {
        // With CR even on the header lines, the diff was rewritten on its way, and its lines are meant without.
        ends.insert(usize::from(!crlf_headers), Ends::WithoutCr);
    }
    if file_has_cr {
        ends.push(Ends::WithCr);
    }
    let mut first = None;
    for ends in ends {
        let lines_as = ends.rewrite(hunks);
        for newline in [FinalNewline::AsIs, FinalNewline::AddToFile, FinalNewline::AddToDiff] {
            let Some((before, hunks)) = newline.rewrite(before, &lines_as) else { continue };
            let mut moved = false;
            match place(&before, &hunks, searches, &mut moved) {
                Ok(after) => {
                    notes.extend(matches!(ends, Ends::WithoutCr | Ends::WithCr).then_some(CRLF));
                    notes.extend((newline != FinalNewline::AsIs).then_some(FINAL_NEWLINE));
                    notes.extend(moved.then_some(HUNK_POSITION));
                    return Ok(after);
                }
                Err(mismatch) => {
                    first.get_or_insert(mismatch);
                }
            }
        }
    }
    Err(first.unwrap_or(Mismatch::Absent { hunk: 1 }))
}

/// How the diff's line ends are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AsIs,
    /// As they are, but for blank lines that the diff lacked: which ends they have is not said in it.
    OtherBlanks,
    WithoutCr,
    WithCr,
}

impl Ends {
    fn rewrite(self, hunks: &[Hunk]) -> Cow<'_, [Hunk]> {
        if self == Self::AsIs {
            return Cow::Borrowed(hunks);
        }
        let mut hunks = hunks.to_vec();
        for hunk in &mut hunks {
            let first = if self == Self::OtherBlanks { hunk.lines.len() - hunk.completed } else { 0 };
            for line in &mut hunk.lines[first..] {
                let returns = line.text.ends_with('\r');
                if returns {
                    line.text.pop();
                }
                let wanted = match self {
                    Self::AsIs => returns,
                    Self::OtherBlanks => !returns,
                    Self::WithoutCr => false,
                    Self::WithCr => line.newline,
                };
                if wanted {
                    line.text.push('\r');
                }
            }
        }
        Cow::Owned(hunks)
    }
}

/// Which side is taken to have lost the line feed at the end of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FinalNewline {
    AsIs,
    AddToFile,
    AddToDiff,
}

/// A file's content, and hunks for it.
type Sides<'a> = (Cow<'a, [u8]>, Cow<'a, [Hunk]>);

impl FinalNewline {
    /// `None` if it would change nothing.
    fn rewrite<'a>(self, before: &'a [u8], hunks: &'a [Hunk]) -> Option<Sides<'a>> {
        match self {
            Self::AsIs => Some((Cow::Borrowed(before), Cow::Borrowed(hunks))),
            Self::AddToFile => {
                if before.is_empty() || before.ends_with(b"\n") {
                    return None;
                }
                let end: &[u8] = if before.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
                Some((Cow::Owned([before, end].concat()), Cow::Borrowed(hunks)))
            }
            Self::AddToDiff => {
                let marked = |line: &Line| !line.newline && line.kind != LineKind::Added;
                if !before.ends_with(b"\n") || !hunks.iter().flat_map(|hunk| &hunk.lines).any(marked) {
                    return None;
                }
                let mut hunks = hunks.to_vec();
                for line in hunks.iter_mut().flat_map(|hunk| &mut hunk.lines) {
                    line.newline = true;
                }
                Some((Cow::Borrowed(before), Cow::Owned(hunks)))
            }
        }
    }
}

/// A hunk's place: index of its first old line, number of old lines, and the hunk.
type Placed<'h> = (usize, usize, usize, &'h Hunk);

fn place(before: &[u8], hunks: &[Hunk], searches: &mut usize, moved: &mut bool) -> Result<Vec<u8>, Mismatch> {
    let lines: Vec<&[u8]> = before.split_inclusive(|&byte| byte == b'\n').collect();
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for (number, hunk) in hunks.iter().enumerate().map(|(index, hunk)| (index + 1, hunk)) {
        let old: Vec<&Line> = hunk.lines.iter().filter(|line| line.kind != LineKind::Added).collect();
        let at = if old.is_empty() {
            if hunk.old_start > lines.len() {
                return Err(Mismatch::PastEnd { hunk: number });
            }
            hunk.old_start
        } else {
            let stated = hunk.old_start.saturating_sub(1);
            if matches_at(&lines, &old, stated) {
                stated
            } else {
                *moved = true;
                *searches = searches.checked_sub(1).ok_or(Mismatch::TooMany { hunk: number })?;
                only_place(&lines, &old).map_err(|several| {
                    if several { Mismatch::Ambiguous { hunk: number } } else { Mismatch::Absent { hunk: number } }
                })?
            }
        };
        placed.push((at, old.len(), number, hunk));
    }
    placed.sort_by_key(|&(at, ..)| at);

    let mut after = Vec::with_capacity(before.len());
    let mut done = 0;
    for (at, old, number, hunk) in placed {
        if at < done {
            return Err(Mismatch::Overlap { hunk: number });
        }
        lines[done..at].iter().for_each(|line| after.extend_from_slice(line));
        for line in hunk.lines.iter().filter(|line| line.kind != LineKind::Removed) {
            if !after.is_empty() && !after.ends_with(b"\n") {
                return Err(Mismatch::NewlineInside { hunk: number });
            }
            after.extend_from_slice(&escaped::bytes(&line.text));
            after.extend_from_slice(if line.newline { b"\n" } else { b"" });
        }
        done = at + old;
        if done < lines.len() && !after.is_empty() && !after.ends_with(b"\n") {
            return Err(Mismatch::NewlineInside { hunk: number });
        }
    }
    lines[done..].iter().for_each(|line| after.extend_from_slice(line));
    Ok(after)
}

fn same(file: &[u8], line: &Line) -> bool {
    match file.strip_suffix(b"\n") {
        Some(text) => line.newline && text == &*escaped::bytes(&line.text),
        None => !line.newline && file == &*escaped::bytes(&line.text),
    }
}

fn matches_at(lines: &[&[u8]], old: &[&Line], at: usize) -> bool {
    let window = at.checked_add(old.len()).and_then(|end| lines.get(at..end));
    window.is_some_and(|window| window.iter().zip(old).all(|(file, line)| same(file, line)))
}

/// The one place where the old lines stand; `Err(true)` for several, `Err(false)` for none. Knuth-Morris-Pratt over
/// lines, so that hostile repetition stays linear.
fn only_place(lines: &[&[u8]], old: &[&Line]) -> Result<usize, bool> {
    let equal = |a: &Line, b: &Line| a.newline == b.newline && a.text == b.text;
    let mut fallback = vec![0; old.len()];
    let mut length = 0;
    for at in 1..old.len() {
        while length > 0 && !equal(old[at], old[length]) {
            length = fallback[length - 1];
        }
        length += usize::from(equal(old[at], old[length]));
        fallback[at] = length;
    }
    let mut found = None;
    let mut matched = 0;
    for (at, line) in lines.iter().enumerate() {
        while matched > 0 && !same(line, old[matched]) {
            matched = fallback[matched - 1];
        }
        matched += usize::from(same(line, old[matched]));
        if matched == old.len() {
            if found.replace(at + 1 - old.len()).is_some() {
                return Err(true);
            }
            matched = fallback[matched - 1];
        }
    }
    found.ok_or(false)
}
