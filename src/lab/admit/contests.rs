//! Contests: the trees that generated tests are run on beside base and gold. Made for tests that hold on those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::judge::Peers;
use crate::lab::run::pool;
use crate::lab::site::Site;
use crate::lab::verify::task::Task;
use crate::lab::{Lab, SiteBuilder};
use crate::language;
use crate::language::reader::Reader;
use crate::model::candidate::{PathClass, Prepared};
use crate::model::contest::{Contest, Joined, Mutant};
use crate::model::format;
use crate::repo::ChangedLines;
use crate::sandbox::FileChange;

/// At most this many mutants of an instance.
const MOST_MUTANTS: usize = 8;

impl Lab<'_> {
    /// One contest per instance that has tests to be run, by instance.
    pub(crate) fn contests(
        &self,
        tests: &[Task],
        peers: &BTreeMap<String, Peers>,
    ) -> anyhow::Result<BTreeMap<String, Contest>> {
        let mut by_instance: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
        for task in tests {
            by_instance.entry(&task.candidate.instance_id).or_default().push(task);
        }
        let groups: Vec<_> = by_instance.into_iter().collect();
        let made = pool::map(self.settings.workers, &groups, |(id, tasks)| {
            self.check_interrupt()?;
            let Some(first) = tasks.first() else { return Ok(None) };
            let site = SiteBuilder::new(self, first.located)?.site()?;
            let prepared = tasks.iter().filter_map(|task| task.candidate.prepared.as_ref());
            Ok(Some(contest(id, &site, prepared, peers.get(*id))?))
        })?;
        Ok(made.into_iter().flatten().map(|contest| (contest.instance_id.clone(), contest)).collect())
    }
}

fn contest<'p>(
    id: &str,
    site: &Site,
    tests: impl Iterator<Item = &'p Prepared>,
    peers: Option<&Peers>,
) -> anyhow::Result<Contest> {
    let Site { repository, trees, .. } = site;
    let changed = repository.changed_lines(&trees.base, &trees.gold)?;
    let language = language::of(site.framework);
    let is_source = |path: &String| language.is_source(path) && trees.layout.class(path) == PathClass::Source;
    let changed: BTreeMap<_, _> = changed.into_iter().filter(|(path, _)| is_source(path)).collect();
    let (mut added, mut removed, mut mutants) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    // Without a reader, nothing is watched or mutated.
    if let Some(reader) = language.reader() {
        added = watched(site, reader, &trees.gold, &changed, |lines| &lines.added)?;
        if added.is_empty() {
            removed = watched(site, reader, &trees.base, &changed, |lines| &lines.removed)?;
        }
        mutants = planted(site, reader, &changed)?;
    }
    let mut joined = BTreeSet::new();
    for test in tests {
        let others = peers.iter().flat_map(|peers| peers.rejected.iter().chain(&peers.verified));
        for over in mutants.iter().map(|mutant| &mutant.tree).chain(others) {
            let tree = repository.take_paths(over, &test.tree, &test.files)?;
            joined.insert(Joined { test: test.tree.clone(), over: over.clone(), tree });
        }
    }
    Ok(Contest {
        format: format::CONTEST.to_owned(),
        instance_id: id.to_owned(),
        added,
        removed,
        mutants,
        joined: joined.into_iter().collect(),
    })
}

fn source(site: &Site, tree: &str, path: &str) -> anyhow::Result<String> {
    let bytes = site.repository.read(tree, path)?.unwrap_or_default();
    // Mutants are written back as UTF-8, so a file in another encoding has no lines to watch and no mutants.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// Executable lines of one side of the change: the lines of functions, because those of a module run with every import.
/// If there are none, the lines of the module.
fn watched(
    site: &Site,
    reader: &dyn Reader,
    tree: &str,
    changed: &BTreeMap<String, ChangedLines>,
    side: impl Fn(&ChangedLines) -> &BTreeSet<u32>,
) -> anyhow::Result<BTreeMap<String, Vec<u32>>> {
    let (mut called, mut imported) = (BTreeMap::new(), BTreeMap::new());
    for (path, changed) in changed {
        let lines = reader.executable(&source(site, tree, path)?, side(changed));
        for (lines, kind) in [(lines.called, &mut called), (lines.imported, &mut imported)] {
            if !lines.is_empty() {
                kind.insert(path.clone(), lines.into_iter().collect());
            }
        }
    }
    Ok(if called.is_empty() { imported } else { called })
}

/// Mutants of the lines that gold adds, taken from the changed files in turn.
fn planted(site: &Site, reader: &dyn Reader, changed: &BTreeMap<String, ChangedLines>) -> anyhow::Result<Vec<Mutant>> {
    let trees = &site.trees;
    let mut found = Vec::new();
    for (path, changed) in changed {
        let made = reader.mutants(&source(site, &trees.gold, path)?, &changed.added, MOST_MUTANTS);
        found.extend(made.into_iter().enumerate().map(|(rank, mutation)| (rank, path, mutation)));
    }
    found.sort_by_key(|(rank, path, _)| (*rank, *path));
    found.truncate(MOST_MUTANTS);
    let mut planted = Vec::new();
    for (_, path, mutation) in found {
        let content = Arc::from(mutation.source.into_bytes());
        let change = [FileChange::Write { path: path.clone(), content, executable: false }];
        planted.push(Mutant {
            path: path.clone(),
            line: mutation.line,
            what: mutation.what,
            tree: site.repository.with(&trees.gold, &change)?,
            tested: site.repository.with(&trees.tested_gold, &change)?,
        });
    }
    Ok(planted)
}
