//! Decontamination: what of a dataset is, or comes from, a public benchmark. Pure, but for reading the files named.
//!
//! An instance is contaminated if its repository belongs to a benchmark, or if its id, its base commit, its accepted
//! change or its text is that of a benchmark's instance. A row is contaminated if its patch is. Changes and texts are
//! compared by shingles ([`super::near`]): a share of [`SHARE`] of a text's shingles, and [`LEAST`] of them, must stand
//! in one benchmark instance.
//!
//! `benchmark_repositories.txt` lists repositories: owner, former names, mirrors, and forks whose name tells it. Ids,
//! base commits, changes and texts are known for the files that the user names.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::near::{diff_shingles, shingles_of, tokens};
use crate::intake::Intake;
use crate::model::instance::Instance;
use crate::model::repository_name::RepositoryName;

const REPOSITORIES: &str = include_str!("benchmark_repositories.txt");

/// Share of a text's shingles that makes it a benchmark's.
pub const SHARE: f64 = 0.5;
/// Fewer common shingles say nothing: short texts look alike.
pub const LEAST: usize = 12;
/// Tokens of a shingle of prose; thirteen is what reports on language models use.
const PROSE: usize = 13;

/// Why something is a benchmark's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contamination {
    Repository,
    /// Another owner, the name of a benchmark's repository.
    Fork,
    Instance,
    BaseCommit,
    Patch,
    Text,
}

impl Contamination {
    /// Its name in counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repository => "contaminated/repository",
            Self::Fork => "contaminated/fork",
            Self::Instance => "contaminated/instance",
            Self::BaseCommit => "contaminated/base_commit",
            Self::Patch => "contaminated/patch",
            Self::Text => "contaminated/text",
        }
    }
}

/// What is known about benchmarks.
#[derive(Debug, Default)]
pub struct Benchmarks {
    /// Whether the public benchmarks' repositories are among `own`.
    by_name: bool,
    own: Known,
    files: Vec<BenchmarkFile>,
}

/// A benchmark's file.
#[derive(Debug)]
pub struct BenchmarkFile {
    /// Its bare name.
    pub name: String,
    /// Instances that it holds.
    pub instances: usize,
    /// Rows that could not be read, so that nothing was compared with them, and why for the first.
    pub unread: Vec<String>,
    known: Known,
}

impl Benchmarks {
    /// Nothing is a benchmark's.
    pub fn none() -> Self {
        Self::default()
    }

    /// The repositories of the public benchmarks that ship with this tool.
    pub fn built_in() -> Self {
        let mut known = Known::default();
        for Listed { names, distinct, .. } in built_in() {
            if distinct {
                known.names.extend(names.iter().map(|repo| repo.bare().to_owned()));
            }
            known.repositories.extend(names);
        }
        Self { by_name: true, own: known, files: Vec::new() }
    }

    /// Adds the instances of a benchmark's file: parquet, json or jsonl in a layout of the SWE-bench family. Their
    /// repositories count as the benchmark's too.
    ///
    /// # Errors
    /// A file that cannot be read, or one of which no row is an instance.
    pub fn add_file(&mut self, path: &Path) -> Result<&BenchmarkFile> {
        let (mut intake, mut known) = (Intake::default(), Known::default());
        let mut add = |instance: Instance| {
            known.add(&instance);
            Ok(())
        };
        intake.each(path, &mut add).with_context(|| format!("benchmark file {}", path.display()))?;
        if known.instances.is_empty() {
            let why = intake.quarantined.first().map_or_else(|| "it is empty".to_owned(), |first| first.why.clone());
            bail!("{} holds no instance of a benchmark: {why}", path.display());
        }
        self.files.push(BenchmarkFile {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            instances: known.instances.len(),
            unread: intake.quarantined.iter().map(|bad| format!("{}:{}: {}", bad.file, bad.line, bad.why)).collect(),
            known,
        });
        self.files.last().context("a file was added")
    }

    /// Adds an instance of a benchmark.
    pub fn add(&mut self, instance: &Instance) {
        self.own.add(instance);
    }

    /// Whether the public benchmarks' repositories are known by name.
    pub fn by_name(&self) -> bool {
        self.by_name
    }

    pub fn files(&self) -> &[BenchmarkFile] {
        &self.files
    }

    fn all(&self) -> impl Iterator<Item = &Known> {
        std::iter::once(&self.own).chain(self.files.iter().map(|file| &file.known))
    }

    /// Instances of the files that were added.
    pub fn instances(&self) -> usize {
        self.all().flat_map(|known| &known.instances).collect::<HashSet<_>>().len()
    }

    /// Repositories, former names among them.
    pub fn repositories(&self) -> usize {
        self.all().flat_map(|known| &known.repositories).collect::<HashSet<_>>().len()
    }

    /// Whether an instance is a benchmark's, and by what; the plainest reason first.
    pub fn instance(&self, instance: &Instance) -> Option<Contamination> {
        self.all().filter_map(|known| known.instance(instance)).min()
    }

    /// Whether a row's patch is that of a benchmark's instance.
    pub fn patch(&self, patch: &str) -> Option<Contamination> {
        self.all().find_map(|known| known.patch(patch))
    }
}

impl BenchmarkFile {
    /// Whether the file has an instance of the run.
    pub fn has(&self, instance: &Instance) -> bool {
        self.known.instance(instance).is_some()
    }

    /// Whether the file has a row's patch.
    pub fn has_patch(&self, patch: &str) -> bool {
        self.known.patch(patch).is_some()
    }
}

/// What one list or file says of benchmarks.
#[derive(Debug, Default)]
struct Known {
    repositories: HashSet<RepositoryName>,
    /// Names by which forks are known.
    names: HashSet<String>,
    instances: HashSet<String>,
    commits: HashSet<String>,
    patches: Postings,
    texts: Postings,
}

impl Known {
    fn add(&mut self, instance: &Instance) {
        self.repositories.insert(RepositoryName::of(&instance.repo));
        self.instances.insert(instance.instance_id.to_lowercase());
        if is_commit(&instance.base_commit) {
            self.commits.insert(instance.base_commit.clone());
        }
        self.patches.add(diff_shingles(&instance.patch));
        self.texts.add(shingles_of(&tokens(&instance.problem_statement), PROSE));
    }

    fn instance(&self, instance: &Instance) -> Option<Contamination> {
        let repo = RepositoryName::of(&instance.repo);
        if self.repositories.contains(&repo) {
            return Some(Contamination::Repository);
        }
        if self.names.contains(repo.bare()) {
            return Some(Contamination::Fork);
        }
        if self.instances.contains(&instance.instance_id.to_lowercase()) {
            return Some(Contamination::Instance);
        }
        if self.commits.contains(&instance.base_commit) {
            return Some(Contamination::BaseCommit);
        }
        if self.patch(&instance.patch).is_some() {
            return Some(Contamination::Patch);
        }
        let text = || shingles_of(&tokens(&instance.problem_statement), PROSE);
        (!self.texts.is_empty() && self.texts.holds(&text())).then_some(Contamination::Text)
    }

    fn patch(&self, patch: &str) -> Option<Contamination> {
        (!self.patches.is_empty() && self.patches.holds(&diff_shingles(patch))).then_some(Contamination::Patch)
    }
}

/// A line of the built-in list.
struct Listed {
    /// The present name first.
    names: Vec<RepositoryName>,
    /// Whether the name tells a fork.
    distinct: bool,
    benchmarks: &'static str,
}

fn built_in() -> impl Iterator<Item = Listed> {
    let lines = REPOSITORIES.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let mut words = line.split_whitespace();
        let repo = words.next().unwrap_or_default();
        let benchmarks = words.next().unwrap_or_default();
        let former = words.filter_map(|word| word.strip_prefix('=')).map(RepositoryName::of);
        let names = std::iter::once(RepositoryName::of(repo.trim_end_matches('!'))).chain(former).collect();
        Listed { names, distinct: !repo.ends_with('!'), benchmarks }
    })
}

/// Benchmark -> repositories of the built-in list.
pub fn built_in_counts() -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for listed in built_in() {
        listed.benchmarks.split(',').for_each(|benchmark| *counts.entry(benchmark).or_default() += 1);
    }
    counts
}

fn is_commit(commit: &str) -> bool {
    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Which texts a shingle stands in.
#[derive(Debug, Default)]
struct Postings {
    texts: u32,
    /// Most shingles stand in one text.
    first: HashMap<u64, u32>,
    more: HashMap<u64, Vec<u32>>,
}

impl Postings {
    fn is_empty(&self) -> bool {
        self.texts == 0
    }

    fn add(&mut self, shingles: Vec<u64>) {
        let text = self.texts;
        self.texts += 1;
        for shingle in shingles.into_iter().collect::<BTreeSet<_>>() {
            match self.first.get(&shingle) {
                None => drop(self.first.insert(shingle, text)),
                Some(_) => self.more.entry(shingle).or_default().push(text),
            }
        }
    }

    /// Whether one text holds enough of the shingles.
    fn holds(&self, shingles: &[u64]) -> bool {
        let mut common: HashMap<u32, usize> = HashMap::new();
        let distinct: BTreeSet<_> = shingles.iter().collect();
        for shingle in &distinct {
            let first = self.first.get(shingle);
            let more = first.and_then(|_| self.more.get(shingle));
            first.into_iter().chain(more.into_iter().flatten()).for_each(|text| *common.entry(*text).or_default() += 1);
        }
        let most = common.into_values().max().unwrap_or_default();
        most >= LEAST && most as f64 >= SHARE * distinct.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn instance(id: &str, repo: &str, commit: &str, patch: &str, problem: &str) -> Instance {
        serde_json::from_value(json!({
            "instance_id": id, "repo": repo, "base_commit": commit, "patch": patch, "problem_statement": problem,
        }))
        .unwrap()
    }

    fn diff(path: &str, names: &str) -> String {
        let lines: String = (0..8).map(|n| format!("+    {names}_{n} = compute(first_{n}, second_{n})\n")).collect();
        format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1,9 @@\n x = 1\n{lines}")
    }

    #[test]
    fn repositories_are_known_by_owner_name_fork_former_name_mirror_and_address() {
        let benchmarks = Benchmarks::built_in();
        let table = [
            ("django/django", Some(Contamination::Repository)),
            ("Django/Django", Some(Contamination::Repository)),
            ("https://github.com/psf/requests.git", Some(Contamination::Repository)),
            ("kennethreitz/requests", Some(Contamination::Repository)),
            ("swesmith/pydata__xarray.1b37ddc5", Some(Contamination::Repository)),
            ("somebody/django", Some(Contamination::Fork)),
            ("flask", Some(Contamination::Fork)),
            // Names that anybody might give.
            ("somebody/json", None),
            ("nlohmann/json", Some(Contamination::Repository)),
            ("somebody/else", None),
            ("django/channels", None),
        ];
        for (repo, expected) in table {
            assert_eq!(benchmarks.instance(&instance("i", repo, "", "", "")), expected, "{repo}");
        }
        assert_eq!(Benchmarks::none().instance(&instance("i", "django/django", "", "", "")), None);
        for benchmark in ["swe-bench", "multimodal", "multilingual", "pro", "live", "multi-swe"] {
            assert!(built_in_counts()[benchmark] >= 11, "{benchmark}");
        }
    }

    #[test]
    fn an_instance_is_known_by_id_commit_patch_and_text_in_another_repository() {
        let commit = "c".repeat(40);
        let problem: String = (0..60).map(|n| format!("the word{n} happens ")).collect();
        let mut benchmarks = Benchmarks::none();
        benchmarks.add(&instance("own__repo-1", "own/repo", &commit, &diff("a.py", "total"), &problem));
        let other = "d".repeat(40);
        let table = [
            (instance("own__repo-1", "x/y", &other, "", ""), Some(Contamination::Instance)),
            (instance("z", "x/y", &commit, "", ""), Some(Contamination::BaseCommit)),
            (instance("z", "x/y", &other, &diff("moved/b.py", "total"), ""), Some(Contamination::Patch)),
            (instance("z", "x/y", &other, "", &format!("Title\n{problem}\nthanks")), Some(Contamination::Text)),
            (instance("z", "x/y", &other, &diff("a.py", "other"), "the word1 happens"), None),
        ];
        for (instance, expected) in table {
            assert_eq!(benchmarks.instance(&instance), expected, "{}", instance.repo);
        }
        assert_eq!(benchmarks.patch(&diff("b.py", "total")), Some(Contamination::Patch));
        assert_eq!(benchmarks.patch("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n"), None);
    }
}
