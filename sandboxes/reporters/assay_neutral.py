"""Rewrites test files so that nothing in them names a test or its runner: functions, classes, what the runner gives and what
it calls get words that are new in every run; imports of the runner go, with annotations and doc strings.

Python 3.5 and newer, standard library only. The result is compiled from the tree and never written out.
"""

import ast
import hashlib

VERBS = "load read build merge count split sort check pack scan match trace apply collect store render fill group".split()
NOUNS = "batch entry table point block order total item frame label range share part unit field piece list page".split()

# What a test file may use of its runner, and its name among the stand-ins.
STAND_INS = {
    "pytest.approx": "Near",
    "pytest.deprecated_call": "warns_of_age",
    "pytest.fail": "give_up",
    "pytest.fail.Exception": "AssertionError",
    "pytest.fixture": "maker",
    "pytest.importorskip": "need_module",
    "pytest.mark": "note_other",
    "pytest.mark.parametrize": "note_values",
    "pytest.mark.skip": "note_skip",
    "pytest.mark.skipif": "note_skip_if",
    "pytest.mark.usefixtures": "note_wanted",
    "pytest.mark.xfail": "note_unsuited",
    "pytest.param": "Given",
    "pytest.raises": "raises",
    "pytest.skip": "skip",
    "pytest.skip.Exception": "Skipped",
    "pytest.warns": "warns",
    "unittest.IsolatedAsyncioTestCase": "AsyncCase",
    "unittest.SkipTest": "Skipped",
    "unittest.TestCase": "Case",
    "unittest.case.SkipTest": "Skipped",
    "unittest.case.TestCase": "Case",
    "unittest.expectedFailure": "note_unsuited",
    "unittest.skip": "note_skip",
    "unittest.skipIf": "note_skip_if",
    "unittest.skipUnless": "note_skip_unless",
}
# What a runner calls by name.
HOOKS = ("setUp", "tearDown", "setUpClass", "tearDownClass", "asyncSetUp", "asyncTearDown", "setup_method", "teardown_method",
         "setup_class", "teardown_class")
# Called once around the tests of a file.
AROUND = (("setUpModule", "setup_module"), ("tearDownModule", "teardown_module"))
# Methods that only tests have, renamed wherever they are called.
METHODS = ("subTest", "addCleanup", "skipTest", "failureException", "maxDiff", "longMessage")
MODULE_NOTES = "pytestmark"
# What loads unittest when it is imported, though it needs none of it.
LOADERS = ("doctest",)
RUNNERS = ("pytest", "_pytest", "unittest", "nose", "nose2")


class Words(object):
    """Neutral words for names, each once; which ones follows from the seed."""

    def __init__(self, seed):
        self.seed, self.given, self.taken = seed, {}, set()

    def of(self, name):
        tries = 0
        while name not in self.given:
            digest = hashlib.sha256("{} {} {}".format(self.seed, name, tries).encode("utf-8")).digest()
            verb, noun = VERBS[digest[0] % len(VERBS)], NOUNS[digest[1] % len(NOUNS)]
            number = "" if tries < 20 else str(tries)
            word = (verb.title() + noun.title() if name[:1].isupper() else verb + "_" + noun) + number
            if word not in self.taken:
                self.taken.add(word)
                self.given[name] = word
            tries += 1
        return self.given[name]


class Unsuited(Exception):
    pass


class Neutral(ast.NodeTransformer):
    """Renames one file. `names` are its own definitions, `everywhere` what is renamed whatever it belongs to."""

    def __init__(self, words, names, everywhere, runner_names=None):
        self.words, self.names, self.everywhere = words, names, everywhere
        self.runner_names = runner_names or {}
        self.used, self.mock = set(), None
        self.literal = runner_names is None

    def name(self, name):
        return self.words.of(name) if name in self.names or name in self.everywhere else name

    def dotted(self, node):
        """What an expression is of the runner, as `pytest.mark.skip`; None where it is not the runner's."""
        if isinstance(node, ast.Attribute):
            inner = self.dotted(node.value)
            return inner and inner + "." + node.attr
        return self.runner_names.get(node.id) if isinstance(node, ast.Name) else None

    def stand_in(self, node, dotted):
        if dotted == "unittest.mock":
            self.mock = self.words.of("mock library")
            return ast.copy_location(ast.Name(self.mock, node.ctx), node)
        found = STAND_INS.get(dotted)
        if found is None and dotted.startswith("pytest.mark."):
            found = STAND_INS["pytest.mark"]
        if found is None:
            return None
        if found != "AssertionError":
            self.used.add(found)
            found = self.words.of(found)
        return ast.copy_location(ast.Name(found, node.ctx), node)

    def visit_Name(self, node):
        dotted = self.dotted(node)
        if dotted is not None:
            return self.stand_in(node, dotted) or node
        node.id = self.name(node.id)
        return node

    def visit_Attribute(self, node):
        dotted = self.dotted(node)
        replaced = dotted and self.stand_in(node, dotted)
        if replaced:
            return replaced
        owner = node.value
        own = isinstance(owner, ast.Name) and (owner.id in ("self", "cls") or owner.id in self.names)
        own = own or (isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super")
        if node.attr in self.everywhere or (own and node.attr in self.names):
            node.attr = self.words.of(node.attr)
        self.generic_visit(node)
        return node

    def function(self, node):
        node.name = self.name(node.name)
        node.returns = None
        arguments = node.args
        every = arguments.args + arguments.kwonlyargs + getattr(arguments, "posonlyargs", [])
        for argument in every + [arguments.vararg, arguments.kwarg]:
            if argument is not None:
                argument.annotation = None
        return self.without_doc(node)

    visit_FunctionDef = visit_AsyncFunctionDef = function

    def visit_ClassDef(self, node):
        node.name = self.name(node.name)
        return self.without_doc(node)

    def without_doc(self, node):
        if ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), node.body[0])]
        self.generic_visit(node)
        return node

    def visit_arg(self, node):
        node.arg = self.name(node.arg)
        return node

    def visit_Global(self, node):
        node.names = [self.name(name) for name in node.names]
        return node

    visit_Nonlocal = visit_Global

    def bind(self, aliases):
        for alias in aliases:
            bound = alias.asname or alias.name
            if bound in self.names:
                alias.asname = self.words.of(bound)

    def visit_Import(self, node):
        node.names = [alias for alias in node.names if alias.name.partition(".")[0] not in ("pytest", "unittest")]
        self.bind(node.names)
        return node if node.names else ast.copy_location(ast.Pass(), node)

    def visit_ImportFrom(self, node):
        first = (node.module or "").partition(".")[0]
        if node.level or first not in ("pytest", "unittest"):
            self.bind(node.names)
            return node
        made = []
        for alias in node.names:
            # Names of the library of mocks are bound where they were imported; all others are stand-ins.
            if node.module == "unittest.mock":
                value = ast.Attribute(ast.Name(self.words.of("mock library"), ast.Load()), alias.name, ast.Load())
                self.mock = self.words.of("mock library")
                made.append(ast.Assign([ast.Name(alias.asname or alias.name, ast.Store())], value))
        made = [ast.fix_missing_locations(ast.copy_location(one, node)) for one in made]
        return made or ast.copy_location(ast.Pass(), node)

    def visit_Constant(self, node):
        # Our own script calls hooks by name.
        if self.literal and isinstance(node.value, str) and node.value in self.everywhere:
            return ast.copy_location(ast.Constant(self.words.of(node.value)), node)
        return node

    def visit_Str(self, node):
        if self.literal and node.s in self.everywhere:
            return ast.copy_location(ast.Str(self.words.of(node.s)), node)
        return node


def runner_names(tree):
    """Names that a file binds to the runner or parts of it."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                if first in ("pytest", "unittest"):
                    found[alias.asname or first] = alias.name if alias.asname else first
                elif first in RUNNERS:
                    raise Unsuited(alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            first = (node.module or "").partition(".")[0]
            if first in RUNNERS and (first not in ("pytest", "unittest") or node.names[0].name == "*"):
                raise Unsuited(node.module)
            if first in ("pytest", "unittest") and node.module != "unittest.mock":
                for alias in node.names:
                    found[alias.asname or alias.name] = node.module + "." + alias.name
    return found


def bound(tree):
    """Names that imports give to what is not the runner's."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.asname or alias.name for node in nodes for alias in node.names
             if (getattr(node, "module", None) or alias.name).partition(".")[0] not in RUNNERS}
    return {name for name in names if "." not in name}


def definitions(tree):
    kinds = (ast.FunctionDef, ast.ClassDef, getattr(ast, "AsyncFunctionDef", ast.FunctionDef))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def identifiers(tree):
    found = set()
    for node in ast.walk(tree):
        found.update(value for value in (getattr(node, key, None) for key in ("id", "attr", "name", "arg"))
                     if isinstance(value, str))
    return found


def compiled(neutral, tree, script):
    return compile(ast.fix_missing_locations(neutral.visit(tree)), script, "exec", dont_inherit=True)


def main_guard(node):
    """`if __name__ == "__main__":`, which a program would run."""
    return isinstance(node, ast.If) and any(isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test))


def runner_hook(node):
    return isinstance(node, ast.FunctionDef) and node.name.startswith("pytest_")


def speaks_of_tests(name):
    return name.lower().startswith("test") or "_test" in name.lower() or "Test" in name


def imported(tree):
    """First names of the modules that a file imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found
