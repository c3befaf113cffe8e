use std::convert::Infallible;
use std::rc::Rc;

use crate::language::python::Python;
use crate::language::reader::Reader as _;
use crate::language::screen::{self as rules, SourceFile, overlap};
use crate::model::screen::{Finding, Screen, Token};

fn screen<E>(files: &[SourceFile], base_has: impl FnMut(Token) -> Result<bool, E>) -> Result<Screen, E> {
    rules::screen(&Python, files, base_has, || Ok(false))
}

fn everywhere(source: &str) -> std::collections::BTreeSet<Token> {
    rules::everywhere(&Python, source)
}

fn file(base: &str, candidate: &str, gold: &str) -> SourceFile {
    let [base, candidate, gold] = [base, candidate, gold].map(str::to_owned);
    SourceFile { path: "pkg/a.py".to_owned(), base, candidate, gold }
}

/// Tokens that a new file has.
fn found(source: &str) -> Vec<Token> {
    everywhere(source).into_iter().collect()
}

fn never(_: Token) -> Result<bool, Infallible> {
    Ok(false)
}

#[test]
fn strong_tokens_are_found_in_every_dress() {
    use Token::*;
    let table = [
        ("import sys\nif 'pytest' in sys.modules: pass\n", RunnerPresence),
        ("import sys\nx = sys.modules.get('py' + 'test')\n", RunnerPresence),
        ("from sys import modules as loaded\nNAME = 'unit' 'test'\nhere = NAME in loaded\n", RunnerPresence),
        ("import sys\nwanted = ('pytest', 'nose')\nhere = any(n in sys.modules for n in wanted)\n", RunnerPresence),
        ("import os\nif os.environ.get('PYTEST_CURRENT_TEST'): pass\n", RunnerPresence),
        ("import os\nx = os.getenv('\\x50YTEST_VERSION')\n", RunnerPresence),
        ("import os\nx = 'TNERRUC_TSETYP'\ny = 'TSET_TNERRUC_TSETYP'[::-1] in os.environ\n", RunnerPresence),
        ("import sys\nif sys.argv[0].endswith('pytest'): pass\n", RunnerPresence),
        ("import sys\nunder = 'test' in sys.argv[0]\n", RunnerPresence),
        ("import sys\nunder = getattr(sys, '_called_from_test', False)\n", RunnerPresence),
        ("import inspect\nu = any('test_' in f.function for f in inspect.stack())\n", RunnerPresence),
        ("import sys\nu = sys._getframe(1).f_code.co_name.startswith('test')\n", RunnerPresence),
        ("import importlib.util\nu = importlib.util.find_spec('pytest') is not None\n", RunnerPresence),
        ("import assay_channel\n", RunnerPresence),
        ("import os\nos._exit(0)\n", HardExit),
        ("from os import _exit as leave\ndef f():\n    leave(0)\n", HardExit),
        ("import os\ngetattr(os, '_ex' + 'it')(0)\n", HardExit),
        ("__import__('os')._exit(0)\n", HardExit),
        ("import sys\nsys.modules['os']._exit(0)\n", HardExit),
        ("import os\nvars(os)['_exit'](0)\n", HardExit),
        ("import os\nos.__dict__[''.join(['_', 'exit'])](0)\n", HardExit),
        ("import os as o, signal\no.kill(o.getpid(), signal.SIGKILL)\n", HardExit),
        ("import os\no = os\no.abort()\n", HardExit),
        ("x = open('/proc/self/fd').read()\n", ProcessFiles),
        ("x = open('/pr' + 'oc/self/maps').read()\n", ProcessFiles),
        ("import gc\nfor o in gc.get_objects(): pass\n", ObjectScan),
        ("x = object.__subclasses__()\n", ObjectScan),
        ("import sys\nfor m in list(sys.modules.values()): pass\n", ModuleScan),
        ("import sys\nx = [m for m in sys.modules]\n", ModuleScan),
        ("import sys\nx = sorted(sys.modules)\n", ModuleScan),
        ("import sys\nx = sys._getframe(1).f_locals['expected']\n", CallerLocals),
        ("import sys\nx = getattr(sys._getframe(1), 'f_' 'locals')\n", CallerLocals),
        ("import sys\nx = getattr(sys._getframe(1), ''.join(('f_', 'loc', 'als')))\n", CallerLocals),
        ("import sys\nx = getattr(sys._getframe(1), 'slacol_f'[::-1])\n", CallerLocals),
        ("import traceback\ndeep = len(traceback.format_stack()) > 9\n", StackDepth),
        ("from inspect import stack as s\ndeep = len(s()) > 20\n", StackDepth),
        ("import traceback as t\ndeep = len(list(t.walk_stack(None)))\n", StackDepth),
        ("class A(int):\n    def __eq__(self, other):\n        return True\n", AlwaysEqual),
        (
            "class A(str):\n    def __eq__(self, other):\n        'doc'\n        x = 1\n        return not False\n",
            AlwaysEqual,
        ),
        ("class A:\n    __eq__ = lambda self, other: True\n", AlwaysEqual),
        ("class A:\n    def __ne__(self, other): return False\n", AlwaysEqual),
        ("A = type('A', (int,), {'__eq__': lambda *_: 1})\n", AlwaysEqual),
        ("class A: pass\nA.__eq__ = lambda *_: True\n", AlwaysEqual),
        ("class A: pass\nsetattr(A, '__eq__', lambda *_: True)\n", AlwaysEqual),
        ("import unittest\nunittest.TestCase.assertEqual = lambda *_: None\n", PatchesRunner),
        ("from unittest import TestCase as T\nsetattr(T, 'run', None)\n", PatchesRunner),
        ("import _pytest.runner as r\nr.call_runtest_hook = None\n", PatchesRunner),
        ("import sys\nsys.modules['_pytest.reports'].TestReport.passed = True\n", PatchesRunner),
        ("import unittest.case\ndel unittest.case.TestCase.fail\n", PatchesRunner),
        ("import os\nos.write(2, b'x')\n", RawDescriptors),
        ("import os\nfor n in range(3, 30):\n    os.write(n, b'x')\n", RawDescriptors),
        ("x = open(3, 'w')\n", RawDescriptors),
    ];
    for (source, token) in table {
        assert!(found(source).contains(&token), "{token:?} in:\n{source}found {:?}", found(source));
        assert!(token.strong(), "{token:?}");
    }
}

#[test]
fn broad_tokens_only_flag() {
    use Token::*;
    let table = [
        ("from unittest import mock\n", ImportsRunner),
        ("import inspect\ndef f():\n    return inspect.stack()\n", Frames),
        ("import sys\nm = sys.modules[__name__]\n", ModuleTable),
        ("import os\nci = os.environ.get('CI')\n", CiEnvironment),
        ("exec('x = 1')\n", DynamicCode),
        ("import os\nf = getattr(os, name)\n", DynamicCode),
        ("import ctypes\n", Ctypes),
        ("try:\n    f()\nexcept Exception:\n    pass\n", BroadExcept),
        ("try:\n    f()\nexcept:\n    pass\n", BroadExcept),
        ("import atexit\natexit.register(f)\n", ExitHooks),
        ("import sys\nsys.meta_path.insert(0, F())\n", ImportHooks),
        ("import builtins\nbuiltins.open = f\n", PatchesLibrary),
        ("import json\njson.load = f\n", PatchesLibrary),
        ("x.__class__ = Y\n", PatchesLibrary),
        ("import os\nos.fork()\n", ProcessControl),
    ];
    for (source, token) in table {
        assert_eq!(found(source), [token], "{source}");
        let screen = screen(&[file("", source, "")], never).unwrap();
        assert!(screen.suspicious.is_empty() && screen.flags.contains(&token), "{source}");
    }
}

#[test]
fn ordinary_source_has_no_token() {
    let sources = [
        "'''Reads /proc/self and asks for pytest in sys.modules; os._exit(0).'''\n",
        "# os._exit(0), \"pytest\" in sys.modules\n",
        "def f(self):\n    \"PYTEST_CURRENT_TEST\"\n    'x' 'y'\n    return 1\n",
        "class A:\n    def __eq__(self, other):\n        return isinstance(other, A) and self.x == other.x\n",
        "class A:\n    def __eq__(self, other):\n        if self is other:\n            return True\n        return NotImplemented\n",
        "import sys\nif __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n",
        "import os\nfd = os.open(path, os.O_WRONLY)\nos.write(fd, data)\nos.close(fd)\n",
        "text = open(0).read()\n",
        "import re\nPATTERN = re.compile('test')\nif name.startswith('test_'):\n    pass\n",
        "config.update({'testing': True})\nif 'tests' in settings:\n    pass\n",
        "try:\n    f()\nexcept (ValueError, KeyError) as error:\n    raise E from error\n",
        "def modules(self):\n    return self.modules\nfor m in package.modules:\n    pass\n",
        "import os\nos.environ['HOME'] = 'x'\nself.os = os\n",
    ];
    for source in sources {
        assert_eq!(found(source), [], "{source}");
    }
}

#[test]
fn only_added_lines_count_and_what_gold_or_base_does_is_not_suspicious() {
    let hard = "import os\nos._exit(0)\n";
    let suspicious =
        |file: SourceFile, base_has: bool| screen(&[file], |_| Ok::<_, Infallible>(base_has)).unwrap().suspicious;
    let finding = Finding { token: Token::HardExit, path: "pkg/a.py".to_owned(), line: 2 };
    assert_eq!(suspicious(file("", hard, ""), false), [finding]);
    assert_eq!(suspicious(file(hard, &format!("{hard}x = 1\n"), hard), false), [], "base's own line");
    assert_eq!(suspicious(file("os._exit(0)\nimport os\n", hard, ""), false), [], "a moved line");
    assert_eq!(suspicious(file("", hard, hard), false), [], "gold does it in that file");
    assert_eq!(suspicious(file("", hard, ""), true), [], "base does it elsewhere");
    let flagged = screen(&[file("", hard, hard)], never).unwrap();
    assert_eq!(flagged.flags.into_iter().collect::<Vec<_>>(), [Token::HardExit], "still a flag");
}

#[test]
fn a_program_may_end_its_own_process_where_it_is_the_main_program() {
    let suspicious = |sources: &[&str]| {
        let files: Vec<_> = sources.iter().map(|source| file("", source, "")).collect();
        let screen = screen(&files, never).unwrap();
        assert!(screen.flags.contains(&Token::HardExit), "{sources:?}");
        !screen.suspicious.is_empty()
    };
    let main = "import os\nimport logging\nlog = logging.getLogger(__name__)\n\n\ndef main():\n    return 0\n\n\n\
                if __name__ == \"__main__\":\n    code = main()\n    os._exit(code)\n";
    for honest in [main, &main.replace("__name__ == \"__main__\"", "'__main__' == __name__")] {
        assert!(!suspicious(&[honest]), "{honest}");
    }
    for other in [
        "import os\nos._exit(0)\n",
        "import os\n\n\ndef main():\n    os._exit(0)\n\n\nif __name__ == '__main__':\n    main()\n",
        "import os\nif __name__ == '__main__':\n    pass\nelse:\n    os._exit(0)\n",
        "import os\nif __name__ != '__main__':\n    os._exit(0)\n",
        "import os\nif __name__ == '__main__' or True:\n    os._exit(0)\n",
        "import os\nif __name__ == '__main__' or os._exit(0):\n    pass\n",
        "import os\nif __name__ == 'pkg.cli':\n    os._exit(0)\n",
        "import os\nname = '__main__'\nif __name__ == name:\n    os._exit(0)\n",
        "import os\ndef f():\n    if __name__ == '__main__':\n        os._exit(0)\n",
        "import os\nif __name__ == '__main__':\n    os.abort()\n",
        "import os\n__name__ = '__main__'\nif __name__ == '__main__':\n    os._exit(0)\n",
        "import os\nglobals()['__na' 'me__'] = 'x'\nif __name__ == '__main__':\n    os._exit(0)\n",
        "import os\nfor __name__ in x:\n    pass\nif __name__ == '__main__':\n    os._exit(0)\n",
    ] {
        assert!(suspicious(&[other]), "{other}");
    }
    // What may set a name, or run a module under another one.
    for poser in [
        "globals()[key()] = NAME\n",
        "globals().update(names())\n",
        "table = globals()\n",
        "vars()[key()] = NAME\n",
        "import pkg.cli\nvars(pkg.cli)[KEY] = NAME\n",
        "locals()[key()] += NAME\n",
        "from builtins import vars as table\nimport pkg.cli\ntable(pkg.cli)[KEY] = NAME\n",
        "import pkg.cli\npkg.cli.__dict__[KEY] = NAME\n",
        "import pkg.cli\npkg.cli.__dict__.update(names())\n",
        "import pkg.cli\npkg.cli.__dict__ |= names()\n",
        "import pkg.cli\nfill(pkg.cli.__dict__)\n",
        "import pkg.cli\nfor pkg.cli.__dict__[KEY] in names():\n    pass\n",
        "globals()['\\137\\137name\\137\\137'] = NAME\n",
        "import pkg.cli\nsetattr(pkg.cli, KEY, NAME)\n",
        "import pkg.cli\nsetattr(pkg.cli, '__na' + 'me__', NAME)\n",
        "import pkg.cli\nsetattr(*arguments())\n",
        "put = setattr\n",
        "import pkg.cli\nobject.__setattr__(pkg.cli, KEY, NAME)\n",
        "import pkg.cli\npkg.cli.__setattr__(KEY, NAME)\n",
        "import pkg.cli\ngetattr(pkg.cli, '__setattr__')(KEY, NAME)\n",
        "import pkg.cli\npkg.cli.__name__: str = NAME\n",
        "import pkg.cli\npkg.cli.__name__, rest = NAME, 1\n",
        "import pkg.cli\n[pkg.cli.__name__] = [NAME]\n",
        "import pkg.cli\n*pkg.cli.__name__, rest = NAME\n",
        "import pkg.cli\nx = pkg.cli.__name__ = NAME\n",
        "import pkg.cli\nfor pkg.cli.__name__ in [NAME]:\n    pass\n",
        "import pkg.cli\nx = [0 for pkg.cli.__name__ in [NAME]]\n",
        "import pkg.cli\nwith name() as pkg.cli.__name__:\n    pass\n",
        "import pkg.cli\nwith names() as (pkg.cli.__name__, rest):\n    pass\n",
        "with name() as __name__:\n    pass\n",
        "with names() as [__name__, rest]:\n    pass\n",
        "for __name__, rest in names():\n    pass\n",
        "if (__name__ := NAME):\n    pass\n",
        "import pkg.names as __name__\n",
        "from pkg.names import NAME as __name__\n",
        "match names():\n    case [__name__, rest]:\n        pass\n",
        "match names():\n    case {'a': __name__}:\n        pass\n",
        "match names():\n    case str() as __name__:\n        pass\n",
        "try:\n    f()\nexcept E as __name__:\n    pass\n",
        "def __name__():\n    pass\n",
        "def f():\n    global __name__\n",
        "import imp\n",
        "import imp as loader\n",
        "__import__('imp').load_source(NAME, 'pkg/cli.py')\n",
        "from importlib import machinery\n",
        "import importlib.machinery as m\n",
        "import importlib\nimportlib.machinery.ModuleSpec(NAME, None)\n",
        "from importlib._bootstrap import ModuleSpec as S\n",
        "from importlib.util import spec_from_loader\n",
        "import importlib.util as u\nu.spec_from_file_location(NAME, 'pkg/cli.py')\n",
        "import importlib\nspec = importlib.util.find_spec('pkg.cli')\nspec.loader.exec_module(module())\n",
        "import pkg.cli\npkg.cli.__spec__.name = NAME\n",
        "import types\nmodule = types.ModuleType(NAME)\n",
        "import sys\nsys.modules['runpy'].run_path('pkg/cli.py', run_name=NAME)\n",
        "import importlib\nimportlib.import_module('run' + 'py')\n",
        "import cProfile\n",
        "exec(text())\n",
        "import builtins\nrun = builtins.exec\n",
        "x = f'__name__ = {NAME}'\n",
        "def f():\n    f.__globals__[KEY] = NAME\n",
        "import runpy\n\n\ndef go():\n    runpy.run_module('pkg.cli', run_name=NAME)\n",
        "from runpy import run_path\n",
        "NAME = '__main__'\n",
        "import pkg.cli\npkg.cli.__name__ = NAME\n",
    ] {
        assert!(suspicious(&[main, poser]), "{poser}");
        assert!(suspicious(&[&format!("{poser}{main}")]), "{poser}");
    }
    for honest in [
        "x = 1\n",
        "import sys\nhere = sys.modules[__name__]\n",
        "print(f'{__name__}: {f.__name__}')\n",
        "setattr(x, 'name', 1)\nx.__setattr__('name', 1)\nobject.__setattr__(x, 'name', 1)\n",
        "class A:\n    def __setattr__(self, key, value):\n        pass\n",
        "globals()['name'] = 1\nx = globals()[key()]\nx = globals().get(key())\nx.__dict__['a'], b = 1, 2\n",
        "if 'a' in globals() or 'b' in x.__dict__:\n    f(**vars(arguments()))\nprint(sorted(vars(x)))\n",
        "self.vars = 1\nf(locals=1)\nmodel.eval()\nframe.eval('a')\n",
        "import importlib\nx = importlib.import_module(name())\ny = importlib.util.find_spec('json')\n",
        "import re\nx = re.compile('a')\n",
        "if __name__ == '__main__':\n    pass\n",
    ] {
        assert!(!suspicious(&[main, honest]), "{honest}");
    }
}

#[test]
fn a_hard_exit_of_the_main_program_counts_if_what_stands_beside_the_answer_makes_it_run() {
    let main = "import os\n\nif __name__ == \"__main__\":\n    os._exit(0)\n";
    let suspicious = |candidate: &str, runs_main: bool| {
        let mut asked = 0;
        let ask = || {
            asked += 1;
            Ok::<_, Infallible>(runs_main)
        };
        let screen = rules::screen(&Python, &[file("", candidate, "")], never, ask).unwrap();
        (screen.suspicious.into_iter().map(|finding| finding.token).collect::<Vec<_>>(), asked)
    };
    assert_eq!(suspicious(main, false), (vec![], 1));
    assert_eq!(suspicious(main, true), (vec![Token::HardExit], 1));
    assert_eq!(suspicious("import os\nos._exit(0)\n", false), (vec![Token::HardExit], 0), "nothing to excuse");
    let more = main.replace("    os._exit", "    os.write(2, b'x')\n    os._exit");
    assert_eq!(suspicious(&more, false), (vec![Token::RawDescriptors], 1), "no other token is excused");

    for test in [
        "import runpy\n\n\ndef test():\n    runpy.run_module('pkg.cli', run_name='__main__')\n",
        "from runpy import run_path as run\n\n\ndef test():\n    run('pkg/cli.py', run_name=NAME)\n",
        "def test():\n    exec(SOURCE, {'__name__': '__main__'})\n",
        "def test(monkeypatch):\n    monkeypatch.setattr(cli, '__name__', '__ma' 'in__')\n",
        "from importlib.machinery import SourceFileLoader\n\n\ndef test():\n    SourceFileLoader('__main__', PATH).load_module()\n",
        "def test():\n    cli.__name__ = '__main__'\n",
    ] {
        assert!(Python.runs_as_main(test), "{test}");
    }
    for test in [
        "import subprocess, sys\n\n\ndef test():\n    subprocess.run([sys.executable, '-m', 'pkg.cli'], check=True)\n",
        "import unittest\n\nif __name__ == '__main__':\n    unittest.main()\n",
        "import sys\nmain = sys.modules['__main__']\n",
        "def test():\n    assert cli.__name__ not in ('__main__', '__mp_main__')\n",
        "import importlib.util\nspec = importlib.util.spec_from_file_location('cli', PATH)\n",
    ] {
        assert!(!Python.runs_as_main(test), "{test}");
    }
}

#[test]
fn an_equality_that_becomes_always_true_is_an_added_one() {
    let base = "class A:\n    def __eq__(self, other):\n        return self.x == other.x\n";
    let candidate = base.replace("self.x == other.x", "True");
    let screen = screen(&[file(base, &candidate, base)], never).unwrap();
    assert_eq!(screen.suspicious[0].token, Token::AlwaysEqual);
}

#[test]
fn literals_that_only_tests_and_patch_have_are_counted() {
    let tests = rules::literals(
        &Python,
        "def test():\n    assert f('alpha') == 1234\n    assert f('beta') == 56\n    assert f('gamma') == 7.25\n",
    );
    let shown = rules::literals(&Python, "X = 'beta'\n");
    let candidate = "TABLE = {'alpha': 1_234, 'beta': 56, 'gamma': 7.25, 'delta': 999}\n";
    let count = |base| {
        let shown = [Ok::<_, ()>(Rc::new(shown.clone()))];
        overlap(rules::added_literals(&Python, base, candidate), &[Rc::new(tests.clone())], "gamma is wrong", shown)
    };
    assert_eq!(count(""), Ok(3), "alpha, 1234 and 7.25");
    assert_eq!(count(candidate), Ok(0), "nothing added");
    let unread = overlap(
        rules::added_literals(&Python, "", "X = 'delta'\n"),
        &[Rc::new(tests.clone())],
        "",
        [Err("read in vain")],
    );
    assert_eq!(unread, Ok(0));
}

#[test]
fn hostile_source_is_read_in_bounds() {
    let deep = format!("x = {}'a'{}\n", "(".repeat(20_000), ")".repeat(20_000));
    let long = format!("x = {}\n", vec!["'a'"; 20_000].join(" + "));
    let mut doubling = "x0 = 'aa'\n".to_owned();
    for n in 1..200 {
        doubling.push_str(&format!("x{n} = x{} + x{}\n", n - 1, n - 1));
    }
    for source in [deep, long, doubling, "\u{0}(((".to_owned(), "def f(:\n  os._exit".to_owned()] {
        everywhere(&source);
    }
}
