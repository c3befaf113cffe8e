//! What the tests of a Python project need beside it, read off its tree without running anything of it. In: a tree, and what was asked
//! for. Out: requirements by where they stand, and a word on everything that was left out.
//!
//! `pyproject`, `setup`, `tox`, `nox` and names of files give lists of requirements; `list_name` says what a list is for. Lists for tests
//! are taken, or those for development if there are none; lists for docs, lint or typing are not. `locks` and `requires_python` are read
//! when the environment is made.

mod entry;
mod ini;
mod list_name;
mod lists;
pub(crate) mod locks;
#[cfg(test)]
mod needs_tests;
mod nox;
mod poetry;
mod pyproject;
pub(crate) mod requirement;
pub(crate) mod requires_python;
pub(crate) mod resources;
mod script;
mod setup;
mod taking;
mod tox;
pub(crate) mod tree;

use anyhow::bail;

use self::entry::Entry;
use self::list_name::{Purpose, is_plain, is_requirement_file, purpose_of_file};
use self::lists::{List, Lists};
use self::requirement::normalised;
use self::taking::Taking;
use self::tree::Tree;
use crate::language::needs::{Asked, Needs};
use crate::model::near_names::nearest;

/// Reads what the tests need. `given` are requirements that the user names: each takes the place of declared ones of its distribution.
///
/// # Errors
/// A list that is asked for is not there, or a fault of whoever keeps the files.
pub(crate) fn read(tree: &Tree, asked: &Asked, given: &[String]) -> anyhow::Result<Needs> {
    let lists = lists(tree)?;
    let mut taking = Taking::new(tree, &lists, given, asked.nothing());
    let chosen = if asked.nothing() { chosen(&lists, &taking)? } else { named(&lists, asked)? };
    for list in &lists.always {
        taking.take(list)?;
    }
    for list in &chosen {
        taking.take(list)?;
    }
    for file in &asked.files {
        taking.take_file(file)?;
    }
    if asked.nothing()
        && let Some(list) = resources::read(tree)?
    {
        taking.take(&list)?;
    }
    let built = match asked.nothing() {
        true => chosen_of_built(&lists, &chosen),
        false => {
            asked.extras.iter().filter_map(|name| normalised(name)).filter(|name| lists.built.contains(name)).collect()
        }
    };
    taking.finish(built)
}

/// Everything that a tree declares.
fn lists(tree: &Tree) -> anyhow::Result<Lists> {
    let mut lists = Lists::default();
    pyproject::read(tree, &mut lists)?;
    setup::read(tree, &mut lists)?;
    tox::read(tree, &mut lists)?;
    nox::read(tree, &mut lists)?;
    let packaged = packaged(tree)?;
    if packaged {
        lists.always.clear();
    }
    let mut files: Vec<&str> = tree.paths().filter(|path| is_requirement_file(path)).collect();
    // What a file was compiled to is a lock of it.
    let compiled: Vec<String> =
        files.iter().filter_map(|path| Some(format!("{}.txt", path.strip_suffix(".in")?))).collect();
    files.retain(|path| !compiled.iter().any(|compiled| compiled == path));
    for path in files {
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        // Whoever installs the project with the file is about to work on it.
        let purpose = match purpose_of_file(path) {
            Purpose::Other
                if is_plain(stem) && tree.read(path)?.is_some_and(|text| entry::installs_the_project(&text)) =>
            {
                Purpose::Development
            }
            by_name => by_name,
        };
        let list =
            List { name: path.to_owned(), told: path.to_owned(), purpose, entries: vec![Entry::File(path.to_owned())] };
        match is_plain(stem) {
            // Where the packaging says nothing of what the project requires, this file does.
            true if !packaged || !(in_pyproject(tree)? || setup::names_requirements(tree)?) => lists.always.push(list),
            _ => lists.files.push(list),
        }
    }
    Ok(lists)
}

/// Whether a build of the tree tells what it requires.
fn packaged(tree: &Tree) -> anyhow::Result<bool> {
    if tree.has("setup.py") || tree.read("setup.cfg")?.is_some_and(|text| text.contains("[options]")) {
        return Ok(true);
    }
    in_pyproject(tree)
}

/// Whether `pyproject.toml` packages the project: it may hold settings of tools alone.
fn in_pyproject(tree: &Tree) -> anyhow::Result<bool> {
    let table: Option<toml::Table> = tree.read(pyproject::FILE)?.and_then(|text| text.parse().ok());
    let Some(table) = table else { return Ok(false) };
    let poetry = pyproject::below(&table, &["tool", "poetry"]);
    let poetry = poetry.is_some_and(|poetry| poetry.get("package-mode").and_then(toml::Value::as_bool) != Some(false));
    Ok(table.contains_key("project") || poetry || pyproject::below(&table, &["tool", "flit", "metadata"]).is_some())
}

/// The lists for tests; with those for development if they name nothing but the runner, or if there are none.
fn chosen<'l>(lists: &'l Lists, taking: &Taking) -> anyhow::Result<Vec<&'l List>> {
    let of = |purpose: Purpose| lists.all().filter(move |list| list.purpose == purpose);
    let mut chosen: Vec<&List> = of(Purpose::Tests).collect();
    let says_something = taking.says_more_than_the_runner(&chosen)?
        || lists.sure().any(|name| list_name::purpose(name) == Purpose::Tests);
    if !says_something {
        chosen.extend(of(Purpose::Development));
    }
    Ok(chosen)
}

/// Extras of a project that must be built first, by the same rule.
fn chosen_of_built(lists: &Lists, chosen: &[&List]) -> Vec<String> {
    let is = |name: &String, purpose| list_name::purpose(name) == purpose;
    let mut taken: Vec<String> = lists.built.iter().filter(|name| is(name, Purpose::Tests)).cloned().collect();
    let lists_for_tests = chosen.iter().any(|list| list.purpose == Purpose::Tests);
    if !lists_for_tests && !lists.sure().any(|name| is(name, Purpose::Tests)) {
        let guesses = taken.is_empty();
        let others = lists.built.iter().filter(|name| guesses || !lists.guessed.contains(name));
        taken.extend(others.filter(|name| is(name, Purpose::Development)).cloned());
    }
    taken
}

/// The lists that were asked for by name.
fn named<'l>(lists: &'l Lists, asked: &Asked) -> anyhow::Result<Vec<&'l List>> {
    let mut chosen = Vec::new();
    for (option, names, known, built) in [
        ("--group", &asked.groups, &lists.groups, &[][..]),
        ("--extra", &asked.extras, &lists.extras, &lists.built[..]),
    ] {
        for name in names {
            let normal = normalised(name).unwrap_or_default();
            let found: Vec<&List> = known.iter().filter(|list| list.name == normal).collect();
            if found.is_empty() && !built.contains(&normal) {
                let all: Vec<&str> =
                    known.iter().map(|list| list.name.as_str()).chain(built.iter().map(String::as_str)).collect();
                match all.is_empty() {
                    true => bail!("{option} {name}: the base tree declares none; name what the tests need with --with"),
                    false => bail!(
                        "{option} {name}: the base tree declares no such one; of those that it has {}",
                        nearest(name, all.iter().copied())
                    ),
                }
            }
            chosen.extend(found);
        }
    }
    Ok(chosen)
}
