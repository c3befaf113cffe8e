//! A repository of three files made on the spot, its candidates, and a lab over it whose sandbox a test may spoil.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use swe_assay::inside::console::Console;
use swe_assay::inside::intake::{Wanted, import_folders, read_generations, repository_path, write_import};
use swe_assay::inside::journal::RunDir;
use swe_assay::inside::judge::DeadlineRule;
use swe_assay::inside::lab::{Admissions, Lab, Located, Samples, Settings, recompute};
use swe_assay::inside::model::admission::Admission;
use swe_assay::inside::model::instance::Environment;
use swe_assay::inside::model::trial::Limits;
use swe_assay::inside::model::verdict::Verdict;
use swe_assay::inside::sandbox::cell::Cell;
use swe_assay::inside::sandbox::docker::Docker;
use swe_assay::inside::sandbox::{Engine, Sandbox};
use swe_assay::inside::shelf::Shelf;

use crate::support::shared_cache;

pub const BASE: &str = "def double(x):\n    return x + x + 1\n\n\ndef keep(x):\n    return x\n";
const FIXED: &str = "def double(x):\n    return x + x\n\n\ndef keep(x):\n    return x\n";

/// As right, and another tree than gold's, of which runs are known from admission.
pub const RIGHT: &str = "def double(x):\n    return 2 * x\n\n\ndef keep(x):\n    return x\n";

/// Two tests that the change mends, two that it must keep, and one that writes a file of the repository as it runs.
pub const TESTS: &str = r#"import os
import pathlib
import unittest

from calc import double, keep


class Doubling(unittest.TestCase):
    def test_even(self):
        expected = pathlib.Path(__file__).with_name("expected.txt").read_text()
        self.assertEqual(double(2), int(expected))

    def test_odd_now_and_then(self):
        self.assertEqual(double(3), 6)
        self.assertNotEqual(os.environ.get("ROLL"), "bad")


class Keeping(unittest.TestCase):
    def test_keep(self):
        self.assertEqual(keep(1), 1)

    def test_now_and_then(self):
        self.assertNotEqual(os.environ.get("ROLL"), "bad")

    def test_writes_its_own_data(self):
        path = pathlib.Path(__file__).with_name("own.txt")
        path.write_text(path.read_text())
"#;

/// A skill and what is answered.
pub type Answer = (&'static str, String);

/// Answers of the repair skill that replace `calc.py`.
pub fn repairs(sources: &[&str]) -> Vec<Answer> {
    let answer = |source: &&str| {
        format!("```python\n### calc.py\n<<<<<<< SEARCH\n{BASE}=======\n{source}>>>>>>> REPLACE\n```\n")
    };
    sources.iter().map(|source| ("repair", answer(source))).collect()
}

pub struct World {
    folder: tempfile::TempDir,
    console: Console,
    engine: Engine,
    located: Located,
    admissions: Admissions,
    /// A cache whose outcomes are used and kept; none in other tests.
    pub reuse: Option<PathBuf>,
    /// What Ctrl-C sets.
    pub cancel: Arc<AtomicBool>,
    kind: Kind,
}

/// What may differ from world to world.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    /// A file of both trees, so that no other world has this one's image.
    pub mark: String,
    pub limits: Limits,
    pub deadline: DeadlineRule,
    /// Longest time of a trial, instead of a minute.
    pub longest_ms: Option<u64>,
    /// Further files of both trees: path and text.
    pub more: Vec<(String, String)>,
    /// Fail-to-pass tests that the instance lists.
    pub listed: Vec<String>,
}

pub fn cell() -> Arc<Cell> {
    Arc::new(Cell::new(env!("CARGO_BIN_EXE_assay").into(), Arc::new(AtomicBool::new(false))))
}

pub fn containers() -> Arc<Docker> {
    Arc::new(Docker::connect().unwrap())
}

impl World {
    /// The repository imported and admitted.
    pub fn admitted(engine: Engine) -> Self {
        Self::admitted_as(engine, Kind::default())
    }

    /// The same, of another kind.
    pub fn admitted_as(engine: Engine, kind: Kind) -> Self {
        let world = Self::imported_as(engine, kind);
        let run = world.run("admitted");
        let lab = world.lab(&run);
        let admissions = lab.admit(std::slice::from_ref(&world.located)).unwrap();
        assert!(admissions.refusals().all(|refusal| refusal.is_none()), "{admissions:?}");
        write(&run, &admissions);
        drop(lab);
        Self { admissions, ..world }
    }

    /// The repository imported, nothing run.
    pub fn imported(engine: Engine) -> Self {
        Self::imported_as(engine, Kind::default())
    }

    /// The same, of another kind.
    pub fn imported_as(engine: Engine, kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (base, fix, import) = (folder.path().join("base"), folder.path().join("fix"), folder.path().join("import"));
        for (tree, source) in [(&base, BASE), (&fix, FIXED)] {
            fs::create_dir_all(tree.join("tests")).unwrap();
            fs::write(tree.join("calc.py"), source).unwrap();
            fs::write(tree.join("tests/__init__.py"), "").unwrap();
            fs::write(tree.join("tests/own.txt"), "own\n").unwrap();
            fs::write(tree.join("tests/expected.txt"), "4\n").unwrap();
            fs::write(tree.join("tests/other.txt"), "other\n").unwrap();
            if !kind.mark.is_empty() {
                fs::write(tree.join("mark.txt"), &kind.mark).unwrap();
            }
            kind.more.iter().for_each(|(path, text)| fs::write(tree.join(path), text).unwrap());
        }
        fs::write(base.join("tests/test_calc.py"), "import unittest\n").unwrap();
        fs::write(fix.join("tests/test_calc.py"), TESTS).unwrap();
        let wanted = Wanted {
            problem_statement: "double(2) is 5".to_owned(),
            instance_id: Some("small__calc".to_owned()),
            repo: Some("small/calc".to_owned()),
            license: Some("Apache-2.0".to_owned()),
            environment: Environment {
                recipe: Some("python-stdlib".to_owned()),
                framework: "unittest".to_owned(),
                ..Environment::default()
            },
            ..Wanted::default()
        };
        let mut instance = import_folders(&base, &fix, wanted, &import).unwrap();
        if !kind.listed.is_empty() {
            instance.fail_to_pass = kind.listed.clone();
        }
        write_import(&import, std::slice::from_ref(&instance), &[]).unwrap();
        let repository = repository_path(&import, &instance.repo);
        let kept = Shelf::new().unwrap().keep(&instance).unwrap();
        let located = Located { instance_id: instance.instance_id, instance: kept, repository };
        let (console, admissions) = (Console::default(), Admissions::new().unwrap());
        Self { folder, console, engine, located, admissions, reuse: None, cancel: Arc::default(), kind }
    }

    /// Where a run directory is.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where `assay import` would have put it.
    pub fn import(&self) -> PathBuf {
        self.folder.path().join("import")
    }

    /// A copy of the run directory of the admission.
    pub fn copy_run(&self, to: &Path) {
        copy(&self.folder.path().join("admitted"), to);
    }

    fn run(&self, name: &str) -> RunDir {
        let run = RunDir::open(&self.folder.path().join(name)).unwrap();
        run.write_lines("instances.jsonl", [self.located.instance.read().unwrap()]).unwrap();
        run
    }

    fn lab<'a>(&'a self, run: &'a RunDir) -> Lab<'a> {
        let settings = Settings {
            workers: 1,
            repeats: 3,
            limits: Limits { deadline_ms: self.kind.longest_ms.unwrap_or(60_000), ..self.kind.limits.clone() },
            deadline: self.kind.deadline,
            memory_budget: 16 << 30,
            repeat_all: false,
            full: false,
            attempts: 3,
            evidence: swe_assay::inside::model::verdict::Evidence::E2,
            minimal_gold: false,
            accept_lost: false,
            changed_tests: false,
            sessions: None,
            cache: self.reuse.clone().unwrap_or_else(shared_cache),
            reuse: self.reuse.is_some(),
            image_budget: None,
        };
        Lab::open(run, &self.console, self.engine.clone(), settings, self.cancel.clone()).unwrap()
    }

    /// Verdicts on sources of `calc.py`.
    pub fn verdicts(&self, name: &str, sandbox: Option<Arc<dyn Sandbox>>, sources: &[&str]) -> Vec<Verdict> {
        self.verdicts_on(name, sandbox, &repairs(sources))
    }

    /// Verdicts on answers, after an admission in a sound sandbox, with trials going through `sandbox`. `assay judge` must
    /// say the same from the run directory.
    pub fn verdicts_on(&self, name: &str, sandbox: Option<Arc<dyn Sandbox>>, answers: &[Answer]) -> Vec<Verdict> {
        copy(&self.folder.path().join("admitted"), &self.folder.path().join(name));
        let run = self.run(name);
        let lab = match sandbox {
            Some(sandbox) => self.lab(&run).with_sandbox(sandbox),
            None => self.lab(&run),
        };
        self.judged(&run, lab, &self.admissions, answers)
    }

    /// The admission, with warm-up and trials going through `sandbox`.
    pub fn admission_through(&self, name: &str, sandbox: Arc<dyn Sandbox>) -> anyhow::Result<Admission> {
        let run = self.run(name);
        let lab = self.lab(&run).with_sandbox(sandbox);
        let admissions = lab.admit(std::slice::from_ref(&self.located))?;
        Ok(admissions.read(&self.located.instance_id)?.unwrap())
    }

    /// Verdicts with the admission too going through `sandbox`.
    pub fn verdicts_from_the_start(&self, name: &str, sandbox: Arc<dyn Sandbox>, sources: &[&str]) -> Vec<Verdict> {
        let run = self.run(name);
        let lab = self.lab(&run).with_sandbox(sandbox);
        let admissions = lab.admit(std::slice::from_ref(&self.located)).unwrap();
        write(&run, &admissions);
        self.judged(&run, lab, &admissions, &repairs(sources))
    }

    fn judged(&self, run: &RunDir, lab: Lab, admissions: &Admissions, answers: &[Answer]) -> Vec<Verdict> {
        let mut samples = self.samples(run, answers);
        let tally = lab.verify(std::slice::from_ref(&self.located), admissions, &mut samples).unwrap();
        drop(lab);
        let written = || ["verdicts.jsonl", "receipts.jsonl"].map(|name| fs::read(run.path().join(name)).unwrap());
        let before = written();
        assert_eq!(recompute(run).unwrap(), tally, "the same from what was recorded");
        assert_eq!(written(), before, "the same from what was recorded");
        run.read_lines("verdicts.jsonl").unwrap()
    }

    fn samples(&self, run: &RunDir, answers: &[Answer]) -> Samples {
        let path: PathBuf = self.folder.path().join("generations.jsonl");
        let rows = answers.iter().enumerate().map(|(index, (skill, completion))| {
            let row = json!({"instance_id": "small__calc", "skill": skill, "completion": completion, "index": index});
            format!("{row}\n")
        });
        fs::write(&path, rows.collect::<String>()).unwrap();
        let known = [self.located.instance_id.clone()].into();
        let mut samples = Samples::default();
        read_generations(&path, &known, &mut |place, generation| samples.keep(run.blobs(), &generation, &place))
            .unwrap();
        samples
    }
}

fn write(run: &RunDir, admissions: &Admissions) {
    let admissions: Vec<_> = admissions.each().map(Result::unwrap).collect();
    run.write_lines("admissions.jsonl", &admissions).unwrap();
}

/// Copies the files of a run directory into another.
pub fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
