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

use super::reader::{Reader, Signs};
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
/// for strong ones only. `runs_main` says whether a file that stands beside the answer runs files as the main program in the process
/// of the tests; it is asked if the answer itself leaves a hard exit to the main program.
///
/// # Errors
/// Whatever `base_has` or `runs_main` fails with.
pub fn screen<E>(
    reader: &dyn Reader,
    files: &[SourceFile],
    mut base_has: impl FnMut(Token) -> Result<bool, E>,
    runs_main: impl FnOnce() -> Result<bool, E>,
) -> Result<Screen, E> {
    let mut screen = Screen::default();
    let mut known: BTreeMap<Token, bool> = BTreeMap::new();
    let read: Vec<Option<Signs>> = files
        .iter()
        .map(|file| {
            let added = added_lines(&file.base, &file.candidate);
            (!added.is_empty()).then(|| reader.signs(&file.candidate, &|line| added.contains(&line)))
        })
        .collect();
    let left_to_main = |found: &(Token, u32), signs: &Signs| match found.0 {
        Token::HardExit => signs.of_main_program.contains(found),
        _ => false,
    };
    let mut of_main = read.iter().flatten().flat_map(|signs| signs.tokens.iter().map(move |found| (found, signs)));
    let exempt = of_main.any(|(found, signs)| left_to_main(found, signs)) && {
        let poses = |(file, signs): (&SourceFile, &Option<Signs>)| match signs {
            Some(signs) => signs.poses,
            None => reader.signs(&file.candidate, &|_| false).poses,
        };
        !files.iter().zip(&read).any(poses) && !runs_main()?
    };
    for (file, signs) in files.iter().zip(&read) {
        let Some(signs) = signs else { continue };
        screen.flags.extend(signs.tokens.iter().map(|(token, _)| *token));
        let mut strong: Vec<_> = signs.tokens.iter().copied().filter(|(token, _)| token.strong()).collect();
        strong.retain(|found| !(exempt && left_to_main(found, signs)));
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
    reader.tokens(source)
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
