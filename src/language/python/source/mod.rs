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

use tree_sitter::{Parser, Tree};

use crate::language::depth::depth_within;
use crate::language::reader::Versions;
use crate::model::unread::{Unread, Why};

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
