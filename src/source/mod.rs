//! Python source that others wrote, read in bounds: what we read, and what a reviewer reads, must be what runs. Pure.
//!
//! In: the bytes of a file in base, candidate and gold. Out: a tree that is never deeper than [`DEEPEST`], the text as
//! Python decodes it, and every reason why that text is not to be relied on ([`Unread`]). Nothing here rejects a
//! candidate: what cannot be read is not clean, so a verdict that would be verified becomes inconclusive, or E1 at most
//! if gold is not read either.

mod decode;
mod hidden;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tree_sitter::{Node, Parser, Tree};

pub use decode::text;

/// Levels of nesting that are read. Everything that walks a tree may recurse this deep; an answer of a mebibyte can nest a
/// million levels. CPython's own parser gives up earlier for everything but chains of operators and attributes.
pub const DEEPEST: usize = 1000;

/// Parses as much as is understood. None if the source nests deeper than [`DEEPEST`].
pub fn parse(source: &str) -> Option<Tree> {
    // The questions about a file follow each other: its text, base's, gold's, and its text again.
    thread_local!(static RECENT: RefCell<VecDeque<(String, Option<Tree>)>> = const { RefCell::new(VecDeque::new()) });
    let known =
        RECENT.with_borrow(|recent| recent.iter().find(|(text, _)| text == source).map(|(_, tree)| tree.clone()));
    known.unwrap_or_else(|| {
        let tree = parse_anew(source);
        RECENT.with_borrow_mut(|recent| {
            recent.push_front((source.to_owned(), tree.clone()));
            recent.truncate(RECENT_TEXTS);
        });
        tree
    })
}

/// Texts that each thread keeps parsed. Of a tree that is too deep, only that it is too deep is kept.
const RECENT_TEXTS: usize = 4;

fn parse_anew(source: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    parser.parse(source, None).filter(|tree| depth_within(tree.root_node(), DEEPEST))
}

/// Whether a tree nests at most this deep. Asks no stack.
pub fn depth_within(root: Node, deepest: usize) -> bool {
    let mut cursor = root.walk();
    let mut depth = 0;
    loop {
        if cursor.goto_first_child() {
            depth += 1;
            if depth > deepest {
                return false;
            }
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return true;
            }
            depth -= 1;
        }
    }
}

/// Why a file's text does not tell what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its bytes are not what its encoding allows.
    Undecodable,
    /// It nests deeper than we read.
    TooDeep,
    /// A part of it is not in the grammar that we know.
    Unparsed,
    /// It names an encoding under which other text runs than stands there (PEP 263).
    Encoding,
    /// A carriage return without a line feed: Python begins a new line there, most viewers do not.
    BareReturn,
    /// A NUL.
    Nul,
    /// A control that changes the order in which text is shown.
    BidirectionalControl,
    /// A form feed inside an indentation: Python counts the columns anew there.
    FormFeed,
    /// A name that Python reads as another one, which is ASCII (NFKC).
    OtherName,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undecodable => "its bytes do not fit its encoding",
            Self::TooDeep => "it nests too deeply to be read",
            Self::Unparsed => "it does not parse",
            Self::Encoding => "its encoding makes other text run than stands there",
            Self::BareReturn => "a carriage return hides a new line",
            Self::Nul => "it holds a NUL",
            Self::BidirectionalControl => "a control character reorders what is shown",
            Self::FormFeed => "a form feed hides an indentation",
            Self::OtherName => "a name stands for another name",
        })
    }
}

/// A place of a candidate's file that is not read, and that base does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    pub path: String,
    /// From 1; the first such line.
    pub line: u32,
    pub why: Why,
    /// Gold's version of the file is not read for the same reason. It speaks against no candidate, but nothing was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_gold: bool,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.why)
    }
}

/// One version of a file; empty if the tree lacks it.
#[derive(Clone, Copy, Debug)]
pub struct Versions<'a> {
    pub base: &'a [u8],
    pub candidate: &'a [u8],
    pub gold: &'a [u8],
}

/// What is not read in a candidate's version of a file. What base has is its own affair. What hides code and stands in gold
/// too is honest.
pub fn unread(path: &str, versions: Versions) -> Vec<Unread> {
    let found = Faults::of(versions.candidate);
    if found.is_clean() {
        return Vec::new();
    }
    let (base, gold) = (Faults::of(versions.base), Faults::of(versions.gold));
    let place = |why, line, in_gold| Unread { path: path.to_owned(), line, why, in_gold };
    let mut unread = Vec::new();
    for (why, line) in found.whole.iter().filter(|(why, _)| !base.whole.contains_key(why)) {
        unread.push(place(*why, *line, gold.whole.contains_key(why)));
    }
    if found.encoding.is_some() && ![&base.encoding, &gold.encoding].contains(&&found.encoding) {
        unread.push(place(Why::Encoding, 1, false));
    }
    let known = |hidden: &&hidden::Hidden| [&base, &gold].iter().any(|other| other.has(hidden));
    let mut first: BTreeMap<Why, u32> = BTreeMap::new();
    for hidden in found.hidden.iter().filter(|hidden| !known(hidden)) {
        first.entry(hidden.why).or_insert(hidden.line);
    }
    unread.extend(first.into_iter().map(|(why, line)| place(why, line, false)));
    unread
}

/// What stands against one version of a file.
struct Faults {
    /// Reasons that concern all of it, with a line.
    whole: BTreeMap<Why, u32>,
    /// An encoding that we do not read.
    encoding: Option<String>,
    hidden: Vec<hidden::Hidden>,
}

impl Faults {
    fn of(bytes: &[u8]) -> Self {
        let decoded = decode::decode(bytes);
        let mut faults = Self { whole: BTreeMap::new(), encoding: decoded.odd, hidden: hidden::lines(&decoded.text) };
        if let Some(line) = decoded.broken {
            faults.whole.insert(Why::Undecodable, line);
        }
        match parse(&decoded.text) {
            None => {
                faults.whole.insert(Why::TooDeep, 1);
            }
            Some(tree) => {
                if let Some(line) = first_error(&tree) {
                    faults.whole.insert(Why::Unparsed, line);
                }
                faults.hidden.extend(hidden::names(&tree, &decoded.text));
            }
        }
        faults
    }

    fn is_clean(&self) -> bool {
        self.whole.is_empty() && self.encoding.is_none() && self.hidden.is_empty()
    }

    fn has(&self, hidden: &hidden::Hidden) -> bool {
        self.hidden.iter().any(|own| own.why == hidden.why && own.text == hidden.text)
    }
}

/// Line, from 1, of the first part that is not understood.
fn first_error(tree: &Tree) -> Option<u32> {
    let mut node = tree.root_node();
    if !node.has_error() {
        return None;
    }
    while !node.is_error() && !node.is_missing() {
        let mut cursor = node.walk();
        let below = node.children(&mut cursor).find(|child| child.has_error() || child.is_missing());
        drop(cursor);
        match below {
            Some(child) => node = child,
            None => break,
        }
    }
    Some(u32::try_from(node.start_position().row).unwrap_or(u32::MAX - 1) + 1)
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
