//! Small made-up trees of each kind: what is chosen of them, and what is said.

use std::collections::BTreeMap;

use super::locks::constraints;
use super::read;
use super::requires_python::RequiresPython;
use super::tree::Tree;
use crate::language::Files;
use crate::language::needs::{Asked, AskedFile, Needs};

/// A tree by its files.
struct Made(BTreeMap<String, String>);

impl Made {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for Made {
    fn base(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn trusted(&self) -> anyhow::Result<Vec<String>> {
        self.base()
    }

    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).map(|text| text.clone().into_bytes()))
    }
}

fn needs_of(files: &[(&str, &str)], asked: &Asked, given: &[&str]) -> anyhow::Result<Needs> {
    let made = Made::of(files);
    let given: Vec<String> = given.iter().map(|&line| line.to_owned()).collect();
    read(&Tree::new(&made)?, asked, &given)
}

fn chosen(files: &[(&str, &str)]) -> Needs {
    needs_of(files, &Asked::default(), &[]).unwrap()
}

/// `source: line, line`, and extras and locks behind.
fn listed(needs: &Needs) -> Vec<String> {
    let mut listed: Vec<String> =
        needs.declared.iter().map(|list| format!("{}: {}", list.source, list.requirements.join(", "))).collect();
    listed.extend(needs.extras.iter().map(|name| format!("extra {name}")));
    listed.extend(needs.locks.iter().map(|path| format!("lock {path}")));
    listed
}

/// A kind of tree: its files, and what is taken.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [&'c str]);

const CASES: &[Case<'static>] = &[
    (
        "a plain requirement file that installs the project too is for development",
        &[
            ("pyproject.toml", "[project]\nname = 'shop'\ndependencies = []\n"),
            ("requirements.txt", "# all\n-e .[more]  # this\ntrio==0.31.0\n"),
        ],
        &["requirements.txt: trio==0.31.0"],
    ),
    (
        "one that does not install it is what the project requires, which its packaging says",
        &[("pyproject.toml", "[project]\nname = 'shop'\ndependencies = []\n"), ("requirements.txt", "trio==0.31.0\n")],
        &[],
    ),
    (
        "a module of setuptools that is imported and not declared, unless the tree holds it",
        &[
            ("src/shop/__init__.py", "__import__('pkg_resources').declare_namespace(__name__)\n"),
            ("a.py", "import os\n"),
        ],
        &["the import of pkg_resources in src/shop/__init__.py: setuptools<82"],
    ),
    (
        "the same in a tree that holds the module",
        &[("pkg_resources/__init__.py", ""), ("a.py", "import pkg_resources\n")],
        &[],
    ),
    (
        "groups of PEP 735, with one inside another; docs and lint are left",
        &[(
            "pyproject.toml",
            "[project]\nname = 'x'\n[dependency-groups]\ntest = ['pytest>=8', {include-group = 'Base_Tools'}, 'x[fast]']\n\
             base-tools = ['hypothesis']\ndocs = ['sphinx']\nlint = ['ruff']\n[project.optional-dependencies]\nfast = ['numpy']\n",
        )],
        &["group test of pyproject.toml: pytest>=8, hypothesis, numpy"],
    ),
    (
        "a development group where there is none for tests",
        &[(
            "pyproject.toml",
            "[dependency-groups]\ndev = ['pytest', 'mypy']\ndocs = ['sphinx']\n[project]\nname = 'x'\n",
        )],
        &["group dev of pyproject.toml: pytest, mypy"],
    ),
    (
        "extras that name the project",
        &[(
            "pyproject.toml",
            "[project]\nname = 'attrs'\n[project.optional-dependencies]\ntests = ['attrs[tests-no-zope]', 'zope-interface']\n\
             tests-no-zope = ['attrs[tests-mypy]', 'hypothesis', 'pytest>=4.3.0']\ntests-mypy = ['pytest-mypy-plugins']\n\
             docs = ['sphinx']\ndev = ['attrs[tests]', 'pre-commit']\n",
        )],
        &["extra tests of pyproject.toml: pytest-mypy-plugins, hypothesis, pytest>=4.3.0, zope-interface"],
    ),
    (
        "an extra that no name tells, through tox",
        &[
            (
                "pyproject.toml",
                "[project]\nname = 'pyparsing'\n[project.optional-dependencies]\ndiagrams = ['railroad-diagrams', 'jinja2']\n",
            ),
            ("tox.ini", "[tox]\nenvlist = py{36,37}\n[testenv]\ndeps=coverage\nextras=diagrams\ncommands=unittest\n"),
        ],
        &["testenv of tox.ini: coverage, railroad-diagrams, jinja2"],
    ),
    (
        "requirement files",
        &[
            ("setup.py", "from setuptools import setup\nsetup(name='x', install_requires=[])\n"),
            ("tests/requirements.txt", "-r more.txt\n-e .\npretend\n"),
            ("tests/more.txt", "pytest>=6.2 # why\n--index-url https://x.org\n"),
            ("requirements-dev.txt", "tox\n"),
            ("docs/requirements.txt", "sphinx\n"),
            ("requirements.txt", "numpy\n"),
        ],
        &["tests/requirements.txt: pytest>=6.2, pretend"],
    ),
    (
        "a compiled requirement file is a lock of its source",
        &[
            ("requirements/tests.in", "pytest\nfreezegun\n"),
            ("requirements/tests.txt", "pytest==7.1.1\nfreezegun==1.2.2\n    # via -r requirements/tests.in\n"),
            ("pyproject.toml", "[project]\nname = 'itsdangerous'\n"),
        ],
        &["requirements/tests.in: pytest, freezegun", "lock requirements/tests.txt"],
    ),
    (
        "requirements of what is not packaged",
        &[
            ("requirements.txt", "flask>=2\n"),
            ("requirements-test.txt", "-r requirements.txt\npytest\n"),
            ("app.py", ""),
        ],
        &["requirements.txt: flask>=2", "requirements-test.txt: pytest"],
    ),
    (
        "setup.cfg",
        &[(
            "setup.cfg",
            "[metadata]\nname = x\n[options]\ntests_require =\n    mock\n[options.extras_require]\ntest =\n    pytest\n    six; python_version < '3'\n\
             docs = sphinx\n",
        )],
        &["extra test of setup.cfg: pytest, six; python_version < '3'", "tests_require of setup.cfg: mock"],
    ),
    (
        "setup.py with names and sums",
        &[(
            "setup.py",
            "from setuptools import setup\nE = {'docs': ['sphinx'], 'tests': ['pytest', 'pytz']}\nE['dev'] = E['tests'] + ['tox']\n\
             setup(name='x', extras_require=E, tests_require=['mock'])\n",
        )],
        &["extra tests of setup.py: pytest, pytz", "tests_require of setup.py: mock"],
    ),
    (
        "setup.py that must be run",
        &[(
            "setup.py",
            "from setuptools import setup\nextras = {'test': open('t.txt').read().split(), 'docs': []}\nsetup(name='x', extras_require=extras)\n",
        )],
        &["extra test"],
    ),
    (
        "Poetry, groups and the legacy table",
        &[
            (
                "pyproject.toml",
                "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.9'\nrequests = {version = '^2', optional = true}\n\
                 [tool.poetry.extras]\ntest = ['requests']\n[tool.poetry.group.test.dependencies]\npytest = '^8.0'\nfoo = {path = '../foo'}\n\
                 [tool.poetry.dev-dependencies]\nblack = '*'\n",
            ),
            ("poetry.lock", "[[package]]\nname = 'pytest'\nversion = '8.1.1'\n"),
        ],
        &[
            "group test of [tool.poetry] in pyproject.toml: pytest>=8.0,<9",
            "extra test of [tool.poetry] in pyproject.toml: requests>=2,<3",
            "lock poetry.lock",
        ],
    ),
    (
        "PDM, uv and their development groups",
        &[(
            "pyproject.toml",
            "[project]\nname = 'x'\n[tool.pdm.dev-dependencies]\ntest = ['pytest', '-e file:///${PROJECT_ROOT}/y#egg=y']\nlint = ['ruff']\n\
             [tool.uv]\ndev-dependencies = ['mypy']\n",
        )],
        &["group test of [tool.pdm] in pyproject.toml: pytest"],
    ),
    (
        "Hatch, with what an environment inherits",
        &[(
            "pyproject.toml",
            "[project]\nname = 'x'\n[project.optional-dependencies]\nserver = ['flask']\n[tool.hatch.envs.default]\ndependencies = ['pytest']\n\
             [tool.hatch.envs.test]\nextra-dependencies = ['respx']\nfeatures = ['server']\n[tool.hatch.envs.docs]\ndetached = true\n\
             dependencies = ['mkdocs']\n",
        )],
        &["environment test of [tool.hatch] in pyproject.toml: pytest, respx, flask"],
    ),
    (
        "tox: sections, factors and references",
        &[
            (
                "tox.ini",
                "[base]\ndeps = attrs\n[testenv]\ndeps =\n    {[base]deps}\n    -r{toxinidir}/reqs/t.txt\n    django32: Django>=3.2\n    test: pytest\n\
                 dependency_groups = net\n[testenv:lint]\ndeps = flake8\n[testenv:py311]\ndeps = tomli\n",
            ),
            ("reqs/t.txt", "six\n"),
            ("pyproject.toml", "[project]\nname = 'x'\n[dependency-groups]\nnet = ['httpx']\n"),
        ],
        &["testenv of tox.ini: attrs, six, pytest, httpx", "testenv py311 of tox.ini: tomli"],
    ),
    (
        "tox in TOML",
        &[(
            "pyproject.toml",
            "[project]\nname = 'x'\n[tool.tox.env_run_base]\ndeps = ['pytest', 'mock>=1']\n[tool.tox.env.type]\ndeps = ['mypy']\n",
        )],
        &["testenv of [tool.tox] in pyproject.toml: pytest, mock>=1"],
    ),
    (
        "nox: sessions for tests, as far as they are written down",
        &[
            (
                "noxfile.py",
                "import nox\nNEEDS = ['pytest', 'pretend']\n@nox.session(python=['3.8', '3.12'])\ndef tests(session):\n    session.install('-r', 'tests/r.txt')\n\
                 \x20   session.install('.[net]', *NEEDS)\n    session.run('python', '-m', 'pytest', *session.posargs)\n\
                 @nox.session\ndef lint(session):\n    session.install('ruff')\n\
                 @nox.session(name='unit')\ndef u(s):\n    s.run_install('uv', 'sync', '--group=more', external=True)\n",
            ),
            ("tests/r.txt", "six\n"),
            (
                "pyproject.toml",
                "[project]\nname = 'x'\n[project.optional-dependencies]\nnet = ['httpx']\n[dependency-groups]\nmore = ['respx']\n",
            ),
        ],
        &["session tests of noxfile.py: six, httpx, pytest, pretend", "session unit of noxfile.py: respx"],
    ),
    (
        "an environment that names the runner alone says nothing of what tests import",
        &[
            ("tox.ini", "[testenv]\ndeps = pytest\n"),
            ("pyproject.toml", "[project]\nname = 'x'\n[project.optional-dependencies]\ndev = ['hypothesis']\n"),
        ],
        &["testenv of tox.ini: pytest", "extra dev of pyproject.toml: hypothesis"],
    ),
    (
        "tools that tests run under and do not import",
        &[("tests/requirements.txt", "tox==3.5.2\npre-commit\nsix\n"), ("pyproject.toml", "[project]\nname = 'x'\n")],
        &["tests/requirements.txt: six"],
    ),
    (
        "Pipenv",
        &[
            ("Pipfile", "[packages]\nflask = '*'\n[dev-packages]\npytest = '==8.1.1'\nx = {path = '.'}\n"),
            ("Pipfile.lock", "{\"default\": {\"flask\": {\"version\": \"==3.0.0\"}}}"),
        ],
        &["packages of Pipfile: flask", "group dev of Pipfile: pytest==8.1.1", "lock Pipfile.lock"],
    ),
    (
        "a key of setup.py that may be no extra takes nobody's place",
        &[
            (
                "setup.py",
                "from setuptools import setup\nenv = {'test': get(), 'dev': get()}\nsetup(name='x', install_requires=[], extras_require=env['x'])\n",
            ),
            ("requirements-dev.txt", "hypothesis\n"),
            ("pyproject.toml", "[dependency-groups]\ndev = ['six']\n"),
        ],
        &["group dev of pyproject.toml: six", "requirements-dev.txt: hypothesis", "extra test"],
    ),
    (
        "a requirement file beside settings of tools",
        &[
            ("pyproject.toml", "[tool.black]\nline-length = 100\n"),
            ("setup.py", "from setuptools import setup\nsetup(name='x')\n"),
            ("requirements.txt", "numpy\n"),
            ("requirements-test.txt", "pytest\n"),
        ],
        &["requirements.txt: numpy", "requirements-test.txt: pytest"],
    ),
    ("nothing", &[("a.py", ""), ("pyproject.toml", "[project]\nname = 'x'\n")], &[]),
];

#[test]
fn what_suits_tests_is_chosen_from_every_kind_of_file() {
    for (what, files, expected) in CASES {
        let needs = chosen(files);
        assert_eq!(listed(&needs), *expected, "{what}: {:#?}", needs.told);
    }
}

#[test]
fn files_that_name_one_another_without_end_are_read_in_bounds_and_told() {
    let many: String =
        (0..15).map(|at| format!("[s{at}]\ndeps =\n{}", format!("    {{[s{}]deps}}\n", at + 1).repeat(10))).collect();
    let tox = format!("[testenv]\ndeps = {{[s0]deps}}\n{many}[s15]\ndeps = six\n");
    assert_eq!(listed(&chosen(&[("tox.ini", &tox)])), ["testenv of tox.ini: six"]);

    let chain: String = (0..50_000).map(|at| format!("[s{at}]\ndeps = {{[s{}]deps}}\n", at + 1)).collect();
    let tox = format!("[testenv]\ndeps =\n    six\n    {{[s0]deps}}\n{chain}");
    let needs = chosen(&[("tox.ini", &tox)]);
    assert_eq!(listed(&needs), ["testenv of tox.ini: six"]);
    assert!(needs.told[0].contains("too many sections name one another"), "{:?}", needs.told);

    let names: Vec<(String, String)> = (0..20_000)
        .map(|at| (format!("r/{at}.txt"), format!("p{at}\n-r {}.txt\n-c {}.txt\n", at + 1, at + 1)))
        .collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("tests/requirements.txt", "six\n-r ../r/0.txt\n"));
    let needs = chosen(&files);
    assert!(needs.declared[0].requirements.len() < 100);
    assert!(needs.told.join("\n").contains("too many are inside one another"), "{:?}", needs.told);
    let made = Made::of(&files);
    let tree = Tree::new(&made).unwrap();
    assert!(constraints(&tree, &["r/0.txt".to_owned()]).unwrap().len() < 100);
    assert!(tree.notes()[0].contains("a chain of more than 50 requirement files"), "{:?}", tree.notes());

    let groups: String = (0..20_000).map(|at| format!("g{at} = [{{include-group = 'g{}'}}]\n", at + 1)).collect();
    let pyproject = format!("[dependency-groups]\ntest = ['six', {{include-group = 'g0'}}]\n{groups}");
    assert_eq!(listed(&chosen(&[("pyproject.toml", &pyproject)])), ["group test of pyproject.toml: six"]);
}

#[test]
fn what_was_taken_and_what_was_left_out_is_told() {
    let needs = chosen(&[
        (
            "pyproject.toml",
            "[project]\nname = 'x'\n[dependency-groups]\ntest = ['pytest', 'y @ file:///y', 'new>=', {include-group = 'gone'}, 1]\n",
        ),
        ("tests/requirements.txt", "-r gone.txt\n-c limits.txt\n--pre\n./vendored\nsix\n"),
        ("tests/limits.txt", "six<2\n"),
        ("uv.lock", ""),
    ]);
    assert_eq!(
        needs.told,
        [
            "for the tests, from group test of pyproject.toml: pytest; left out: 1 (it is neither a requirement nor another group), group gone \
             (there is none of this name), new>= (it is not a requirement), y @ file:///y (it is an address and not a name; --with takes it)",
            "for the tests, from tests/requirements.txt: six; left out: --pre (it is an option), -r tests/gone.txt (the tree has no such file), \
             ./vendored (it is a path or an address and not a name)",
            "in the versions of tests/limits.txt, uv.lock, if everything can be installed in them",
        ]
    );
    let nothing = chosen(&[("a.py", "")]);
    assert_eq!(
        nothing.told,
        ["the base tree declares nothing for its tests; if they need something, name it with --with"]
    );
    let built =
        chosen(&[("setup.py", "from setuptools import setup\nsetup(extras_require={'test': open('x').read()})\n")]);
    assert_eq!(built.told, ["for the tests, once the project is built: what its metadata requires for extra test"]);
}

#[test]
fn files_that_cannot_be_read_are_told_and_skipped() {
    let needs = chosen(&[
        ("pyproject.toml", "[project\n"),
        ("setup.py", "setup(\n"),
        ("noxfile.py", "def ("),
        ("tests/requirements.txt", "six\n"),
        ("hatch.toml", "[envs]\ntest = 3\n"),
    ]);
    assert_eq!(listed(&needs), ["tests/requirements.txt: six"]);
    let told = needs.told.join("\n");
    for part in [
        "pyproject.toml is skipped, because it is not TOML: ",
        "setup.py is skipped, because it is not Python 3",
        "noxfile.py is skipped, because it is not Python 3",
        "environment test of hatch.toml is skipped, because it is not a table",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

const SEVERAL: &[(&str, &str)] = &[
    (
        "pyproject.toml",
        "[project]\nname = 'x'\n[project.optional-dependencies]\ntests = ['pytz']\nnet = ['httpx']\n[dependency-groups]\ntest = ['pytest']\n\
         docs = ['sphinx']\n",
    ),
    ("tests/requirements.txt", "six\n"),
];

#[test]
fn what_is_named_is_taken_and_nothing_else() {
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let asked = Asked {
        groups: texts(&["Docs"]),
        extras: texts(&["net"]),
        files: vec![
            AskedFile { path: "tests/requirements.txt".to_owned(), text: None },
            AskedFile { path: "/home/me/mine.txt".to_owned(), text: Some("mock\n-r other.txt\n".to_owned()) },
        ],
    };
    let needs = needs_of(SEVERAL, &asked, &[]).unwrap();
    assert_eq!(
        listed(&needs),
        [
            "group docs of pyproject.toml: sphinx",
            "extra net of pyproject.toml: httpx",
            "tests/requirements.txt of the base tree: six",
            "/home/me/mine.txt on disk: mock",
        ]
    );
    assert!(
        needs.told.join("\n").contains("-r other.txt (it is beside a file on disk; give it with --requirements too)")
    );
}

#[test]
fn a_name_that_is_not_there_is_refused_with_those_that_are() {
    let refused = |asked: &Asked, files| needs_of(files, asked, &[]).unwrap_err().to_string();
    let one = |name: &str| vec![name.to_owned()];
    assert_eq!(
        refused(&Asked { groups: one("tests"), ..Asked::default() }, SEVERAL),
        "--group tests: the base tree declares no such one; of those that it has there are test, docs"
    );
    assert_eq!(
        refused(&Asked { extras: one("x"), ..Asked::default() }, &[("a.py", "")]),
        "--extra x: the base tree declares none; name what the tests need with --with"
    );
    let file = AskedFile { path: "no.txt".to_owned(), text: None };
    assert_eq!(
        refused(&Asked { files: vec![file], ..Asked::default() }, SEVERAL),
        "--requirements no.txt: neither the base tree nor the disk has such a file"
    );
}

#[test]
fn a_requirement_of_the_user_takes_the_place_of_a_declared_one() {
    let needs = needs_of(SEVERAL, &Asked::default(), &["Six==1.16"]).unwrap();
    assert_eq!(listed(&needs), ["group test of pyproject.toml: pytest", "extra tests of pyproject.toml: pytz"]);
    assert!(needs.told.contains(
        &"for the tests, from tests/requirements.txt: left out: six (--with names this distribution)".to_owned()
    ));
}

#[test]
fn locks_fix_what_has_one_version_of_the_index() {
    let files = Made::of(&[
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = 'x'\nversion = '0.1'\nsource = { editable = '.' }\n[[package]]\nname = 'Foo_Bar'\nversion = '1.2'\n\
             source = { registry = 'https://pypi.org/simple' }\n[[package]]\nname = 'two'\nversion = '1'\n[[package]]\nname = 'two'\nversion = '2'\n",
        ),
        (
            "poetry.lock",
            "[[package]]\nname = 'a'\nversion = '1'\n[[package]]\nname = 'b'\nversion = '2'\n[package.source]\ntype = 'git'\nurl = 'u'\n",
        ),
        (
            "pylock.toml",
            "lock-version = '1.0'\n[[packages]]\nname = 'c'\nversion = '3'\n[[packages]]\nname = 'foo-bar'\nversion = '9'\n",
        ),
        (
            "Pipfile.lock",
            "{\"_meta\": {}, \"default\": {\"d\": {\"version\": \"==4\"}}, \"develop\": {\"e\": {\"git\": \"u\"}}}",
        ),
        ("r/tests.txt", "-r base.txt\nf==5 \\\n    --hash=sha256:00\ng[x]==6\ni @ https://x.org/i.whl\n"),
        ("r/base.txt", "h<7\n"),
        ("pdm.lock", "not = toml = \n"),
    ]);
    let tree = Tree::new(&files).unwrap();
    let paths = ["uv.lock", "poetry.lock", "pylock.toml", "Pipfile.lock", "r/tests.txt", "pdm.lock"].map(str::to_owned);
    let lines: Vec<String> = constraints(&tree, &paths).unwrap().into_iter().map(|one| one.line).collect();
    assert_eq!(lines, ["foo-bar==1.2", "a==1", "c==3", "d==4", "h<7", "f==5"]);
    for (path, text) in [
        ("uv.lock", "[[package]]\nname = 'a'\nversion = \"1\\n--index-url https://x.org\"\n"),
        ("uv.lock", "[[package]]\nname = \"a\\n-r x\"\nversion = '1'\n[[package]]\nname = 'b'\nversion = '1 --pre'\n"),
        ("Pipfile.lock", "{\"default\": {\"a\": {\"version\": \"==1\\n--pre\"}, \"b\": {\"version\": \"== 1\"}}}"),
        ("r.txt", "a ; os_name == '\r--pre\r'\n"),
    ] {
        let files = Made::of(&[(path, text)]);
        assert_eq!(constraints(&Tree::new(&files).unwrap(), &[path.to_owned()]).unwrap(), [], "{text}");
    }
    assert!(tree.notes()[0].starts_with("pdm.lock is skipped, because it is not TOML: "), "{:?}", tree.notes());
}

/// Files, what they ask for, versions that fit, versions that do not.
type Bounds<'b> = (&'b [(&'b str, &'b str)], Option<&'b str>, &'b [&'b str], &'b [&'b str]);

#[test]
fn the_versions_of_python_are_read_from_every_kind_of_file() {
    let table: &[Bounds] = &[
        (
            &[
                ("pyproject.toml", "[project]\nrequires-python = '>=3.12'\n"),
                ("setup.cfg", "[options]\npython_requires = >=3.6\n"),
            ],
            Some("Python >=3.12 (requires-python in pyproject.toml)"),
            &["3.12.1"],
            &["3.11.7"],
        ),
        (
            &[("pyproject.toml", "[tool.poetry.dependencies]\npython = '~2.7 || ^3.9'\n")],
            Some("Python ~2.7 || ^3.9 ([tool.poetry] in pyproject.toml)"),
            &["3.9.18", "3.13.0", "2.7.18"],
            &["3.8.18"],
        ),
        (
            &[("setup.cfg", "[options]\npython_requires = >=3.8,<3.11\n")],
            Some("Python >=3.8,<3.11 (python_requires in setup.cfg)"),
            &["3.10.13"],
            &["3.11.7"],
        ),
        (
            &[("setup.py", "import setuptools\nPY = '>=3.10'\nsetuptools.setup(python_requires=PY)\n")],
            Some("Python >=3.10 (python_requires in setup.py)"),
            &["3.11.7"],
            &["3.9.18"],
        ),
        (&[("setup.py", "import setuptools\nsetuptools.setup(python_requires=get())\n")], None, &[], &[]),
        (&[("pyproject.toml", "[project]\nrequires-python = 'new'\n")], None, &[], &[]),
    ];
    for (files, told, fitting, others) in table {
        let made = Made::of(files);
        let found = RequiresPython::of_tree(&Tree::new(&made).unwrap()).unwrap();
        assert_eq!(found.as_ref().map(ToString::to_string).as_deref(), *told);
        let fits = |version: &&&str| found.as_ref().is_some_and(|found| found.fits(version));
        assert!(fitting.iter().all(|version| fits(&version)), "{told:?}");
        assert!(!others.iter().any(|version| fits(&version)), "{told:?}");
    }
}
