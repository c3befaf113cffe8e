use super::*;

fn read(text: &str, script: bool) -> Oracle {
    let project = Project {
        modules: ["pkg", "core"].map(str::to_owned).into(),
        files: ["pkg/__init__.py", "pkg/core.py"].map(str::to_owned).into(),
    };
    screen("tests/test_a.py", text, script, &project)
}

#[test]
fn what_certainly_decides_by_something_else_is_a_fault() {
    let table = [
        (
            "import inspect\nfrom pkg import core\ndef test_a():\n    assert 'round' in inspect.getsource(core.f)\n",
            "source",
        ),
        ("from inspect import getsource as g\nfrom pkg.core import f\ndef test_a():\n    assert g(f)\n", "source"),
        ("import pkg.core\ndef test_a():\n    assert 'x' in open(pkg.core.__file__).read()\n", "source"),
        ("from pathlib import Path\ndef test_a():\n    assert 'x' in Path('pkg/core.py').read_text()\n", "source"),
        (
            "import subprocess\ndef test_a():\n    assert subprocess.check_output(['grep', 'x', 'pkg/core.py'])\n",
            "source",
        ),
        (
            "import subprocess as sp\ndef test_a():\n    assert b'fix' in sp.check_output('git log -1', shell=True)\n",
            "git",
        ),
        ("import os\ndef test_a():\n    assert os.system('git diff --quiet') == 0\n", "git"),
        ("import git\ndef test_a():\n    assert git.Repo('.').head.commit.message\n", "git"),
        ("def test_a():\n    assert open('.git/HEAD').read()\n", "git"),
        ("import requests\ndef test_a():\n    assert requests.get('https://pypi.org/simple').ok\n", "network"),
        (
            "import time\nfrom pkg.core import f\ndef test_a():\n    start = time.time()\n    f()\n    time.sleep(1)\n    took = time.time() - start\n    assert took < 2\n",
            "clock",
        ),
        ("def test_a():\n    try:\n        assert False\n    except AssertionError:\n        pass\n", "catches"),
        (
            "from pkg.core import f\ndef test_a():\n    try:\n        f()\n        raise AssertionError('no')\n    except Exception:\n        print('x')\n",
            "catches",
        ),
        (
            "from pkg.core import f\ndef test_a():\n    print('Issue reproduced' if f() else 'Issue resolved')\n",
            "prints",
        ),
    ];
    for (text, what) in table {
        let found = read(text, false);
        assert_eq!(found.faults.len(), 1, "{text}\n{found:?}");
        assert!(found.faults[0].contains(what), "{text}\n{found:?}");
    }
}

#[test]
fn what_may_be_honest_is_a_doubt() {
    let table = [
        ("import inspect\ndef g(): pass\ndef test_a():\n    assert inspect.getsource(g)\n", Doubt::ReadsSource),
        ("import os, pkg\ndef test_a():\n    assert open(os.path.join(pkg.__file__, '../x'))\n", Doubt::ReadsSource),
        (
            "import subprocess\ndef test_a(tmp_path):\n    subprocess.run(['git', 'log'], cwd=tmp_path)\n",
            Doubt::UsesGit,
        ),
        ("import subprocess\ndef test_a():\n    subprocess.run(['git', 'init', 'x'])\n", Doubt::UsesGit),
        ("import git\ndef test_a(tmp_path):\n    assert git.Repo(tmp_path)\n", Doubt::UsesGit),
        (
            "import requests\ndef test_a(monkeypatch):\n    monkeypatch.setattr(requests, 'get', 1)\n    requests.get('http://x.org')\n",
            Doubt::UsesNetwork,
        ),
        ("import time\ndef test_a():\n    start = time.time()\n    assert time.time() - start < 5\n", Doubt::UsesClock),
        ("import time\ndef test_a():\n    time.sleep(0.1)\n    assert 1\n", Doubt::UsesClock),
        (
            "def test_a():\n    try:\n        assert False\n    except AssertionError:\n        pass\n    assert f() == 1\n",
            Doubt::CatchesOwnFailure,
        ),
        ("def test_a():\n    assert f()\n    print('Issue resolved')\n", Doubt::PrintsVerdict),
        ("def test_a(:\n", Doubt::Unparsed),
    ];
    for (text, doubt) in table {
        let found = read(text, false);
        assert_eq!((found.faults.len(), found.doubts), (0, [doubt].into()), "{text}");
    }
}

#[test]
fn honest_tests_raise_neither() {
    let table = [
        "from pkg.core import f\ndef test_a():\n    assert f(2, 3) == 67\n",
        "import os, pkg\ndef test_a():\n    assert os.path.dirname(pkg.__file__)\n",
        "from pkg.core import f\ndef test_a():\n    try:\n        f()\n        assert False\n    except ValueError:\n        pass\n",
        "def test_a():\n    try:\n        f()\n        assert False, 'no error'\n    except Exception as error:\n        assert 'x' in str(error)\n",
        "def test_a(tmp_path):\n    (tmp_path / 'core.py').write_text('x')\n    with open('pkg/core.py', 'w') as out:\n        out.write('x')\n",
        "from datetime import datetime\ndef test_a():\n    assert f(datetime.now())\n",
        "import socket\ndef test_a():\n    socket.create_connection(('127.0.0.1', 80))\n",
        "import inspect\nfrom pkg.core import f\ndef test_a():\n    assert inspect.signature(f)\n",
    ];
    for text in table {
        let found = read(text, false);
        assert_eq!((found.faults, found.doubts), (Vec::new(), BTreeSet::new()), "{text}");
    }
}

#[test]
fn a_script_prints_its_verdict_and_must_use_the_repository() {
    let table = [
        ("from pkg.core import f\nprint('Issue reproduced' if f() else 'Issue resolved')\n", true),
        ("import importlib\nm = importlib.import_module('pkg.core')\nprint('Issue resolved')\n", true),
        ("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pkg.core'])\n", true),
        ("import os\nprint('Issue resolved' if os.path.exists('fixed') else 'Issue reproduced')\n", false),
    ];
    for (text, uses) in table {
        let found = read(text, true);
        assert_eq!((found.faults.len(), found.uses_project), (0, uses), "{text}");
    }
}
