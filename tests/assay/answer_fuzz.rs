//! Whole answers, mutated, held against the offline demo's repositories: extraction, trees, screen and judge, and nothing
//! is run. Shared by the short test here and by `cargo bench --bench fuzz_answers`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, repository_path};
use swe_assay::inside::journal::Failure;
use swe_assay::inside::judge::{Evidence, LocalizationRules, Peers, Step, judge};
use swe_assay::inside::lab::verify::ground::Ground;
use swe_assay::inside::lab::verify::read_cache::ReadCache;
use swe_assay::inside::lab::{Sample, read_candidate};
use swe_assay::inside::language::classes::protected;
use swe_assay::inside::model::admission::{Admission, Trees};
use swe_assay::inside::model::candidate::{Candidate, Payload, TrialTrees};
use swe_assay::inside::model::digest::{Digest, canonical_json};
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::{Generation, GenerationRef, Skill};
use swe_assay::inside::model::instance::{Environment, Instance};
use swe_assay::inside::model::trial::{Limits, Outcome, TestReport};
use swe_assay::inside::repo::{Repository, Sources, instance_trees, prepare};
use swe_assay::inside::runner::{self, Runner};

#[path = "mutation.rs"]
mod mutation;

use mutation::MARKERS;
pub use mutation::Numbers;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sandboxes/offline-demo");
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/fuzz-answers");

/// A file that an answer may be about: the base's own, and names that a tree, a file system or git takes amiss.
const PATHS: [&str; 46] = [
    "spans/duration.py",
    "spans/table.py",
    "spans/interval.py",
    "spans/agenda.py",
    "spans/__init__.py",
    BESIDE,
    "tests/test_duration.py",
    "tests/__init__.py",
    "spans",
    "spans/",
    "tests",
    "spans/duration.py/below.py",
    "spans/new/er/file.py",
    "tests/test_new.py",
    "tests/test_new.py/test_below.py",
    "spans.py",
    "../x.py",
    "/etc/passwd",
    "/testbed/spans/duration.py",
    "./spans/duration.py",
    "spans//duration.py",
    "spans/../spans/duration.py",
    "a/spans/duration.py",
    ".git/config",
    ".GIT/hooks/x",
    "spans/.git",
    "git~1/x",
    "\"spans/duration.py\"",
    "\"spans/\\303\\251.py\"",
    "\"\\000.py\"",
    "spans/é.py",
    "spans/e\u{301}.py",
    "a b.py",
    "a\tb.py",
    "spans\\duration.py",
    "/dev/null",
    "conftest.py",
    "sitecustomize.py",
    "pyproject.toml",
    "reproduce_bug.py",
    "tests/test_a::b[1].py",
    "tests/test_duration.py/x.py",
    "spans/\u{10f7fc}.py",
    "checks",
    "checks/test_more.py/x.txt",
    "spans/deep/test_hidden.py/x.txt",
];

/// A path for an answer.
fn path(numbers: &mut Numbers) -> String {
    match numbers.below(24) {
        0 => "d/".repeat(numbers.below(2047)) + "deep.py",
        1 => "n".repeat(200 + numbers.below(100)) + ".py",
        2 => "x".repeat(65_536) + "spans/duration.py",
        _ => PATHS[numbers.below(PATHS.len())].to_owned(),
    }
}

/// Where a link may be said to lead.
const TARGETS: [&str; 18] = [
    "spans/duration.py",
    "spans/duration.py/",
    "spans",
    "spans/",
    "tests",
    "tests/test_duration.py",
    "tests/test_duration.py/x.py",
    "../spans",
    "../tests/test_table.py",
    ".",
    "..",
    "/testbed",
    "nowhere",
    "\u{10f7fc}",
    BESIDE,
    "spans/deep",
    "spans/deep/test_hidden.py",
    "checks",
];

/// An answer to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub skill: Skill,
    pub completion: String,
}

/// Answers of the demo, and those that once failed or are odd in a way of their own, each in a file whose name begins with
/// the skill.
pub fn corpus() -> Vec<Tried> {
    let mut corpus = stored();
    let demo = fs::read_to_string(Path::new(DEMO).join("generations.jsonl")).expect("the demo's generations");
    for line in demo.lines() {
        let row: Value = serde_json::from_str(line).expect("a generation");
        let skill = row["skill"].as_str().and_then(|skill| skill.parse().ok()).expect("a skill");
        corpus.push(Tried { skill, completion: row["completion"].as_str().expect("a completion").to_owned() });
    }
    corpus
}

fn stored() -> Vec<Tried> {
    let entries = fs::read_dir(CORPUS).expect("the stored corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_name()?.to_str()?;
        let skill = name.split('-').next()?.parse().ok()?;
        Some(Tried { skill, completion: fs::read_to_string(file).ok()? })
    };
    files.iter().map(|file| read(file).unwrap_or_else(|| panic!("{} is no seed", file.display()))).collect()
}

/// A test beside the modules, one that only the fix has, and one beside source in a folder that only the fix has.
const BESIDE: &str = "spans/test_beside.py";
const HIDDEN: &str = "spans/deep/test_hidden.py";
const MORE: &str = "checks/test_more.py";
const TEST: &str =
    "import unittest\n\n\nclass More(unittest.TestCase):\n    def test_more(self):\n        self.assertTrue(1)\n";

/// A tree of the demo with more files.
fn beside(folder: &Path, tree: &str, more: &[(&str, &str)]) -> PathBuf {
    let put = |path: &Path, content: &[u8]| {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    };
    for part in ["spans", "tests"] {
        for entry in fs::read_dir(Path::new(DEMO).join(tree).join(part)).expect("the demo's folders") {
            let entry = entry.expect("an entry");
            if entry.path().is_file() {
                put(&folder.join(part).join(entry.file_name()), &fs::read(entry.path()).expect("a file"));
            }
        }
    }
    put(&folder.join("spans/deep/data.py"), b"y = 1\n");
    for (path, content) in more {
        put(&folder.join(path), content.as_bytes());
    }
    folder.to_owned()
}

/// The instances of the demo and one with tests beside its modules, with what an admission knows before anything ran.
#[derive(Debug)]
pub struct Worlds {
    _folder: tempfile::TempDir,
    worlds: Vec<World>,
}

#[derive(Debug)]
struct World {
    instance: Instance,
    repository: Repository,
    trees: Trees,
    admission: Admission,
    memory: ReadCache,
}

/// Nothing was run.
struct Nothing;

impl Evidence for Nothing {
    fn outcome(&self, _: &Digest) -> Option<Arc<Outcome>> {
        None
    }

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, _: &Outcome) -> Option<Arc<TestReport>> {
        None
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

/// How many answers came to the laws. Without them a law that holds says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Answers put on a tree.
    pub prepared: u64,
    /// Those that change something.
    pub changing: u64,
    /// Those that make a link.
    pub linking: u64,
    /// Those of which something was taken back or left out.
    pub taken_back: u64,
}

impl Seen {
    fn of(candidate: &Candidate) -> Self {
        let Some(prepared) = &candidate.prepared else { return Self::default() };
        let left_out = prepared.normalised.iter().any(|note| note == "link_left_out" || note == "dangling_link");
        Self {
            prepared: 1,
            changing: u64::from(!prepared.diff.is_empty()),
            linking: u64::from(prepared.diff.contains("\nnew file mode 120000\n")),
            taken_back: u64::from(left_out || !prepared.stripped.is_empty()),
        }
    }

    /// Whether nothing of it is below a floor.
    pub fn reaches(&self, floor: &Self) -> bool {
        self.prepared >= floor.prepared
            && self.changing >= floor.changing
            && self.linking >= floor.linking
            && self.taken_back >= floor.taken_back
    }

    pub fn add(&mut self, other: Self) {
        self.prepared += other.prepared;
        self.changing += other.changing;
        self.linking += other.linking;
        self.taken_back += other.taken_back;
    }
}

impl Worlds {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let demo = Path::new(DEMO);
        let one = |base: &Path, fix: &Path, files: &[&str]| World::new(folder.path(), base, fix, files);
        let worlds = vec![
            one(&demo.join("v1"), &demo.join("v2"), &["tests/test_duration.py", "tests/test_table.py"]),
            one(&demo.join("v2"), &demo.join("v3"), &["tests/test_agenda.py", "tests/test_interval.py"]),
            one(
                &beside(&folder.path().join("base"), "v1", &[(BESIDE, "x = 1\n")]),
                &beside(
                    &folder.path().join("mixed"),
                    "v2",
                    &[
                        (BESIDE, TEST),
                        (HIDDEN, TEST),
                        (MORE, TEST),
                        ("checks/tool.py", "y = 1\n"),
                        ("checks/other.py", "y = 2\n"),
                    ],
                ),
                &["tests/test_duration.py", BESIDE, HIDDEN, MORE],
            ),
        ];
        Self { _folder: folder, worlds }
    }

    /// Takes an answer through all that comes before its first run, for each instance. Says what went wrong.
    pub fn check(&self, tried: &Tried) -> Result<Seen, String> {
        let began = Instant::now();
        let mut prepared = Seen::default();
        for world in &self.worlds {
            let seen = catch_unwind(AssertUnwindSafe(|| world.check(tried)));
            prepared.add(seen.map_err(|_| "a panic".to_owned())??);
        }
        let allowed = Duration::from_secs(10) + Duration::from_micros(tried.completion.len() as u64 * 40);
        match began.elapsed() {
            took if took > allowed => Err(format!("it took {took:?}")),
            _ => Ok(prepared),
        }
    }
}

impl World {
    fn new(folder: &Path, base: &Path, fix: &Path, files: &[&str]) -> Self {
        let name = fix.file_name().and_then(|name| name.to_str()).expect("a name");
        let out = folder.join(format!("import-{name}"));
        let wanted = Wanted {
            problem_statement: "render and parse disagree".to_owned(),
            instance_id: Some(format!("assay__spans-{name}")),
            repo: Some("assay/spans".to_owned()),
            environment: Environment { framework: "unittest".to_owned(), ..Environment::default() },
            ..Wanted::default()
        };
        let instance = import_folders(base, fix, wanted, &out).expect("the demo's folders");
        let repository = Repository::open(&repository_path(&out, &instance.repo)).expect("the demo's repository");
        let sources = Sources {
            base_commit: &instance.base_commit,
            patch: &instance.patch,
            test_patch: &instance.test_patch,
            framework: "unittest",
            listed: &[],
            named: &[],
        };
        let trees = instance_trees(&repository, sources).expect("trees").expect("patches that apply");
        let admission = json!({
            "format": format::ADMISSION, "instance_id": instance.instance_id, "key": Digest::of(b"fuzz"),
            "image": Digest::of(b"image"), "trees": trees, "pass_to_pass": [], "framework": "unittest/1", "repeats": 1,
            "fail_to_pass": files.iter().map(|file| format!("{file}::ATests::test_it")).collect::<Vec<_>>(),
            "splits": [{"files": files, "expected": []}], "limits": Limits::default(), "trials": [],
            "gold_files": repository.changed_paths(&trees.base, &trees.gold).expect("paths"),
            "sentinels": "tests/test_assay_0000.py",
        });
        let admission = serde_json::from_value(admission).expect("an admission");
        Self { instance, repository, trees, admission, memory: ReadCache::default() }
    }

    fn runner(&self) -> &'static dyn Runner {
        runner::of(&self.admission.framework).expect("unittest")
    }

    fn check(&self, tried: &Tried) -> Result<Seen, String> {
        let generation: Generation = serde_json::from_value(json!({
            "instance_id": self.instance.instance_id, "skill": tried.skill, "completion": tried.completion,
        }))
        .expect("a generation");
        let kept: Generation =
            serde_json::from_slice(&canonical_json(&generation)).map_err(|e| format!("kept: {e}"))?;
        if kept != generation {
            return Err("the generation is another one after it was kept".to_owned());
        }
        let place = GenerationRef { file: "fuzz.jsonl".to_owned(), line: 1, index: 0 };
        let candidate = read_candidate(&Sample { generation, place }, Some(self.place())).map_err(faulty("reading"))?;
        let line = serde_json::to_vec(&candidate).map_err(|error| format!("written: {error}"))?;
        let back: Candidate = serde_json::from_slice(&line).map_err(|error| format!("read back: {error}"))?;
        if back != candidate {
            return Err("the candidate is another one after it was kept".to_owned());
        }
        if candidate.malformed.is_some() == candidate.prepared.is_some() {
            return Err("neither malformed nor on its tree, or both".to_owned());
        }
        self.check_judgement(&candidate)?;
        self.check_trees(&candidate)?;
        Ok(Seen::of(&candidate))
    }

    fn place(&self) -> Ground<'_> {
        Ground {
            repository: &self.repository,
            trees: &self.trees,
            admission: &self.admission,
            framework: Some(self.runner()),
            tests: &self.admission.splits[0].files,
            issue: &self.instance.problem_statement,
            memory: &self.memory,
        }
    }

    /// Nothing ran, so nothing that must run is verified; what cannot be applied is rejected for that.
    fn check_judgement(&self, candidate: &Candidate) -> Result<(), String> {
        let peers = Peers { accepted: BTreeSet::from([self.admission.gold_files.clone()]), ..Peers::default() };
        let rules = LocalizationRules::default();
        match judge(candidate, &self.admission, self.runner(), &peers, &rules, &Nothing) {
            Step::Needs(_) => Ok(()),
            Step::Done(judgement) => {
                let verified = judgement.reason.status() == swe_assay::inside::model::verdict::VerdictStatus::Verified;
                let right = candidate.skill == Skill::Localization;
                if verified && !right { Err(format!("verified without a run: {judgement:?}")) } else { Ok(()) }
            }
        }
    }

    /// What a run would lay over the base layer, and that the exported diff is what ran.
    fn check_trees(&self, candidate: &Candidate) -> Result<(), String> {
        let Some(prepared) = &candidate.prepared else { return Ok(()) };
        let run: Vec<&String> = match &candidate.trees {
            Some(TrialTrees::Repair { policy, submitted, canary }) => {
                [Some(policy), submitted.as_ref(), canary.as_ref()].into_iter().flatten().collect()
            }
            Some(TrialTrees::Test { on_base, on_gold, in_suite, .. }) => vec![on_base, on_gold, in_suite],
            None => Vec::new(),
        };
        let mut seen = BTreeMap::new();
        for tree in run {
            let changes = self.repository.changes(&self.trees.tested_base, tree).map_err(faulty("the changes"))?;
            let again = self.repository.with(&self.trees.tested_base, &changes).map_err(faulty("the changes laid"))?;
            seen.insert(tree, again);
        }
        if let Some((tree, again)) = seen.iter().find(|(tree, again)| **tree != *again) {
            return Err(format!("the changes that make {tree} make {again}"));
        }
        if prepared.diff.is_empty() != (prepared.tree == self.trees.base) {
            return Err(format!(
                "its tree is {}, base's {}, and its diff {:?}",
                prepared.tree, self.trees.base, prepared.diff
            ));
        }
        if let Some(TrialTrees::Repair { policy, .. }) = &candidate.trees {
            self.check_what_runs(&prepared.tree, policy)?;
        }
        if prepared.diff.is_empty() {
            return Ok(());
        }
        let payload = Payload::UnifiedDiff { diff: prepared.diff.clone() };
        let again =
            prepare(&self.repository, &self.trees, candidate.skill, &payload).map_err(faulty("applying again"))?;
        match again {
            Ok(again) if again.tree != prepared.tree => {
                Err(format!("its diff makes {} of base, not {}\n{}", again.tree, prepared.tree, prepared.diff))
            }
            Ok(again) if again.diff != prepared.diff || !again.stripped.is_empty() || !again.normalised.is_empty() => {
                Err(format!("its diff, prepared again, is another one: {again:?}"))
            }
            Ok(_) => Ok(()),
            Err(malformed) => Err(format!("its diff does not apply: {malformed:?}\n{}", prepared.diff)),
        }
    }

    /// Of what is exported, only what is protected may be another thing when it runs.
    fn check_what_runs(&self, exported: &str, runs: &str) -> Result<(), String> {
        let differs = self.repository.changed_paths(exported, runs).map_err(faulty("comparing"))?;
        match differs.iter().find(|path| !protected(self.trees.layout.class(path))) {
            Some(path) => Err(format!("{path} is exported and does not run")),
            None => Ok(()),
        }
    }
}

fn faulty<E: std::fmt::Debug>(doing: &str) -> impl Fn(E) -> String + '_ {
    move |error| format!("{doing}: {error:?}")
}

/// Another answer, made of those of the corpus.
pub fn mutated(corpus: &[Tried], numbers: &mut Numbers) -> Tried {
    let Tried { mut skill, completion: mut text } = corpus[numbers.below(corpus.len())].clone();
    if numbers.below(4) == 0 {
        text = composed(numbers);
        skill = Skill::ALL[numbers.below(3)];
    }
    for _ in 0..numbers.below(5) {
        mutate(&mut text, corpus, numbers);
        if text.len() > 1 << 18 {
            break;
        }
    }
    if numbers.below(8) == 0 {
        skill = Skill::ALL[numbers.below(3)];
    }
    Tried { skill, completion: text }
}

fn mutate(text: &mut String, corpus: &[Tried], numbers: &mut Numbers) {
    match numbers.below(11) {
        0 => text.truncate(numbers.place(text)),
        1 | 2 => {
            let at = line_start(text, numbers.place(text));
            text.insert_str(at, MARKERS[numbers.below(MARKERS.len())]);
        }
        3 => {
            let other = &corpus[numbers.below(corpus.len())].completion;
            let (at, from) = (line_start(text, numbers.place(text)), line_start(other, numbers.place(other)));
            text.insert_str(at, &other[from..]);
        }
        4 => {
            let (from, to) = (line_start(text, numbers.place(text)), line_start(text, numbers.place(text)));
            text.replace_range(from.min(to)..from.max(to), "");
        }
        5 => *text = text.replace('\n', "\r\n"),
        6 | 7 => {
            // Another name, everywhere or once.
            let (old, new) = (PATHS[numbers.below(8)], path(numbers));
            *text = if numbers.below(2) == 0 { text.replace(old, &new) } else { text.replacen(old, &new, 1) };
        }
        8 | 9 => {
            // At the end of the last block, where a diff takes it.
            let at = line_start(text, text.trim_end().len());
            text.insert_str(at, &link(numbers));
        }
        _ => {
            let marker = MARKERS[numbers.below(MARKERS.len())];
            let times = 1 << numbers.below(10);
            let at = numbers.place(text);
            text.insert_str(at, &marker.repeat(times));
        }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// An answer put together from parts that suit each other more or less.
fn composed(numbers: &mut Numbers) -> String {
    let parts: String = (0..=numbers.below(4)).map(|_| part(numbers)).collect();
    match numbers.below(4) {
        0 => parts,
        1 => format!("```python\n{parts}```\n"),
        2 => format!("```\n{parts}```\n"),
        _ => format!("```diff\n{parts}```\n"),
    }
}

fn part(numbers: &mut Numbers) -> String {
    let (old, new) = (path(numbers), path(numbers));
    match numbers.below(12) {
        0 => format!("{old}\n"),
        1 => format!("### {old}\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n"),
        2 => format!(
            "### {old}\nimport unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        assert f(1) == 2\n"
        ),
        3 => format!("diff --git a/{old} b/{new}\nsimilarity index 100%\nrename from {old}\nrename to {new}\n"),
        4 => format!("diff --git a/{old} b/{new}\nsimilarity index 100%\ncopy from {old}\ncopy to {new}\n"),
        5 => format!("diff --git a/{old} b/{old}\nold mode 100644\nnew mode 100755\n"),
        6 => removal(&old),
        7 => {
            let mode = ["100644", "100755", "120000", "160000", "040000", "100600"][numbers.below(6)];
            format!(
                "diff --git a/{old} b/{old}\nnew file mode {mode}\nindex 0000000..1234567\n--- /dev/null\n+++ b/{old}\n@@ -0,0 +1 @@\n+{}\n\\ No newline at end of file\n",
                TARGETS[numbers.below(TARGETS.len())]
            )
        }
        8 => format!(
            "diff --git a/{old} b/{old}\nnew file mode 100644\nindex 0000000..1234567\nGIT binary patch\nliteral 1\nIcmZP`0ssI2\n\nliteral 0\nHcmV?d00001\n\n"
        ),
        9 => link(numbers),
        10 => {
            // A file of base becomes a folder, and a link may show it.
            let file = PATHS[numbers.below(8)];
            let inside = format!("--- /dev/null\n+++ b/{file}/x.py\n@@ -0,0 +1 @@\n+x = 1\n");
            removal(file) + &inside + &link(numbers)
        }
        _ => format!("--- a/{old}\n+++ b/{new}\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n"),
    }
}

/// A new link.
fn link(numbers: &mut Numbers) -> String {
    let name = ["left", "left", "left", "checks", "spans/left", BESIDE][numbers.below(6)];
    let target = TARGETS[numbers.below(TARGETS.len())];
    format!(
        "diff --git a/{name} b/{name}\nnew file mode 120000\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    )
}

/// A diff that removes a file of the demo, if there is one of that name.
fn removal(path: &str) -> String {
    let text = fs::read_to_string(Path::new(DEMO).join("v1").join(path)).unwrap_or_else(|_| "x = 1\n".to_owned());
    let count = text.lines().count();
    let body: String = text.lines().map(|line| format!("-{line}\n")).collect();
    let head = format!("diff --git a/{path} b/{path}\ndeleted file mode 100644\n--- a/{path}\n+++ /dev/null\n");
    format!("{head}@@ -1,{count} +0,0 @@\n{body}")
}
