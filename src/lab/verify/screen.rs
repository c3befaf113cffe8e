//! What the static screen reads of a repair: its source files in base, candidate and gold, and the trusted tests.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ground::Ground;
use super::read_cache::keep;
use crate::language::classes;
use crate::language::reader::{Reader, Versions};
use crate::language::screen::{self, SourceFile};
use crate::model::candidate::Prepared;
use crate::model::screen::{Screen, Token};

/// The screen of a repair that was put on the base tree. Repairs that come to the same tree are read once.
pub(crate) fn screened(place: Ground, prepared: &Prepared) -> anyhow::Result<Screen> {
    let key = (place.admission.instance_id.clone(), prepared.tree.clone());
    if let Some(screen) = place.memory.screens.borrow().get(&key) {
        return Ok(screen.clone());
    }
    let screen = screen_of(place, prepared)?;
    keep(&place.memory.screens, key, screen.clone());
    Ok(screen)
}

fn screen_of(place: Ground, prepared: &Prepared) -> anyhow::Result<Screen> {
    let trees = place.trees;
    let Some(reader) = place.language().reader() else {
        return Ok(Screen { not_read: Ground::unread(prepared), ..Screen::default() });
    };
    let mut files = Vec::new();
    let mut not_read = Vec::new();
    for path in prepared.files.iter().filter(|path| is_source(place, path)) {
        let [base, candidate, gold] =
            [&trees.base, &prepared.tree, &trees.gold].map(|tree| place.repository.read(tree, path));
        let [base, candidate, gold] = [base?, candidate?, gold?].map(Option::unwrap_or_default);
        not_read.extend(reader.unread(path, Versions { base: &base, candidate: &candidate, gold: &gold }));
        let [base, candidate, gold] = [base, candidate, gold].map(|bytes| reader.text(&bytes));
        files.push(SourceFile { path: path.clone(), base, candidate, gold });
    }
    let runs_main = || runs_main(place, reader, prepared);
    let mut screen = screen::screen(reader, &files, |token| base_has(place, reader, token), runs_main)?;
    screen.not_read = not_read;
    screen.literal_overlap = overlap(place, reader, prepared, &files)?;
    Ok(screen)
}

/// How many literals the lines that a repair adds share with the fail-to-pass tests, and with nothing that its author was
/// shown: source and tests of base, what gold's change touches, the issue.
fn overlap(place: Ground, reader: &dyn Reader, prepared: &Prepared, files: &[SourceFile]) -> anyhow::Result<u32> {
    let trees = place.trees;
    let added = files.iter().flat_map(|file| screen::added_literals(reader, &file.base, &file.candidate));
    let tests: Vec<_> = place
        .tests
        .iter()
        .map(|path| literals(place, reader, &trees.tested_gold, path))
        .collect::<anyhow::Result<_>>()?;
    let gold_changes = place.repository.changed_paths(&trees.base, &trees.gold)?;
    let sources = prepared.files.iter().chain(&gold_changes).filter(|path| is_source(place, path));
    let shown = sources.flat_map(|path| [(&trees.base, path), (&trees.gold, path)]);
    let shown = shown.chain(place.tests.iter().map(|path| (&trees.base, path)));
    screen::overlap(added, &tests, place.issue, shown.map(|(tree, path)| literals(place, reader, tree, path)))
}

fn literals(place: Ground, reader: &dyn Reader, tree: &str, path: &str) -> anyhow::Result<Rc<BTreeSet<String>>> {
    let key = (tree.to_owned(), path.to_owned());
    if let Some(found) = place.memory.literals.borrow().get(&key) {
        return Ok(found.clone());
    }
    let found = Rc::new(screen::literals(reader, &text(place, reader, tree, path)?));
    keep(&place.memory.literals, key, found.clone());
    Ok(found)
}

/// A file of a tree; empty if the tree lacks it.
fn text(place: Ground, reader: &dyn Reader, tree: &str, path: &str) -> anyhow::Result<String> {
    let bytes = place.repository.read(tree, path)?.unwrap_or_default();
    Ok(reader.text(&bytes))
}

/// Whether a token stands anywhere in base's own source, because the project itself does such things.
fn base_has(place: Ground, reader: &dyn Reader, token: Token) -> anyhow::Result<bool> {
    for path in place.repository.paths(&place.trees.base)?.iter().filter(|path| is_source(place, path)) {
        if screen::everywhere(reader, &text(place, reader, &place.trees.base, path)?).contains(&token) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a file that runs beside a repair, but that it does not decide, runs others as the main program in its own process: a
/// trusted test, or source of base.
fn runs_main(place: Ground, reader: &dyn Reader, prepared: &Prepared) -> anyhow::Result<bool> {
    let code = |path: &&String| place.language().is_source(path);
    let trusted = place.repository.paths(&place.trees.tested_gold)?;
    let trusted = trusted.iter().filter(code).filter(|path| !is_source(place, path));
    let base = place.repository.paths(&place.trees.base)?;
    let base = base.iter().filter(|path| is_source(place, path) && !prepared.files.contains(path));
    let files = trusted.map(|path| (&place.trees.tested_gold, path)).chain(base.map(|path| (&place.trees.base, path)));
    for (tree, path) in files {
        if reader.runs_as_main(&text(place, reader, tree, path)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Code that a repair may decide, whatever it is called: a generated module runs like any other.
fn is_source(place: Ground, path: &str) -> bool {
    place.language().is_source(path) && !classes::protected(place.trees.layout.class(path))
}
