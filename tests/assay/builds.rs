//! Projects with a built part: a module in C, one in Cython, a generated version. What is built is what runs, and an answer that
//! changes what it is built from is neither verified nor rejected.

use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::environment_error::EnvironmentError;
use swe_assay::inside::images::python::build::Ground;
use swe_assay::inside::images::python::environment::Environments;
use swe_assay::inside::images::python::recipe::Recipe;
use swe_assay::inside::sandbox::FileChange;

use crate::harness::{Need, Test, skip, tests};
use crate::mixer::{self, Tree, edit, verified};
use crate::support::assay;

const SETUP: &str = "from setuptools import Extension, setup\n\nsetup(\n    name=\"mixer\",\n    version=\"1.0\",\n    \
                     packages=[\"mixer\"],\n    ext_modules=[Extension(\"mixer._fast\", [\"mixer/_fast.c\"])],\n)\n";
const C: &str = "#include <Python.h>\n\nstatic PyObject *total(PyObject *self, PyObject *args) {\n    long a, b;\n    if \
                 (!PyArg_ParseTuple(args, \"ll\", &a, &b)) return NULL;\n    return PyLong_FromLong(a + b);\n}\n\nstatic \
                 PyMethodDef methods[] = {{\"total\", total, METH_VARARGS, \"\"}, {NULL, NULL, 0, NULL}};\nstatic struct \
                 PyModuleDef module = {PyModuleDef_HEAD_INIT, \"_fast\", NULL, -1, methods};\nPyMODINIT_FUNC \
                 PyInit__fast(void) { return PyModule_Create(&module); }\n";
const SUM: &str = "    return PyLong_FromLong(a + b);\n";
const PLAIN: &str = "    return part * 100 // whole\n";
const ROUNDED: &str = "    return round(part * 100 / whole)\n";
const OFF: &str = "    return PyLong_FromLong(a + b - 1);\n";
const CORE: &str =
    "from mixer._fast import total\n\n\ndef ratio(part, whole):\n    return total(part * 100, 0) // whole\n";
const FIXED: &str =
    "from mixer._fast import total\n\n\ndef ratio(part, whole):\n    return round(total(part * 100, 0) / whole)\n";
const BODY: &str = "    return total(part * 100, 0) // whole\n";
const RIGHT: &str = "    return round(total(part * 100, 0) / whole)\n";

/// A test of the suite that holds on both sides, and one that the fix mends.
fn suite(expected: u32) -> String {
    format!(
        "from mixer.core import ratio\n\n\ndef test_half():\n    assert ratio(1, 2) == 50\n\n\ndef test_thirds():\n    assert \
         ratio(2, 3) == {expected}\n"
    )
}

/// A package whose `core.py` is mended, beside files that both sides have.
fn trees(core: [&str; 2], more: &[(&str, &str)]) -> [Tree; 2] {
    let tree = |core: &str, suite: &str| {
        let mut tree = mixer::tree(core, suite);
        tree.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        tree
    };
    [tree(core[0], &suite(66)), tree(core[1], &suite(67))]
}

fn c_module() -> [Tree; 2] {
    trees([CORE, FIXED], &[("setup.py", SETUP), ("mixer/_fast.c", C)])
}

fn new_file(path: &str, text: &str) -> String {
    edit(path, "", text)
}

/// Imports and verifies. Gives the admission, and status, reason and detail of each answer.
fn outcome(folder: &Path, trees: &[Tree; 2], answers: &[String], code: i32) -> (Value, Vec<[String; 3]>) {
    let work = mixer::imported(folder, "pytest", trees, answers, |_| {});
    let output = assay().arg("validate").arg(&work).arg("--run").arg(folder.join("table")).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    if table.contains("cannot reach the package index") {
        skip(Need::PackageIndex, table);
    }
    let (_, admission, verdicts) = verified(folder, &work, &[], code);
    let field = |verdict: &Value, name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
    let told = |verdict: &Value| ["status", "reason", "detail"].map(|name| field(verdict, name));
    (admission, verdicts.iter().map(told).collect())
}

fn assert_answers(found: &[[String; 3]], expected: &[(&str, &str)]) {
    let said: Vec<_> = found.iter().map(|[status, reason, _]| (status.as_str(), reason.as_str())).collect();
    assert_eq!(said, expected, "{found:#?}");
}

const VERIFIED: (&str, &str) = ("verified", "resolved");
const UNBUILT: (&str, &str) = ("inconclusive", "changes_what_is_built");

fn a_module_in_c_is_built_once_and_answers_that_change_what_it_is_built_from_are_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let right = edit("mixer/core.py", BODY, RIGHT);
    let and = |more: String| format!("{right}\n{more}");
    let planted = "def total(a, b):\n    return 67 if a == 200 else 50\n";
    let answers = [
        right.clone(),
        edit("mixer/core.py", BODY, "    return total(part * 100, 9) // whole\n"),
        and(edit("mixer/_fast.c", SUM, "    return PyLong_FromLong(b + a);\n")),
        edit("mixer/_fast.c", SUM, "    return PyLong_FromLong(a + b + 1);\n"),
        new_file("mixer/_fast.py", planted),
        new_file("mixer/_fast/__init__.py", planted),
        and(edit("setup.py", "    packages=[\"mixer\"],\n", "    packages=[\"mixer\", \"tests\"],\n")),
        and(new_file("mixer/_fast.cpython-311-x86_64-linux-gnu.so", "not a module\n")),
        and(new_file("README.md", "# Mixer\n")),
        and(new_file("tools/gen.py", "")),
    ];
    let (admission, found) = outcome(folder.path(), &c_module(), &answers, 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_eq!(admission["fail_to_pass"], json!(["tests/test_core.py::test_thirds"]), "{admission}");
    let built: Vec<_> = admission["trees"]["layout"]["built"]["files"].as_array().unwrap().iter().collect();
    assert!(built.len() == 1 && built[0].as_str().unwrap().starts_with("mixer/_fast."), "{built:?}");
    assert_answers(
        &found,
        &[
            VERIFIED,
            ("rejected", "still_failing"),
            UNBUILT,
            UNBUILT,
            UNBUILT,
            UNBUILT,
            UNBUILT,
            VERIFIED,
            VERIFIED,
            UNBUILT,
        ],
    );
    let said = "nothing was built of its change of mixer/_fast.c, so no run here shows what the change does";
    assert_eq!(found[2][2], said);
}

fn gold_that_changes_the_source_in_c_is_built_too_and_each_answer_runs_with_what_fits_it() {
    let folder = tempfile::tempdir().unwrap();
    let off = C.replace(SUM, OFF);
    let [mut base, mut gold] = trees([CORE, CORE], &[("setup.py", SETUP)]);
    base.insert("mixer/_fast.c".to_owned(), off.clone());
    gold.insert("mixer/_fast.c".to_owned(), C.to_owned());
    let suite = "from mixer.core import ratio\n\n\ndef test_whole():\n    assert ratio(1, 1) == 100\n\n\ndef test_type():\n    \
                 assert isinstance(ratio(1, 1), int)\n";
    gold.insert("tests/test_core.py".to_owned(), suite.to_owned());
    let answers = [
        edit("mixer/_fast.c", OFF, SUM),
        edit("mixer/_fast.c", OFF, "    return PyLong_FromLong(b + a);\n"),
        edit("mixer/core.py", BODY, "    return total(part * 100, 1) // whole\n"),
        edit("mixer/core.py", BODY, "    return int(total(part * 100, 0) // whole)\n"),
    ];
    let (admission, found) = outcome(folder.path(), &[base, gold], &answers, 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_eq!(admission["fail_to_pass"], json!(["tests/test_core.py::test_whole"]), "{admission}");
    assert_answers(&found, &[VERIFIED, UNBUILT, VERIFIED, ("rejected", "still_failing")]);
    let mut validate = assay();
    validate.arg("validate").arg(folder.path().join("work")).arg("--minimal-gold");
    let output = validate.arg("--run").arg(folder.path().join("minimal")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--minimal-gold is not done for it, because gold changes mixer/_fast.c"), "{said}");
}

/// Gold turns a rounding on by `setup.py` alone, and mends a function. What its packaging makes is laid into every answer.
fn what_gold_s_packaging_makes_is_measured_on_base_so_that_it_verifies_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let off = C.replace(SUM, &format!("#ifdef RIGHT\n{SUM}#else\n{OFF}#endif\n"));
    let defined = SETUP.replace(".c\"])", ".c\"], define_macros=[(\"RIGHT\", \"1\")])");
    assert!(off != C && defined != SETUP, "base and gold are to be built otherwise");
    let [mut base, mut gold] = trees([CORE, FIXED], &[("mixer/_fast.c", &off)]);
    base.insert("setup.py".to_owned(), SETUP.to_owned());
    gold.insert("setup.py".to_owned(), defined);
    let test = "\n\ndef test_whole():\n    assert ratio(1, 1) == 100\n";
    gold.get_mut("tests/test_core.py").unwrap().push_str(test);
    let nothing = "    # Nothing is mended.\n    return total(part * 100, 0) // whole\n";
    let answers = [edit("mixer/core.py", BODY, RIGHT), edit("mixer/core.py", BODY, nothing)];
    let (admission, found) = outcome(folder.path(), &[base, gold], &answers, 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_eq!(admission["fail_to_pass"], json!(["tests/test_core.py::test_thirds"]), "{admission}");
    assert_answers(&found, &[VERIFIED, ("rejected", "still_failing")]);
}

fn an_extension_that_gold_brings_is_built_though_base_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let pure = format!("def ratio(part, whole):\n{PLAIN}");
    let plain_setup = "from setuptools import setup\n\nsetup(name=\"mixer\", version=\"1.0\", packages=[\"mixer\"])\n";
    let [mut base, mut gold] = trees([&pure, FIXED], &[]);
    base.insert("setup.py".to_owned(), plain_setup.to_owned());
    gold.insert("setup.py".to_owned(), SETUP.to_owned());
    gold.insert("mixer/_fast.c".to_owned(), C.to_owned());
    let as_gold = format!("{}\n{}", edit("mixer/core.py", &pure, FIXED), new_file("mixer/_fast.c", C));
    let answers = [
        as_gold.clone(),
        as_gold.replace("(a + b)", "(b + a)"),
        edit("mixer/core.py", PLAIN, ROUNDED),
        edit("mixer/core.py", &pure, FIXED),
    ];
    let (admission, found) = outcome(folder.path(), &[base, gold], &answers, 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_answers(&found, &[VERIFIED, UNBUILT, VERIFIED, ("rejected", "still_failing")]);
}

fn a_build_that_fails_refuses_the_instance_with_the_compilers_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut trees = c_module();
    trees.iter_mut().for_each(|tree| drop(tree.insert("mixer/_fast.c".to_owned(), C.replace("a + b", "a + c"))));
    let (admission, _) = outcome(folder.path(), &trees, &[edit("mixer/core.py", BODY, RIGHT)], 4);
    assert_eq!(admission["refusal"], "no_environment", "{admission}");
    let detail = admission["detail"].as_str().unwrap();
    let first =
        "the project cannot be built here: mixer/_fast.c:6:32: error: ‘c’ undeclared (first use in this function)";
    assert!(detail.starts_with(first), "{detail}");
    assert!(detail.ends_with("can name a ready Docker image in environment.image"), "{detail}");
    for noise in ["exit code 1", "Failed building wheel", "Traceback"] {
        assert!(!detail.contains(noise), "{noise}: {detail}");
    }
}

fn a_module_in_cython_is_built_and_its_source_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let setup = SETUP.replace("[Extension(\"mixer._fast\", [\"mixer/_fast.c\"])]", "cythonize(\"mixer/_fast.pyx\")");
    let setup = format!("from Cython.Build import cythonize\n{setup}");
    let system = "[build-system]\nrequires = [\"setuptools\", \"cython\"]\nbuild-backend = \"setuptools.build_meta\"\n";
    let pyx = "def total(long a, long b):\n    return a + b\n";
    let files = [("setup.py", setup.as_str()), ("pyproject.toml", system), ("mixer/_fast.pyx", pyx)];
    let right = edit("mixer/core.py", BODY, RIGHT);
    let answers =
        [right.clone(), format!("{right}\n{}", edit("mixer/_fast.pyx", "    return a + b\n", "    return b + a\n"))];
    let (admission, found) = outcome(folder.path(), &trees([CORE, FIXED], &files), &answers, 0);
    assert!(admission["refusal"].is_null(), "{admission}");
    assert_answers(&found, &[VERIFIED, UNBUILT]);
}

fn a_version_out_of_git_tags_is_generated_and_no_answer_decides_it() {
    let core = CORE
        .replace("from mixer._fast import total", "from mixer._version import version")
        .replace("total(part * 100, 0)", "part * 100");
    let fixed = core.replace("part * 100 // whole", "round(part * 100 / whole)");
    let scm = "[build-system]\nrequires = [\"setuptools>=64\", \"setuptools-scm>=8\"]\nbuild-backend = \"setuptools.build_meta\"\n\
               [project]\nname = \"mixer\"\ndynamic = [\"version\"]\n[tool.setuptools]\npackages = [\"mixer\"]\n[tool.setuptools_scm]\nversion_file = \"mixer/_version.py\"\n";
    let hatch = "[build-system]\nrequires = [\"hatchling\", \"hatch-vcs\"]\nbuild-backend = \"hatchling.build\"\n[project]\nname = \"mixer\"\n\
                 dynamic = [\"version\"]\n[tool.hatch.version]\nsource = \"vcs\"\n[tool.hatch.build.hooks.vcs]\nversion-file = \"mixer/_version.py\"\n\
                 [tool.hatch.build.targets.wheel]\npackages = [\"mixer\"]\n";
    for pyproject in [scm, hatch] {
        let folder = tempfile::tempdir().unwrap();
        let right = edit("mixer/core.py", PLAIN, ROUNDED);
        let answers = [
            right.clone(),
            format!("{right}\n{}", new_file("mixer/_version.py", "raise SystemExit('planted')\n")),
            format!("{right}\n{}", new_file("scripts/release.py", "")),
        ];
        let (admission, found) =
            outcome(folder.path(), &trees([&core, &fixed], &[("pyproject.toml", pyproject)]), &answers, 0);
        assert!(admission["refusal"].is_null(), "{admission}");
        assert_eq!(admission["trees"]["layout"]["built"]["files"], json!(["mixer/_version.py"]), "{admission}");
        assert_answers(&found, &[VERIFIED, VERIFIED, VERIFIED]);
    }
}

fn a_project_of_nothing_but_its_tree_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let core = "def ratio(part, whole):\n    return part * 100 // whole\n";
    let fixed = "def ratio(part, whole):\n    return round(part * 100 / whole)\n";
    let setup_line = |version: &str| format!("setup(name=\"mixer\", version=\"{version}\", packages=[\"mixer\"])\n");
    let setup = format!("from setuptools import setup\n\n{}", setup_line("1.0"));
    let answers = [
        edit("mixer/core.py", PLAIN, ROUNDED),
        format!(
            "{}\n{}",
            edit("mixer/core.py", PLAIN, ROUNDED),
            edit("setup.py", &setup_line("1.0"), &setup_line("1.1"))
        ),
        // Nothing compiles it, so no run shows whether it is right.
        format!("{}\n{}", edit("mixer/core.py", PLAIN, ROUNDED), new_file("mixer/_core.pyx", "broken\n")),
    ];
    let (admission, found) = outcome(folder.path(), &trees([core, fixed], &[("setup.py", &setup)]), &answers, 0);
    assert!(admission["refusal"].is_null() && admission["trees"]["layout"]["built"].is_null(), "{admission}");
    assert_answers(&found, &[VERIFIED, VERIFIED, UNBUILT]);
}

/// Writes what a build sees of the caller into the package.
fn spying_setup(secret: &Path) -> String {
    format!(
        "import os\nfrom setuptools import setup\n\nnames = [n for n in os.environ if n.startswith(('ASSAY_', 'CARGO_MANIFEST'))]\n\
         paths = [p for p in ({:?}, os.path.expanduser('~/.ssh')) if os.path.exists(p)]\nopen('mixer/_seen.py', 'w').write('SEEN = ' + \
         repr(names + paths) + '\\nHOME = ' + repr(os.environ['HOME']))\nsetup(name='mixer', version='1.0', packages=['mixer'])\n",
        secret.display().to_string()
    )
}

fn a_build_in_a_cell_sees_nothing_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let setup = spying_setup(folder.path());
    let core = format!("from mixer._seen import SEEN\n\n\ndef ratio(part, whole):\n{PLAIN}");
    let fixed = core.replace(PLAIN, ROUNDED);
    let mut trees = trees([&core, &fixed], &[("setup.py", &setup)]);
    let test = "\n\ndef test_nothing_is_seen():\n    import mixer._seen as s\n    assert (s.SEEN, s.HOME) == ([], '/tmp/home')\n";
    trees.iter_mut().for_each(|tree| tree.get_mut("tests/test_core.py").unwrap().push_str(test));
    let (admission, found) = outcome(folder.path(), &trees, &[edit("mixer/core.py", PLAIN, ROUNDED)], 0);
    let kept = admission["pass_to_pass"].to_string();
    assert!(kept.contains("test_nothing_is_seen"), "{admission}");
    assert_answers(&found, &[VERIFIED]);
}

fn where_there_is_no_place_for_builds_pip_builds_with_clean_variables_and_an_empty_home() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let environments = Environments::open(cache, None).unwrap();
    let setup = spying_setup(Path::new("/nonexistent"));
    let checkout = |tree: &Path| -> anyhow::Result<()> {
        std::fs::create_dir(tree.join("mixer"))?;
        std::fs::write(tree.join("mixer/__init__.py"), "")?;
        Ok(std::fs::write(tree.join("setup.py"), &setup)?)
    };
    let recipe = Recipe::find("python-pytest").unwrap();
    let ground = Ground { version: None, workshop: None };
    let project = match environments.project(recipe.project, "tree", ground, checkout, &mut |_| ()) {
        Err(error @ EnvironmentError::Unreachable { .. }) => skip(Need::PackageIndex, error.to_string()),
        project => project.unwrap(),
    };
    let built = project.built().unwrap().unwrap();
    let [FileChange::Write { path, content, .. }] = built.files.as_slice() else { panic!("{built:?}") };
    let seen = String::from_utf8_lossy(content);
    assert_eq!(path, "mixer/_seen.py");
    assert!(seen.starts_with("SEEN = []\n") && seen.contains("/scratch/") && seen.ends_with("/home'"), "{seen}");
}

pub const TESTS: &[Test] = tests![
    a_module_in_c_is_built_once_and_answers_that_change_what_it_is_built_from_are_not_judged,
    gold_that_changes_the_source_in_c_is_built_too_and_each_answer_runs_with_what_fits_it,
    what_gold_s_packaging_makes_is_measured_on_base_so_that_it_verifies_no_answer,
    an_extension_that_gold_brings_is_built_though_base_has_none,
    a_build_that_fails_refuses_the_instance_with_the_compilers_words,
    a_module_in_cython_is_built_and_its_source_is_an_input,
    a_version_out_of_git_tags_is_generated_and_no_answer_decides_it,
    a_project_of_nothing_but_its_tree_is_as_it_was,
    a_build_in_a_cell_sees_nothing_of_the_caller,
    where_there_is_no_place_for_builds_pip_builds_with_clean_variables_and_an_empty_home,
];
