"""What tests use of their runner, in a small form of our own. Never imported: `assay_plain` gives every name here another
one and hands it to the script that runs the tests. Each name in `assay_neutral.STAND_INS` stands here.
"""

import contextlib
import math
import re
import sys
import warnings


class Skipped(Exception):
    pass


class Unsuited(Exception):
    """The test uses more than there is here: nothing is said about it."""


def skip(reason="", **_options):
    raise Skipped(reason)


def give_up(reason="", **_options):
    raise AssertionError(reason)


def need_module(name, minversion=None, reason=None, **_options):
    if minversion is not None:
        raise Unsuited(name)
    try:
        return __import__(name, fromlist=["*"])
    except ImportError:
        raise Skipped(name)


class Raising(object):
    """Expects an exception; afterwards says which it was."""

    def __init__(self, kinds, match=None):
        self.kinds, self.pattern = kinds, match
        self.type = self.value = self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _traceback):
        if kind is None:
            raise AssertionError("not raised: {!r}".format(self.kinds))
        if not issubclass(kind, self.kinds):
            return False
        self.type, self.value = kind, value
        self.exception = value.with_traceback(None)
        if self.pattern is not None:
            self.match(self.pattern)
        return True

    def match(self, pattern):
        if not re.search(pattern, str(self.value)):
            raise AssertionError("{!r} is not in {!r}".format(pattern, str(self.value)))
        return True


def raises(kinds, *arguments, **options):
    if arguments:
        with Raising(kinds) as seen:
            arguments[0](*arguments[1:], **options)
        return seen
    match = options.pop("match", None)
    if options:
        raise Unsuited("options")
    return Raising(kinds, match)


class Warning_(object):
    """Expects a warning of a kind."""

    def __init__(self, kinds, match=None):
        self.kinds, self.match = kinds, match
        self.warning = None

    def __enter__(self):
        self.catching = warnings.catch_warnings(record=True)
        self.list = self.catching.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, kind, value, traceback):
        self.catching.__exit__(kind, value, traceback)
        if kind is not None:
            return False
        for seen in self.list:
            if issubclass(seen.category, self.kinds) and (not self.match or re.search(self.match, str(seen.message))):
                self.warning = seen.message
                return False
        raise AssertionError("no such warning: {!r}".format(self.kinds))

    def __iter__(self):
        return iter(self.list)

    def __len__(self):
        return len(self.list)

    def __getitem__(self, index):
        return self.list[index]


def warns(kinds=Warning, *arguments, **options):
    if arguments:
        with Warning_(kinds):
            return arguments[0](*arguments[1:], **options)
    return Warning_(kinds, options.pop("match", None))


def warns_of_age(*arguments, **options):
    return warns((DeprecationWarning, PendingDeprecationWarning), *arguments, **options)


class Near(object):
    """A number, or a sequence or mapping of numbers, up to a tolerance."""

    __hash__ = None

    def __init__(self, expected, rel=None, abs=None, nan_ok=False):
        self.expected, self.rel, self.abs, self.nan_ok = expected, rel, abs, nan_ok

    def same(self, actual, expected):
        if isinstance(expected, dict):
            return set(actual) == set(expected) and all(self.same(actual[key], expected[key]) for key in expected)
        if isinstance(expected, (list, tuple)):
            return len(actual) == len(expected) and all(self.same(a, b) for a, b in zip(actual, expected))
        if actual == expected or isinstance(expected, (str, bytes, bool, type(None))):
            return bool(actual == expected)
        if expected != expected:
            return self.nan_ok and actual != actual
        if isinstance(expected, float) and math.isinf(expected):
            return False
        least = 1e-12 if self.abs is None else self.abs
        share = self.rel if self.rel is not None else 0 if self.abs is not None else 1e-6
        return abs(actual - expected) <= max(least, share * abs(expected))

    def __eq__(self, actual):
        try:
            return self.same(actual, self.expected)
        except TypeError:
            return False

    def __ne__(self, actual):
        return not self == actual

    def __repr__(self):
        return "about {!r}".format(self.expected)


class Note(object):
    """A mark on a test, a class or a module."""

    def __init__(self, kind, *values, **options):
        self.kind, self.values, self.options = kind, values, options

    def __call__(self, *targets, **_options):
        if len(targets) != 1 or not callable(targets[0]):
            return self
        if self.kind != "other":
            targets[0].notes = list(vars(targets[0]).get("notes", ())) + [self]
        return targets[0]


class Given(object):
    """One set of values of a test, with the name it may have."""

    def __init__(self, *values, **options):
        self.values, self.name, self.notes = values, options.get("id"), options.get("marks", ())


def note_values(names, values, indirect=False, ids=None, scope=None):
    return Note("values", names, list(values), indirect=indirect, ids=ids)


def note_skip(reason="", **_options):
    # Used with and without brackets.
    return Note("skip")(reason) if callable(reason) else Note("skip")


def note_skip_if(*conditions, **_options):
    if any(isinstance(condition, str) for condition in conditions):
        return Note("unsuited")
    return Note("skip" if any(conditions) else "other")


def note_skip_unless(condition, *_reason):
    return Note("other" if condition else "skip")


def note_wanted(*names):
    return Note("wanted", *names)


def note_unsuited(*arguments, **_options):
    return Note("unsuited")(*arguments)


note_other = Note("other")


class Maker(object):
    """A function that makes a value for tests."""

    def __init__(self, function, params=None, autouse=False, ids=None, name=None):
        self.function, self.always, self.name = function, autouse, name or function.__name__
        self.params = None if params is None else list(params)
        self.ids = ids


def maker(function=None, **options):
    options.pop("scope", None)
    if function is not None:
        return Maker(function)
    return lambda function: Maker(function, **options)


def hidden(name):
    """A module of the standard library that loads unittest by itself, with no trace of that among the modules."""
    loaded = set(sys.modules)
    module = __import__(name, fromlist=["*"])
    for extra in set(sys.modules) - loaded:
        if extra.partition(".")[0] == "unittest":
            del sys.modules[extra]
    return module


class Case(object):
    """A class of tests in the style of unittest."""

    failureException = AssertionError
    longMessage = True
    maxDiff = None

    def __init__(self):
        self.failed_parts, self.cleanups = [], []

    def setUp(self):
        pass

    def tearDown(self):
        pass

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def addCleanup(self, function, *arguments, **options):
        self.cleanups.append((function, arguments, options))

    def fail(self, msg=None):
        raise self.failureException(msg)

    def skipTest(self, reason):
        raise Skipped(reason)

    @contextlib.contextmanager
    def subTest(self, *_message, **_values):
        try:
            yield
        except Skipped:
            raise
        except Exception as error:
            self.failed_parts.append(type(error))

    def must(self, holds, *about):
        if not holds:
            raise self.failureException(" ".join(map(repr, about)))

    def assertTrue(self, value, msg=None):
        self.must(value, msg, value)

    def assertFalse(self, value, msg=None):
        self.must(not value, msg, value)

    def assertEqual(self, first, second, msg=None):
        self.must(first == second, msg, first, second)

    assertMultiLineEqual = assertSequenceEqual = assertListEqual = assertTupleEqual = assertEqual
    assertSetEqual = assertDictEqual = assertEquals = assertEqual

    def assertNotEqual(self, first, second, msg=None):
        self.must(first != second, msg, first, second)

    def assertIs(self, first, second, msg=None):
        self.must(first is second, msg, first, second)

    def assertIsNot(self, first, second, msg=None):
        self.must(first is not second, msg, first)

    def assertIsNone(self, value, msg=None):
        self.must(value is None, msg, value)

    def assertIsNotNone(self, value, msg=None):
        self.must(value is not None, msg)

    def assertIn(self, member, container, msg=None):
        self.must(member in container, msg, member, container)

    def assertNotIn(self, member, container, msg=None):
        self.must(member not in container, msg, member, container)

    def assertIsInstance(self, value, kind, msg=None):
        self.must(isinstance(value, kind), msg, value, kind)

    def assertNotIsInstance(self, value, kind, msg=None):
        self.must(not isinstance(value, kind), msg, value, kind)

    def assertGreater(self, first, second, msg=None):
        self.must(first > second, msg, first, second)

    def assertGreaterEqual(self, first, second, msg=None):
        self.must(first >= second, msg, first, second)

    def assertLess(self, first, second, msg=None):
        self.must(first < second, msg, first, second)

    def assertLessEqual(self, first, second, msg=None):
        self.must(first <= second, msg, first, second)

    def close(self, first, second, places, delta):
        if first == second:
            return True
        difference = abs(first - second)
        return difference <= delta if delta is not None else round(difference, 7 if places is None else places) == 0

    def assertAlmostEqual(self, first, second, places=None, msg=None, delta=None):
        self.must(self.close(first, second, places, delta), msg, first, second)

    def assertNotAlmostEqual(self, first, second, places=None, msg=None, delta=None):
        self.must(not self.close(first, second, places, delta), msg, first, second)

    def assertRegex(self, text, pattern, msg=None):
        self.must(re.search(pattern, text), msg, text, pattern)

    def assertNotRegex(self, text, pattern, msg=None):
        self.must(not re.search(pattern, text), msg, text, pattern)

    def assertCountEqual(self, first, second, msg=None):
        rest = list(second)
        for value in first:
            self.must(value in rest, msg, value)
            rest.remove(value)
        self.must(not rest, msg, rest)

    def assertRaises(self, kinds, *arguments, **options):
        options.pop("msg", None)
        return raises(kinds, *arguments, **options)

    def assertRaisesRegex(self, kinds, pattern, *arguments, **options):
        options.pop("msg", None)
        seen = Raising(kinds, pattern)
        if not arguments:
            return seen
        with seen:
            arguments[0](*arguments[1:], **options)

    def assertWarns(self, kinds, *arguments, **options):
        options.pop("msg", None)
        return warns(kinds, *arguments, **options)

    def assertWarnsRegex(self, kinds, pattern, *arguments, **options):
        options.pop("msg", None)
        seen = Warning_(kinds, pattern)
        if not arguments:
            return seen
        with seen:
            arguments[0](*arguments[1:], **options)


class AsyncCase(Case):
    def asyncSetUp(self):
        pass

    def asyncTearDown(self):
        pass
