//! Lists that were chosen become requirement lines: what they include is followed, and what is left out is told.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::entry::{self, Entry};
use super::lists::{List, Lists};
use super::locks;
use super::requirement::{Requirement, name_of};
use super::tree::Tree;
use crate::language::needs::{AskedFile, Needs};
use crate::model::declared::Declared;

/// Distributions that run tests or watch them. A list of these alone does not say what tests import.
const RUNNERS: [&str; 4] = ["coverage", "pytest", "pytest-cov", "pytest-xdist"];

/// What runs or checks tests from outside. No test imports it, and its old versions contradict much.
const TOOLS: [&str; 10] =
    ["codecov", "coveralls", "nox", "pre-commit", "tox", "tox-gh", "tox-gh-actions", "tox-uv", "tox-venv", "twine"];

/// Files, groups and extras inside one another that are followed.
const DEEPEST: usize = 50;

/// Entries that are followed in all. A file that several lists include counts for each.
const MOST_ENTRIES: usize = 200_000;

/// What is taken so far.
pub(crate) struct Taking<'a> {
    tree: &'a Tree<'a>,
    lists: &'a Lists,
    /// Distributions that the user names.
    given: Vec<String>,
    /// Whether lists are chosen and not named.
    chooses: bool,
    taken: BTreeSet<String>,
    needs: Needs,
    locks: Vec<String>,
    /// Entries that may still be followed.
    left: Cell<usize>,
}

/// A list with everything that it includes.
#[derive(Default)]
struct Flat {
    requirements: Vec<Requirement>,
    left_out: Vec<(String, String)>,
    locks: Vec<String>,
    /// Extras that only the built project tells.
    built: Vec<String>,
    seen: BTreeSet<String>,
    /// How deep what is followed stands in others.
    depth: usize,
}

impl<'a> Taking<'a> {
    pub fn new(tree: &'a Tree<'a>, lists: &'a Lists, given: &[String], chooses: bool) -> Self {
        let given = given.iter().filter_map(|line| name_of(line)).collect();
        let left = Cell::new(MOST_ENTRIES);
        Self { tree, lists, given, chooses, taken: BTreeSet::new(), needs: Needs::default(), locks: Vec::new(), left }
    }

    /// Whether a list for tests is more than the environment of a tool that names the runner alone.
    pub fn says_more_than_the_runner(&self, chosen: &[&List]) -> anyhow::Result<bool> {
        for list in chosen {
            let environment = self.lists.environments.iter().any(|known| std::ptr::eq(known, *list));
            let flat = self.flat(&list.entries)?;
            let names = flat.requirements.iter().map(|requirement| requirement.name.as_str());
            if !environment
                || !flat.built.is_empty()
                || names.into_iter().any(|name| !RUNNERS.contains(&name) && !TOOLS.contains(&name))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a list of the tree.
    pub fn take(&mut self, list: &List) -> anyhow::Result<()> {
        let flat = self.flat(&list.entries)?;
        self.keep(&list.told, flat);
        Ok(())
    }

    /// Takes a requirement file that was asked for.
    pub fn take_file(&mut self, file: &AskedFile) -> anyhow::Result<()> {
        let Some(text) = &file.text else {
            let path = entry::inside("", &file.path).filter(|path| self.tree.has(path));
            let Some(path) = path else {
                anyhow::bail!("--requirements {}: neither the base tree nor the disk has such a file", file.path);
            };
            let flat = self.flat(&[Entry::File(path.clone())])?;
            self.keep(&format!("{path} of the base tree"), flat);
            return Ok(());
        };
        let entries: Vec<Entry> = entry::file(text, "").into_iter().map(apart).collect();
        let flat = self.flat(&entries)?;
        self.keep(&format!("{} on disk", file.path), flat);
        Ok(())
    }

    fn flat(&self, entries: &[Entry]) -> anyhow::Result<Flat> {
        let mut flat = Flat::default();
        self.follow(entries, &mut flat)?;
        Ok(flat)
    }

    fn follow(&self, entries: &[Entry], flat: &mut Flat) -> anyhow::Result<()> {
        let left = self.left.get().checked_sub(entries.len()).filter(|_| flat.depth < DEEPEST);
        let Some(left) = left else {
            let why = "the lists are too long, or too many are inside one another";
            flat.left_out.push((format!("{} more entries", entries.len()), why.to_owned()));
            return Ok(());
        };
        self.left.set(left);
        flat.depth += 1;
        for entry in entries {
            match entry {
                Entry::Requirement(own) if Some(&own.name) == self.lists.project.as_ref() => {
                    let extras: Vec<Entry> = own.extras.iter().cloned().map(Entry::Extra).collect();
                    self.follow(&extras, flat)?;
                }
                Entry::Requirement(requirement) => flat.requirements.push(requirement.clone()),
                Entry::LeftOut(what, why) => flat.left_out.push((what.clone(), why.clone())),
                Entry::Constraints(path) => match self.tree.has(path) {
                    true => flat.locks.push(path.clone()),
                    false => flat.left_out.push((format!("-c {path}"), "the tree has no such file".to_owned())),
                },
                Entry::Group(name) if flat.seen.insert(format!("group {name}")) => {
                    self.follow_all("group", name, &self.lists.groups_named(name), flat)?;
                }
                Entry::Extra(name) if flat.seen.insert(format!("extra {name}")) => {
                    if self.lists.built.contains(name) {
                        flat.built.push(name.clone());
                    } else {
                        self.follow_all("extra", name, &self.lists.extras_named(name), flat)?;
                    }
                }
                Entry::File(path) if flat.seen.insert(format!("file {path}")) => self.follow_file(path, flat)?,
                // They were followed before.
                Entry::Group(_) | Entry::Extra(_) | Entry::File(_) => {}
            }
        }
        flat.depth -= 1;
        Ok(())
    }

    fn follow_all(&self, kind: &str, name: &str, found: &[&List], flat: &mut Flat) -> anyhow::Result<()> {
        if found.is_empty() {
            flat.left_out.push((format!("{kind} {name}"), "there is none of this name".to_owned()));
        }
        found.iter().try_for_each(|list| self.follow(&list.entries, flat))
    }

    /// A file that was compiled from another one is a lock of that one.
    fn follow_file(&self, path: &str, flat: &mut Flat) -> anyhow::Result<()> {
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        let (source, compiled) = (format!("{stem}.in"), format!("{stem}.txt"));
        let source = match self.tree.has(&source) && self.tree.has(&compiled) && (path == source || path == compiled) {
            true => {
                flat.locks.push(compiled);
                source
            }
            false => path.to_owned(),
        };
        let Some(text) = self.tree.read(&source)? else {
            flat.left_out.push((format!("-r {path}"), "the tree has no such file".to_owned()));
            return Ok(());
        };
        let folder = source.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.follow(&entry::file(&text, folder), flat)
    }

    /// Keeps what is new of a list, and says so.
    fn keep(&mut self, told: &str, flat: Flat) {
        let Flat { requirements, mut left_out, locks, built, .. } = flat;
        let mut lines = Vec::new();
        for requirement in requirements {
            if self.chooses && TOOLS.contains(&requirement.name.as_str()) {
                left_out.push((requirement.line, "no test imports it".to_owned()));
            } else if self.given.contains(&requirement.name) {
                left_out.push((requirement.line, "--with names this distribution".to_owned()));
            } else if self.taken.insert(requirement.line.clone()) {
                lines.push(requirement.line);
            }
        }
        self.locks.extend(locks);
        self.needs.extras.extend(built);
        left_out.sort();
        left_out.dedup();
        let mut said = Vec::new();
        if !lines.is_empty() {
            said.push(lines.join(", "));
            self.needs.declared.push(Declared { source: told.to_owned(), requirements: lines });
        }
        if !left_out.is_empty() {
            let left_out: Vec<String> = left_out.iter().map(|(what, why)| format!("{what} ({why})")).collect();
            said.push(format!("left out: {}", left_out.join(", ")));
        }
        if !said.is_empty() {
            self.needs.told.push(format!("for the tests, from {told}: {}", said.join("; ")));
        }
    }

    /// Everything that was taken, with the locks of it, and extras that only the built project tells.
    pub fn finish(mut self, built: Vec<String>) -> anyhow::Result<Needs> {
        let mut needs = self.needs;
        needs.extras.extend(built);
        needs.extras.sort();
        needs.extras.dedup();
        if !needs.extras.is_empty() {
            needs.told.push(format!(
                "for the tests, once the project is built: what its metadata requires for {}",
                needs.extras.iter().map(|name| format!("extra {name}")).collect::<Vec<_>>().join(", ")
            ));
        }
        if needs.declared.is_empty() && needs.extras.is_empty() {
            needs.told.push(
                "the base tree declares nothing for its tests; if they need something, name it with --with".to_owned(),
            );
        } else {
            self.locks.extend(locks::of_tree(self.tree).map(str::to_owned));
            let mut seen = BTreeSet::new();
            needs.locks = self.locks.into_iter().filter(|path| seen.insert(path.clone())).collect();
        }
        if !needs.locks.is_empty() {
            needs
                .told
                .push(format!("in the versions of {}, if everything can be installed in them", needs.locks.join(", ")));
        }
        needs.told.extend(self.tree.notes());
        Ok(needs)
    }
}

/// What a file on disk includes is beside it, and not in the tree.
fn apart(entry: Entry) -> Entry {
    match entry {
        Entry::File(path) => {
            Entry::left_out(&format!("-r {path}"), "it is beside a file on disk; give it with --requirements too")
        }
        Entry::Constraints(path) => Entry::left_out(&format!("-c {path}"), "it is beside a file on disk"),
        other => other,
    }
}
