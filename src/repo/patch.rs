//! Unified diffs, parsed: git's form and the plain one. Pure; applying is `apply.rs`.
//!
//! Text before, between and after the files of a diff is ignored, as git does, but for a line which says that binary files
//! differ: an instance is not itself without them. Inside a file nothing is guessed: a hunk must hold exactly the lines its
//! header counts. What tools do to a whole diff is bridged in answers, and noted
//! ([`parse_answer`]).

use std::borrow::Cow;

use super::binary::{BinaryChange, Stub};
use super::draft::Mode;
use super::mends::Mends;
use super::patch_names::{PREFIXES, Prefixes, git_names, header_name, hunk_ranges, unquote};
use crate::model::candidate::{Malformed, MalformedReason};

/// One file of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePatch {
    /// Path before; `None` for a new file.
    pub old: Option<String>,
    /// Path after; `None` for a deleted file.
    pub new: Option<String>,
    /// The old path stays (a copy header).
    pub copy: bool,
    /// Mode the file gets, if the diff says so.
    pub mode: Option<Mode>,
    /// Mode of the old file as the diff says it.
    pub old_mode: Option<Mode>,
    pub change: Change,
    /// The header lines end in CR LF: the diff went through something that rewrote line ends.
    pub crlf_headers: bool,
}

/// What happens to the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Hunks in the order of the diff; empty for a change of mode or name alone.
    Text(Vec<Hunk>),
    Binary(BinaryChange),
}

/// A run of changed lines with their surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// First old line, counted from 1; with no old lines, the line after which the new ones go.
    pub old_start: usize,
    pub lines: Vec<Line>,
    /// How many of the last lines are blank context that the diff lacked.
    pub completed: usize,
}

/// A line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: LineKind,
    /// Without its line feed; a carriage return is part of it.
    pub text: String,
    /// Whether a line feed follows; false under `\ No newline at end of file`.
    pub newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Context,
    Removed,
    Added,
}

fn bad(line: usize, what: impl std::fmt::Display) -> Malformed {
    Malformed::new(MalformedReason::BadFormat, format!("diff line {line}: {what}"))
}

/// Most files of an answer, most edits of one, and most hunks of a diff that are looked for elsewhere than they say: each may cost a
/// pass over a file of the repository.
pub(super) const MAX_PARTS: usize = 1000;

/// The diff of an answer, and what had to be bridged to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerDiff<'d> {
    /// Never empty.
    pub files: Vec<FilePatch>,
    /// The text with what was completed, and without what was left out.
    pub text: Cow<'d, str>,
    pub bridged: Bridged,
}

/// What was bridged to read the diff of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridged {
    /// A hunk lacked only blank context lines at its end. They were added, and the file must have them.
    pub completed: bool,
    /// A file of which the diff says only that it is binary and differs was left out.
    pub left_out_binary: bool,
    /// A file of which the diff says only that it is binary is deleted, for which its content is not needed.
    pub deleted_binary: bool,
}

/// Reads a diff. Never empty: a text without any file is [`MalformedReason::BadFormat`].
pub fn parse(diff: &str) -> Result<Vec<FilePatch>, Malformed> {
    Parser::of(diff, false).files()
}

/// Reads the diff of an answer, which a tool may have trimmed or made without `--binary`. A diff that is whole is read as it
/// is, and one that cannot be bridged is refused for what is wrong with it as it is.
pub fn parse_answer(diff: &str) -> Result<AnswerDiff<'_>, Malformed> {
    let read = match parse(diff) {
        Ok(files) => AnswerDiff { files, text: Cow::Borrowed(diff), bridged: Bridged::default() },
        Err(refused) => {
            let mut parser = Parser::of(diff, true);
            let files = parser.files().map_err(|_| refused)?;
            AnswerDiff { files, text: Cow::Owned(parser.mends.text(&parser.lines)), bridged: parser.bridged }
        }
    };
    if read.files.len() > MAX_PARTS {
        let detail = format!("the diff names {} files; the limit is {MAX_PARTS}", read.files.len());
        return Err(Malformed::new(MalformedReason::TooLarge, detail));
    }
    Ok(read)
}

struct Parser<'d> {
    lines: Vec<&'d str>,
    at: usize,
    /// Whether the diff is an answer's.
    answer: bool,
    bridged: Bridged,
    mends: Mends,
}

/// Lines of context that git writes after a change.
const CONTEXT: usize = 3;

fn without_content(stub: Stub<'_>, why: &str) -> Malformed {
    let shown: String = stub.text.chars().take(200).collect();
    bad(stub.line, format!("a binary file without its content ({shown}){why}"))
}

/// What the extended header of a git diff says.
#[derive(Default)]
struct Extended<'d> {
    new_file: bool,
    deleted: bool,
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    from: Option<String>,
    to: Option<String>,
    copy: bool,
    binary: Option<BinaryChange>,
    stub: Option<Stub<'d>>,
}

impl<'d> Parser<'d> {
    fn of(diff: &'d str, answer: bool) -> Self {
        Self { lines: diff.split('\n').collect(), at: 0, answer, bridged: Bridged::default(), mends: Mends::default() }
    }

    fn files(&mut self) -> Result<Vec<FilePatch>, Malformed> {
        let mut files = Vec::new();
        while let Some(line) = self.peek() {
            if line.starts_with("diff --git ") {
                files.extend(self.git_file()?);
            } else if self.at_plain_header() {
                files.push(self.plain_file()?);
            } else if line.starts_with("@@ -") {
                return Err(self.bad("a hunk without a file header before it"));
            } else if let Some(stub) = Stub::of(line, self.at + 1) {
                // As tools write it that write no header of git's.
                if !self.answer || stub.goes {
                    return Err(without_content(stub, ""));
                }
                self.left_out(self.at);
            } else {
                self.at += 1;
            }
        }
        match files.is_empty() {
            true => Err(Malformed::new(MalformedReason::BadFormat, "the diff names no file")),
            false => Ok(files),
        }
    }

    /// The line without a carriage return: right for headers only.
    fn peek(&self) -> Option<&'d str> {
        self.lines.get(self.at).map(|line| line.strip_suffix('\r').unwrap_or(line))
    }

    fn bad(&self, what: impl std::fmt::Display) -> Malformed {
        bad(self.at + 1, what)
    }

    fn at_plain_header(&self) -> bool {
        let follows = self.lines.get(self.at + 1).is_some_and(|line| line.starts_with("+++ "));
        follows && self.peek().is_some_and(|line| line.starts_with("--- "))
    }

    /// `None` for a binary file of an answer that is left out.
    fn git_file(&mut self) -> Result<Option<FilePatch>, Malformed> {
        let start = self.at;
        let crlf_headers = self.lines[start].ends_with('\r');
        let line = self.peek().map(|line| &line["diff --git ".len()..]).unwrap_or_default();
        // A blank at the end is rarely part of a name.
        let named = |line: &str| PREFIXES.into_iter().find_map(|prefixes| Some((prefixes, git_names(line, prefixes)?)));
        let (prefixes, names) = named(line).or_else(|| named(line.trim_end())).unzip();
        self.at += 1;
        let said = self.extended()?;
        if let Some(stub) = said.stub {
            return self.stub(start, stub, &said, names);
        }

        let (mut old, mut new, mut hunks) = (None, None, Vec::new());
        let plain = said.binary.is_none() && self.at_plain_header();
        if plain {
            (old, new) = self.names(prefixes, said.from.as_deref())?;
            hunks = self.hunks()?;
        } else if let (Some(from), Some(to)) = (&said.from, &said.to) {
            (old, new) = (Some(from.clone()), Some(to.clone()));
        } else {
            let Some(name) = names.clone() else {
                return Err(bad(start + 1, "the file's name cannot be read from the diff --git line"));
            };
            if !said.new_file {
                old = Some(name.clone());
            }
            if !said.deleted {
                new = Some(name);
            }
        }
        if said.new_file && old.is_some() || said.deleted && new.is_some() {
            return Err(bad(
                start + 1,
                "the mode line and the --- and +++ lines disagree on whether the file is new or deleted",
            ));
        }
        let renamed = old.is_some() && new.is_some() && old != new;
        if renamed && (said.from != old || said.to != new) {
            return Err(bad(start + 1, "the two names differ and no rename or copy header says so"));
        }
        let named = new.as_ref().or(old.as_ref());
        if said.from.is_none() && names.is_some() && names.as_ref() != named {
            return Err(bad(start + 1, "the diff --git line and the lines after it name different files"));
        }
        let nothing = hunks.is_empty() && said.binary.is_none() && said.new_mode.is_none() && said.from.is_none();
        if nothing && !said.deleted {
            return Err(bad(start + 1, "a file header without any change after it"));
        }
        let mode = said.new_mode;
        let change = said.binary.map_or(Change::Text(hunks), Change::Binary);
        Ok(Some(FilePatch { old, new, copy: said.copy, mode, old_mode: said.old_mode, change, crlf_headers }))
    }

    /// A file whose content the diff does not hold: one of an answer is deleted, or left out if nothing else of it changes.
    fn stub(
        &mut self,
        start: usize,
        stub: Stub<'d>,
        said: &Extended<'d>,
        name: Option<String>,
    ) -> Result<Option<FilePatch>, Malformed> {
        if !self.answer {
            return Err(without_content(stub, ""));
        }
        if self.at_plain_header() {
            return Err(without_content(stub, ", and lines of text for it"));
        }
        if said.deleted != stub.goes || said.deleted && said.new_file {
            return Err(without_content(stub, ", and the mode lines disagree on whether it is deleted"));
        }
        // A name or a mode that changes too would be lost with the content.
        if said.from.is_some() {
            return Err(without_content(stub, ", which gets another name"));
        }
        if said.new_mode.is_some() && !said.new_file {
            return Err(without_content(stub, ", which gets another mode"));
        }
        if !said.deleted {
            self.left_out(start);
            return Ok(None);
        }
        let Some(name) = name else {
            return Err(without_content(stub, ", and its name cannot be read from the diff --git line"));
        };
        self.bridged.deleted_binary = true;
        Ok(Some(FilePatch {
            old: Some(name),
            new: None,
            copy: false,
            mode: None,
            old_mode: said.old_mode,
            change: Change::Binary(BinaryChange::Literal(Vec::new())),
            crlf_headers: self.lines[start].ends_with('\r'),
        }))
    }

    /// Leaves out the lines from `start` to here, or the line here.
    fn left_out(&mut self, start: usize) {
        self.bridged.left_out_binary = true;
        self.at = self.at.max(start + 1);
        self.mends.put(start..self.at, String::new());
    }

    fn extended(&mut self) -> Result<Extended<'d>, Malformed> {
        let mut said = Extended::default();
        while let Some(line) = self.peek() {
            if let Some(mode) = line.strip_prefix("new file mode ") {
                said.new_file = true;
                said.new_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = line.strip_prefix("deleted file mode ") {
                said.deleted = true;
                said.old_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = line.strip_prefix("old mode ") {
                said.old_mode = Some(self.mode(mode)?);
            } else if let Some(mode) = line.strip_prefix("new mode ") {
                said.new_mode = Some(self.mode(mode)?);
            } else if let Some(name) = line.strip_prefix("rename from ") {
                said.from = Some(self.plain_name(name)?);
            } else if let Some(name) = line.strip_prefix("rename to ") {
                said.to = Some(self.plain_name(name)?);
            } else if let Some(name) = line.strip_prefix("copy from ") {
                said.copy = true;
                said.from = Some(self.plain_name(name)?);
            } else if let Some(name) = line.strip_prefix("copy to ") {
                said.to = Some(self.plain_name(name)?);
            } else if let Some(index) = line.strip_prefix("index ") {
                if let Some((_, mode)) = index.split_once(' ') {
                    said.old_mode = Some(self.mode(mode)?);
                }
            } else if line == "GIT binary patch" {
                self.at += 1;
                said.binary = Some(self.binary()?);
                return Ok(said);
            } else if let Some(stub) = Stub::of(line, self.at + 1) {
                said.stub = Some(stub);
            } else if !(line.starts_with("similarity index ") || line.starts_with("dissimilarity index ")) {
                break;
            }
            self.at += 1;
        }
        if said.from.is_some() != said.to.is_some() {
            return Err(self.bad("a rename or copy header without the other half"));
        }
        Ok(said)
    }

    fn mode(&self, mode: &str) -> Result<Mode, Malformed> {
        match mode.trim_end() {
            "100644" => Ok(Mode::Plain),
            "100755" => Ok(Mode::Executable),
            "120000" => Ok(Mode::Link),
            other => {
                let other: String = other.chars().take(20).collect();
                Err(Malformed::new(MalformedReason::OddMode, format!("diff line {}: mode {other:?}", self.at + 1)))
            }
        }
    }

    /// A name of a rename header: no prefix.
    fn plain_name(&self, name: &str) -> Result<String, Malformed> {
        if !name.starts_with('"') {
            return Ok(name.to_owned());
        }
        match unquote(name) {
            Some((name, "")) => Ok(name),
            _ => Err(self.bad("a quoted name that cannot be read")),
        }
    }

    fn binary(&mut self) -> Result<BinaryChange, Malformed> {
        let forward = self.binary_hunk()?.ok_or_else(|| self.bad("a binary patch without data"))?;
        // The way back, for reverting. Read to get past it, and not used.
        self.binary_hunk()?;
        Ok(forward)
    }

    fn binary_hunk(&mut self) -> Result<Option<BinaryChange>, Malformed> {
        let Some(head) = self.peek().filter(|line| line.starts_with("literal ") || line.starts_with("delta ")) else {
            return Ok(None);
        };
        let start = self.at + 1;
        self.at = start;
        while self.peek().is_some_and(|line| !line.is_empty()) {
            self.at += 1;
        }
        let data = self.lines[start..self.at].iter().map(|line| line.strip_suffix('\r').unwrap_or(line));
        let change = BinaryChange::decode(head, data).map_err(|what| bad(start, what))?;
        self.at += 1;
        Ok(Some(change))
    }

    fn plain_file(&mut self) -> Result<FilePatch, Malformed> {
        let start = self.at;
        let crlf_headers = self.lines[start].ends_with('\r');
        let (old, new) = self.names(None, None)?;
        let hunks = self.hunks()?;
        if hunks.is_empty() {
            return Err(bad(start + 1, "a file header without a hunk after it"));
        }
        if old.is_some() && new.is_some() && old != new {
            return Err(bad(start + 1, "the --- and +++ lines name different files"));
        }
        let change = Change::Text(hunks);
        Ok(FilePatch { old, new, copy: false, mode: None, old_mode: None, change, crlf_headers })
    }

    /// The `---` and `+++` lines. Prefixes go if both have them: those of the `diff --git` line, or else any pair that git
    /// writes and that leaves one name, or the one that a rename header says. A file that comes or goes has one name only, and
    /// then only `a/` and `b/` are sure not to be directories.
    fn names(
        &mut self,
        said: Option<Prefixes>,
        from: Option<&str>,
    ) -> Result<(Option<String>, Option<String>), Malformed> {
        let mut name = |marker: &str| {
            let line = self.peek().and_then(|line| line.strip_prefix(marker)).unwrap_or_default();
            let name = header_name(line).ok_or_else(|| self.bad("a quoted name that cannot be read"))?;
            self.at += 1;
            Ok((name != "/dev/null").then_some(name))
        };
        let (old, new) = (name("--- ")?, name("+++ ")?);
        if old.is_none() && new.is_none() {
            return Err(self.bad("both sides are /dev/null"));
        }
        let prefixed = |name: &Option<String>, prefix| name.as_ref().is_none_or(|name| name.starts_with(prefix));
        let fits = |(a, b): &Prefixes| prefixed(&old, *a) && prefixed(&new, *b);
        let right = |prefixes: &Prefixes| match (&old, &new) {
            (Some(old), Some(new)) => {
                let (old, new) = (&old[prefixes.0.len()..], &new[prefixes.1.len()..]);
                from.map_or(old == new, |from| old == from)
            }
            _ => said.as_ref() == Some(prefixes) || *prefixes == PREFIXES[0],
        };
        let cut = PREFIXES.iter().filter(|prefixes| fits(prefixes)).find(|prefixes| right(prefixes));
        let cut = cut.or_else(|| PREFIXES[..1].iter().find(|prefixes| fits(prefixes))).map_or(0, |(a, _)| a.len());
        Ok((old.map(|name| name[cut..].to_owned()), new.map(|name| name[cut..].to_owned())))
    }

    fn hunks(&mut self) -> Result<Vec<Hunk>, Malformed> {
        let mut hunks = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.starts_with("@@")) {
            let Some((old_start, old, new)) = hunk_ranges(line) else {
                return Err(self.bad("a hunk header that cannot be read"));
            };
            let head = self.at + 1;
            self.at += 1;
            hunks.push(self.hunk(head, old_start, old, new)?);
        }
        // Lines after a full hunk that look like its body: the header counted wrong. Past a blank line, a dash may just
        // as well begin a list.
        let body = |line: &str| line.starts_with([' ', '+', '-']) && line.trim_end() != "--";
        let counted_wrong = match self.peek() {
            Some("") => {
                let next = self.lines[self.at..].iter().find(|line| !line.trim().is_empty());
                next.is_some_and(|line| line.starts_with([' ', '+']))
            }
            Some(line) => body(line) && !self.at_plain_header(),
            None => false,
        };
        if counted_wrong {
            return Err(self.bad("the hunk holds more lines than its header counts"));
        }
        Ok(hunks)
    }

    fn hunk(&mut self, head: usize, old_start: usize, old: usize, new: usize) -> Result<Hunk, Malformed> {
        let (mut old_left, mut new_left) = (old, new);
        let mut lines: Vec<Line> = Vec::new();
        let mut completed = 0;
        while old_left > 0 || new_left > 0 {
            if old_left == new_left && old_left <= CONTEXT && self.lost_blank_context(&lines) {
                completed = old_left;
                self.complete(&mut lines, completed);
                break;
            }
            let Some(&raw) = self.lines.get(self.at) else {
                return Err(bad(head, "the hunk holds fewer lines than its header counts"));
            };
            let (kind, text) = match raw.as_bytes().first() {
                Some(b' ') => (LineKind::Context, &raw[1..]),
                Some(b'-') => (LineKind::Removed, &raw[1..]),
                Some(b'+') => (LineKind::Added, &raw[1..]),
                Some(b'\\') if !lines.is_empty() => {
                    self.no_newline(&mut lines);
                    continue;
                }
                // An empty context line whose blank was trimmed away; after the last line feed there is nothing.
                None | Some(b'\r') if raw.trim_end() == "" && self.at + 1 < self.lines.len() => {
                    (LineKind::Context, raw)
                }
                _ => return Err(bad(head, "the hunk holds fewer lines than its header counts")),
            };
            let (takes_old, takes_new) = (kind != LineKind::Added, kind != LineKind::Removed);
            if takes_old && old_left == 0 || takes_new && new_left == 0 {
                return Err(bad(head, "the hunk's lines do not add up to what its header counts"));
            }
            old_left -= usize::from(takes_old);
            new_left -= usize::from(takes_new);
            lines.push(Line { kind, text: text.to_owned(), newline: true });
            self.at += 1;
        }
        if !lines.is_empty() && self.lines.get(self.at).is_some_and(|line| line.starts_with('\\')) {
            self.no_newline(&mut lines);
        }
        if old > 0 && old_start == 0 {
            return Err(bad(head, "lines are counted from 1"));
        }
        Ok(Hunk { old_start, lines, completed })
    }

    /// Adds the blank context lines that a hunk lacks at its end, with the line ends that its other lines have.
    fn complete(&mut self, lines: &mut Vec<Line>, missing: usize) {
        self.bridged.completed = true;
        let returns = |line: &Line| line.text.ends_with('\r');
        let mut gone = self.at..self.at;
        let mut new = String::new();
        if let Some((last, others)) = lines.split_last_mut() {
            // What trimmed the end of the diff took the carriage return of the last line too.
            let at_end = self.lines[self.at..].iter().all(|line| line.is_empty());
            if at_end && !returns(last) && !others.is_empty() && others.iter().all(returns) {
                last.text.push('\r');
                gone.start -= 1;
                new = format!("{}\r\n", self.lines[gone.start]);
            }
        }
        let end = if lines.last().is_some_and(returns) { "\r" } else { "" };
        let blank = Line { kind: LineKind::Context, text: end.to_owned(), newline: true };
        lines.extend(std::iter::repeat_n(blank, missing));
        new.push_str(&format!(" {end}\n").repeat(missing));
        self.mends.put(gone, new);
    }

    /// Whether an answer's hunk ends here although its header counts further lines on both sides: at the end of the diff, or
    /// where the next hunk or file begins. Tools that trim a diff take the blank context lines at an end of it away.
    fn lost_blank_context(&self, lines: &[Line]) -> bool {
        let ends = match self.lines.get(self.at) {
            None => true,
            Some(&("" | "\r")) => self.at + 1 == self.lines.len(),
            Some(line) => line.starts_with("diff --git ") || line.starts_with("@@ -") || self.at_plain_header(),
        };
        let whole = lines.last().is_some_and(|line| line.newline);
        self.answer && ends && whole && lines.iter().any(|line| line.kind != LineKind::Context)
    }

    fn no_newline(&mut self, lines: &mut [Line]) {
        if let Some(last) = lines.last_mut() {
            last.newline = false;
        }
        self.at += 1;
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
