//! What happens when a Python of a sealed environment starts: the repository is importable and nothing of it runs.

use crate::harness::{Test, tests};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use swe_assay::inside::images::python::project::ProjectMetadata;
use swe_assay::inside::model::trial::{TestPlan, TestReport};
use swe_assay::inside::runner;
use swe_assay::inside::sandbox::SUPPORT_DIR;

const MARKS: &str = "open(__file__ + '.ran', 'w').close()\n";

/// A work tree, and an environment whose project is that tree.
struct Sealed {
    home: tempfile::TempDir,
}

impl Sealed {
    fn with(files: &[(&str, &str)]) -> Self {
        let sealed = Self { home: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            let path = sealed.workdir().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let environment = sealed.home.path().join("env");
        let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&environment).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let site = fs::read_dir(environment.join("lib")).unwrap().next().unwrap().unwrap().path().join("site-packages");
        let project = ProjectMetadata { import_root: "lib".to_owned(), ..ProjectMetadata::default() };
        for (name, text) in project.site_files(sealed.workdir().to_str().unwrap()) {
            fs::write(site.join(name), text).unwrap();
        }
        fs::write(site.join("attire.py"), "").unwrap();
        sealed
    }

    fn workdir(&self) -> PathBuf {
        let path = self.home.path().join("tree");
        fs::create_dir_all(&path).unwrap();
        path.canonicalize().unwrap()
    }

    fn python(&self) -> String {
        self.home.path().join("env/bin/python").display().to_string()
    }

    /// What a program prints.
    fn says(&self, program: &str) -> String {
        let output = Command::new(self.python())
            .args(["-c", program])
            .env_clear()
            .env("ASSAY_PYTHONPATH", self.workdir().join("asked"))
            .current_dir("/")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn unittest(&self, file: &str) -> TestReport {
        let framework = runner::by_name("unittest").unwrap();
        let plan = TestPlan { files: vec![file.to_owned()], ..TestPlan::default() };
        let command = framework.command(&self.python(), self.workdir().to_str().unwrap(), &plan, "n");
        let support = self.home.path().join("support");
        fs::create_dir_all(&support).unwrap();
        for (name, content) in &command.support {
            fs::write(support.join(name), content).unwrap();
        }
        let (stdin, channel) = (self.home.path().join("stdin"), self.home.path().join("channel"));
        fs::write(&stdin, &command.stdin).unwrap();
        let argv = command.argv.iter().map(|word| word.replace(SUPPORT_DIR, support.to_str().unwrap()));
        let output = Command::new("/bin/sh")
            .args(["-c", "channel=$1; shift; exec \"$@\" 3>>\"$channel\"", "sh"])
            .arg(&channel)
            .args(argv)
            .env_clear()
            .envs(&command.env)
            .env("ASSAY_IMPORT_PATH", ".")
            .current_dir(self.workdir())
            .stdin(fs::File::open(stdin).unwrap())
            .output()
            .unwrap();
        let report = framework.parse(&fs::read(channel).unwrap(), false, "n");
        assert!(report.finished, "{output:?}");
        report
    }

    fn ran(&self, path: &str) -> bool {
        Path::new(&format!("{}.ran", self.workdir().join(path).display())).exists()
    }
}

fn the_project_is_importable_and_nothing_of_it_runs_at_start_up() {
    let sealed = Sealed::with(&[
        ("lib/shop.py", "price = 3\n"),
        ("lib/sitecustomize.py", MARKS),
        ("lib/usercustomize.py", MARKS),
        ("sitecustomize.py", MARKS),
        ("asked/sitecustomize/__init__.py", MARKS),
        ("asked/asked_for.py", ""),
        ("lib/json.py", MARKS),
        ("lib/attire.py", "from_the_tree = True\n"),
    ]);
    let program = "import sys, shop, json, asked_for, attire; print(shop.price, json.loads('4'), sys.path)";
    let said = sealed.says(program);
    assert!(said.starts_with("3 4 "), "{said}");
    for path in ["lib/sitecustomize.py", "lib/usercustomize.py", "sitecustomize.py", "asked/sitecustomize/__init__.py"]
    {
        assert!(!sealed.ran(path), "{path}");
    }
    let place = |part: &str| said.find(part).unwrap_or_else(|| panic!("no {part} in {said}"));
    assert!(place("lib-dynload") < place("/tree/asked"), "{said}");
    assert!(place("/tree/lib") < place("site-packages"), "{said}");
}

fn children_of_a_test_find_the_project_by_themselves() {
    let test = "import subprocess, sys, unittest\n\n\nclass A(unittest.TestCase):\n    def test_child(self):\n        \
                for env in (None, {}):\n            said = subprocess.check_output([sys.executable, '-c', 'import shop; \
                print(shop.price)'], cwd='/', env=env)\n            self.assertEqual(said.strip(), b'3')\n";
    let sealed = Sealed::with(&[
        ("lib/shop.py", "price = 3\n"),
        ("lib/sitecustomize.py", MARKS),
        ("sitecustomize.py", MARKS),
        ("usercustomize.py", MARKS),
        ("tests/__init__.py", ""),
        ("tests/test_child.py", test),
    ]);
    let report = sealed.unittest("tests/test_child.py");
    assert!(report.tests["tests/test_child.py::A::test_child"].passed(), "{report:?}");
    assert_eq!(report.shadows.len(), 0, "{:?}", report.shadows);
    assert!(report.modules.contains("attire") && !report.modules.contains("shop"), "{:?}", report.modules);
    for path in ["lib/sitecustomize.py", "sitecustomize.py", "usercustomize.py"] {
        assert!(!sealed.ran(path), "{path}");
    }
}

fn modules_that_stand_in_for_those_of_the_environment_are_reported_with_their_place() {
    let test = "import colorsys\nimport attire\nimport free\nimport unittest\n\n\nclass A(unittest.TestCase):\n    \
                def test_a(self):\n        self.assertTrue(free)\n";
    let sealed = Sealed::with(&[
        ("colorsys.py", ""),
        ("attire/__init__.py", ""),
        ("free.py", ""),
        ("tests/__init__.py", ""),
        ("tests/test_a.py", test),
    ]);
    let report = sealed.unittest("tests/test_a.py");
    let found: Vec<_> = report.shadows.iter().map(|(module, file)| (module.as_str(), file.as_str())).collect();
    assert_eq!(found, [("attire", "attire/__init__.py"), ("colorsys", "colorsys.py")]);
}

pub const TESTS: &[Test] = tests![
    the_project_is_importable_and_nothing_of_it_runs_at_start_up,
    children_of_a_test_find_the_project_by_themselves,
    modules_that_stand_in_for_those_of_the_environment_are_reported_with_their_place,
];
