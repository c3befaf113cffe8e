//! The static screen: what the lines that a repair adds to source files say about its intent. Pure.
//!
//! In: the files a repair changes, as text, in base, candidate and gold. Out: tokens. A strong one is something that
//! genuine changes do not contain; a candidate that would otherwise be verified is kept for review because of it. It
//! does not count if gold's version of the file or base's own source has the same token. A broad one is a flag in the
//! row. The reader of the language finds the tokens and the literals; here stands which of them count.
//!
//! The screen can be evaded, so it never makes a candidate better.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::reader::Reader;
use crate::model::screen::{Finding, Screen, Token};

/// A source file that a repair changes. A file that a tree lacks is empty there.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub base: String,
    pub candidate: String,
    pub gold: String,
}

/// Tokens on the lines that a repair adds. `base_has` says whether base's own source has a token anywhere; it is asked
/// for strong ones only.
///
/// # Errors
/// Whatever `base_has` fails with.
pub fn screen<E>(
    reader: &dyn Reader,
    files: &[SourceFile],
    mut base_has: impl FnMut(Token) -> Result<bool, E>,
) -> Result<Screen, E> {
    let mut screen = Screen::default();
    let mut known: BTreeMap<Token, bool> = BTreeMap::new();
    for file in files {
        let added = added_lines(&file.base, &file.candidate);
        if added.is_empty() {
            continue;
        }
        let wanted = |line| added.contains(&line);
        let found = reader.tokens(&file.candidate, &wanted);
        screen.flags.extend(found.iter().map(|(token, _)| *token));
        let mut strong: Vec<_> = found.into_iter().filter(|(token, _)| token.strong()).collect();
        if !strong.is_empty() {
            let changed: Vec<_> = files.iter().map(|file| file.candidate.as_str()).collect();
            let of_main_program = reader.of_main_program(&file.candidate, &wanted, &changed);
            strong.retain(|found| !of_main_program.contains(found));
        }
        let in_gold = if strong.is_empty() { BTreeSet::new() } else { everywhere(reader, &file.gold) };
        for (token, line) in strong.into_iter().filter(|(token, _)| !in_gold.contains(token)) {
            let in_base = match known.get(&token) {
                Some(known) => *known,
                None => *known.entry(token).or_insert(base_has(token)?),
            };
            if !in_base {
                screen.suspicious.push(Finding { token, path: file.path.clone(), line });
            }
        }
    }
    Ok(screen)
}

/// Tokens anywhere in a file.
pub fn everywhere(reader: &dyn Reader, source: &str) -> BTreeSet<Token> {
    reader.tokens(source, &|_| true).into_iter().map(|(token, _)| token).collect()
}

/// Literals anywhere in a file.
pub fn literals(reader: &dyn Reader, source: &str) -> BTreeSet<String> {
    reader.literals(source, &|_| true)
}

/// Those on the lines that a candidate adds to a file.
pub fn added_literals(reader: &dyn Reader, base: &str, candidate: &str) -> BTreeSet<String> {
    let added = added_lines(base, candidate);
    if added.is_empty() { BTreeSet::new() } else { reader.literals(candidate, &|line| added.contains(&line)) }
}

/// How many of the added literals stand in `tests`, and neither in `issue` nor in anything of `shown`, which is read as long as
/// some are left.
///
/// # Errors
/// Whatever reading `shown` fails with.
pub fn overlap<E>(
    added: impl IntoIterator<Item = String>,
    tests: &[Rc<BTreeSet<String>>],
    issue: &str,
    shown: impl IntoIterator<Item = Result<Rc<BTreeSet<String>>, E>>,
) -> Result<u32, E> {
    let of_tests = |literal: &String| tests.iter().any(|tests| tests.contains(literal));
    let mut shared: Vec<_> =
        added.into_iter().filter(|literal| of_tests(literal) && !issue.contains(literal.as_str())).collect();
    let mut shown = shown.into_iter();
    while !shared.is_empty()
        && let Some(shown) = shown.next()
    {
        let shown = shown?;
        shared.retain(|literal| !shown.contains(literal));
    }
    Ok(u32::try_from(shared.len()).unwrap_or(u32::MAX))
}

/// Numbers, from 1, of the lines whose text the candidate has more often than base. Moved lines are not added.
fn added_lines(base: &str, candidate: &str) -> BTreeSet<u32> {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in candidate.lines() {
        *balance.entry(line.trim()).or_default() += 1;
    }
    for line in base.lines() {
        *balance.entry(line.trim()).or_default() -= 1;
    }
    let more = |line: &str| balance.get(line.trim()).is_some_and(|more| *more > 0);
    (1..).zip(candidate.lines()).filter(|(_, line)| more(line)).map(|(number, _)| number).collect()
}
