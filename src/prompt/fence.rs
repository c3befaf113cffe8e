//! Fenced blocks of an answer, and what a line of it names. Pure, one pass.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// What follows the opening marks, trimmed.
    pub info: &'a str,
    /// The lines inside, line feeds included.
    pub body: &'a str,
    /// The last line before the block that is not blank and not inside another block.
    pub before: Option<&'a str>,
    /// False if the answer ends inside the block.
    pub closed: bool,
}

impl Block<'_> {
    /// The first word of the info string, in lower case.
    pub fn language(&self) -> String {
        self.info.split([' ', ':', '{', ',']).next().unwrap_or_default().to_lowercase()
    }
}

/// The marks of an opening fence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'a> {
    mark: char,
    count: usize,
    indent: usize,
    pub info: &'a str,
}

/// Reads a line as an opening fence: three or more backticks or tildes, then the info string.
pub(super) fn opening(line: &str) -> Option<Opening<'_>> {
    let text = line.trim_start();
    let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = text.trim_start_matches(mark);
    let count = text.len() - rest.len();
    let info = rest.trim();
    (count >= 3 && !info.contains('`')).then_some(Opening { mark, count, indent: line.len() - text.len(), info })
}

impl Opening<'_> {
    /// Whether every line that closes this fence closes the other one too.
    pub fn closed_only_with(&self, other: &Self) -> bool {
        self.mark == other.mark && self.count >= other.count && self.indent <= other.indent
    }

    /// Whether a line closes this fence: the same mark, at least as often, indented no deeper. So a fence in a diff's
    /// context, one blank further in, closes nothing.
    pub fn closed_by(&self, line: &str) -> bool {
        let text = line.trim_start();
        let rest = text.trim_start_matches(self.mark);
        line.len() - text.len() <= self.indent && text.len() - rest.len() >= self.count && rest.trim().is_empty()
    }
}

/// An answer as blocks and the lines between them.
#[derive(Debug, Default)]
pub(super) struct Fences<'a> {
    pub blocks: Vec<Block<'a>>,
    /// Byte offset and text of every line outside blocks, line feed included.
    pub outside: Vec<(usize, &'a str)>,
}

/// Splits an answer into fenced blocks and the lines outside them.
pub(super) fn scan(answer: &str) -> Fences<'_> {
    let mut fences = Fences::default();
    let mut open: Option<(Opening<'_>, usize)> = None;
    let mut before = None;
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let end = at + line.len();
        match open {
            Some((opening, start)) => {
                if opening.closed_by(line) {
                    fences.blocks.push(Block { info: opening.info, body: &answer[start..at], before, closed: true });
                    (open, before) = (None, None);
                }
            }
            None => match opening(line) {
                Some(opening) => open = Some((opening, end)),
                None => {
                    if !line.trim().is_empty() {
                        before = Some(line.trim());
                    }
                    fences.outside.push((at, line));
                }
            },
        }
        at = end;
    }
    if let Some((opening, start)) = open {
        fences.blocks.push(Block { info: opening.info, body: &answer[start..], before, closed: false });
    }
    fences
}

/// The path that a line consists of: bullets, numbers, heading marks, emphasis, backticks and a leading `./` go; what is
/// left must be one word with a directory or a file suffix in it.
pub(super) fn path_of(line: &str) -> Option<&str> {
    let text = strip_bullet(line.trim());
    let text = text.trim_start_matches('#').trim_start();
    let text = ["File:", "file:", "Path:", "path:"].iter().find_map(|label| text.strip_prefix(label)).unwrap_or(text);
    bare_path(text)
}

/// The path in the info string of a fence: behind the language (`c:src/a.c`, `c title="src/a.c"`), or all of it
/// if it holds a directory.
pub(super) fn info_path(info: &str) -> Option<&str> {
    let rest = match info.split_once([' ', ':']) {
        Some((_, rest)) => rest.trim(),
        None => return bare_path(info).filter(|path| path.contains('/')),
    };
    let keys = ["title=", "filename=", "file=", "path=", "name="];
    path_of(keys.iter().find_map(|key| rest.strip_prefix(key)).unwrap_or(rest))
}

/// The path of a heading such as `### Makefile`: any single word will do after two marks or more; one mark may just
/// as well begin a comment.
pub(super) fn heading_path(line: &str) -> Option<&str> {
    let text = line.trim();
    let name = text.strip_prefix("##")?.trim_start_matches('#');
    let word = undressed(name);
    (!word.is_empty() && !word.contains(char::is_whitespace)).then_some(word)
}

fn bare_path(text: &str) -> Option<&str> {
    let word = undressed(text);
    let plain = !word.is_empty()
        && word.len() <= 4096
        && !word.contains("://")
        && !word.ends_with('/')
        && !word.contains(|c: char| c.is_whitespace() || c.is_control() || "`*\"'<>|;,".contains(c));
    let name = word.rsplit('/').next().unwrap_or_default();
    (plain && (has_suffix(name) || word.contains('/'))).then_some(word)
}

fn strip_bullet(text: &str) -> &str {
    if let Some(rest) = ["- ", "* ", "+ ", "• "].iter().find_map(|bullet| text.strip_prefix(bullet)) {
        return strip_number(rest.trim_start());
    }
    strip_number(text)
}

/// `1. `, `1) ` or `(1) `.
fn strip_number(text: &str) -> &str {
    let body = text.strip_prefix('(').unwrap_or(text);
    let rest = body.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == body.len() {
        return text;
    }
    match rest.strip_prefix(['.', ')', ':']) {
        Some(after) if after.starts_with(char::is_whitespace) => after.trim_start(),
        _ => text,
    }
}

/// Without emphasis, quotes, a trailing colon and `./`.
fn undressed(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let inner = text.trim_end_matches([':', ',', ';']).trim_matches(['`', '*', '"', '\'']).trim();
        if inner == text {
            break;
        }
        text = inner;
    }
    while let Some(rest) = text.strip_prefix("./") {
        text = rest;
    }
    text
}

/// `name.suffix` with a plausible suffix. `e.g.` and `3.1.6` have none.
fn has_suffix(name: &str) -> bool {
    let Some((stem, suffix)) = name.rsplit_once('.') else { return false };
    let letters = suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (!stem.is_empty() || suffix.len() > 2)
        && (1..=12).contains(&suffix.len())
        && letters
        && !suffix.as_bytes()[0].is_ascii_digit()
}
