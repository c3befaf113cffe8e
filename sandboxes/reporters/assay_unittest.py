"""Runs unittest test files and reports to assay in the records of the pytest reporter. Arguments: work directory, then
test files.

Python 3.5 and newer, standard library only. Test ids read `tests/test_x.py::Class::method`.
"""

import importlib
import importlib.util
import os
import sys
import unittest

PASSED = ("passed", None, [], None)


def main():
    import assay_channel as channel

    sys.modules.pop("assay_channel", None)
    emit, orders = channel.open_channel()
    channel.seal_start_up()
    workdir, files = os.path.realpath(sys.argv[1]), sys.argv[2:]
    sys.argv[:] = [unittest.__file__.replace("__init__", "__main__")] + files
    python = ".".join(map(str, sys.version_info[:3]))
    emit("start", runner="unittest " + python, python=python)
    taken = channel.emit_environment(emit)
    channel.add_import_roots(channel.import_roots(workdir))

    stop_watching = channel.watch(orders, workdir)
    suite, ids, broken = unittest.TestSuite(), Ids(set(orders["only"])), False
    trace_of = channel.make_tracer(workdir)
    for path in files:
        try:
            tests = unittest.defaultTestLoader.loadTestsFromModule(load(workdir, path))
        except unittest.SkipTest as error:
            channel.emit_skipped(emit, path, error)
            continue
        except (Exception, SystemExit) as error:
            emit("collect_error", file=path, error=channel.error_name(type(error)), trace=trace_of(error))
            broken = True
            continue
        wanted = ids.add(path, tests)
        if wanted is None:
            emit("collect_error", file=path, error="LoadTestsError", trace=None)
            broken = True
            continue
        suite.addTest(reversed_order(wanted) if orders["reverse"] else wanted)
    channel.emit_collected(emit, ids.collected)

    result = make_result(channel, emit, workdir, ids, trace_of)
    channel.note_answers(orders, emit, lambda: result.current)
    suite.run(result)
    result.flush()
    stop_watching(emit)
    channel.emit_shadows(emit, taken, workdir)
    if broken or result.bad:
        status = 1
    else:
        status = 0 if result.testsRun else 5
    channel.leave(emit, status)


def load(workdir, path):
    """The module that `python -m unittest PATH` would load."""
    parts = path[:-len(".py")].split("/")
    if all(part.isidentifier() for part in parts):
        # As `python -m unittest` has it: the work directory comes first while test files are named.
        sys.path.insert(0, workdir)
        try:
            module = importlib.import_module(".".join(parts))
        finally:
            sys.path.remove(workdir)
        if os.path.realpath(module.__file__) != os.path.realpath(os.path.join(workdir, path)):
            raise ImportError("{} is shadowed by {}".format(path, module.__file__))
        return module
    spec = importlib.util.spec_from_file_location("_".join(parts).replace("-", "_"), os.path.join(workdir, path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Ids(object):
    """Test objects to ids. Keeps the objects, for suites drop them once they ran."""

    def __init__(self, only):
        self.only = only
        self.collected = []
        self.kept = []
        self.by_object = {}
        self.by_owner = {}

    def add(self, path, tests):
        """Takes the tests of a file in and gives those to run; None where the file's own `load_tests` failed."""
        found = list(flat(tests))
        if any(type(test).__name__ in ("_FailedTest", "ModuleImportFailure") for test in found):
            return None
        chosen = []
        for test in found:
            kind = type(test)
            name = "{}::{}::{}".format(path, kind.__name__, getattr(test, "_testMethodName", "runTest"))
            if self.only and name not in self.only:
                continue
            chosen.append(test)
            self.kept.append(test)
            self.by_object[id(test)] = name
            self.collected.append(name)
            for owner in (kind.__module__, "{}.{}".format(kind.__module__, kind.__qualname__)):
                self.by_owner.setdefault(owner, []).append(name)
        return unittest.TestSuite(chosen) if self.only else tests

    def of(self, test):
        test = getattr(test, "test_case", test)
        return self.by_object.get(id(test))


def flat(tests):
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            for inner in flat(test):
                yield inner
        else:
            yield test


def reversed_order(tests):
    """The same suites, each with its parts in the opposite order."""
    parts = getattr(tests, "_tests", None)
    if isinstance(parts, list):
        parts.reverse()
        for part in parts:
            reversed_order(part)
    return tests


def make_result(channel, emit, workdir, ids, trace_of):
    class Result(unittest.TestResult):
        def __init__(self):
            super(Result, self).__init__()
            self.bad = False
            self.current = None
            self.phases = {}
            self.remark = channel.make_remarks(emit)

        def startTest(self, test):
            self.flush()
            super(Result, self).startTest(test)
            self.current = ids.of(test)
            self.phases = {}
            if self.current is not None:
                emit.begins(self.current)

        def flush(self):
            """Writes the test at hand. It waits for its successor, for an error of tearDownClass still belongs to it."""
            current, self.current = self.current, None
            if current is None:
                return
            setup = self.phases.get("setup", PASSED)
            write(current, "setup", setup)
            if setup[0] == "passed" and "call" in self.phases:
                write(current, "call", self.phases["call"])
            write(current, "teardown", self.phases.get("teardown", PASSED))

        def mark(self, phase, status, err=None):
            # The first failure of a phase stays; a success never covers it.
            if self.phases.get(phase, ("passed",))[0] not in ("failed",):
                self.phases[phase] = outcome(status, err)

        def addSuccess(self, test):
            self.mark("call", "passed")

        def addFailure(self, test, err):
            self.failed(test, err)

        def addError(self, test, err):
            self.failed(test, err)

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self.bad = True
                self.mark("call", "failed", err)

        def addSkip(self, test, reason):
            name = ids.of(test)
            self.remark(name, reason)
            if name is None:
                self.owner_ended(test, "skipped", None)
            elif name == self.current:
                self.mark("call", "skipped")
            else:
                # Python 3.12.1 does not start a test that a decorator skips.
                self.flush()
                self.current, self.phases = name, {"call": outcome("skipped")}

        def addExpectedFailure(self, test, err):
            self.mark("call", "xfailed")

        def addUnexpectedSuccess(self, test):
            self.bad = True
            self.mark("call", "xpassed")

        def failed(self, test, err):
            self.bad = True
            if ids.of(test) is None:
                self.owner_ended(test, "failed", err)
            else:
                method = getattr(test, "_testMethodName", None)
                self.mark(channel.unittest_phase(method, err[2]), "failed", err)

        def owner_ended(self, holder, status, err):
            """An outcome of a class or module: its text reads `setUpClass (module.Class)`."""
            what, _, rest = str(holder).partition(" (")
            if what.startswith("tearDown"):
                self.mark("teardown", status, err)
                return
            self.flush()
            for name in ids.by_owner.get(rest.rstrip(")"), []):
                write(name, "setup", outcome(status, err))

    def outcome(status, err=None):
        if status != "failed" or err is None:
            return (status,) + PASSED[1:]
        frames = channel.frames_of(err[2], workdir)
        return (status, channel.error_name(err[0], err[1]), frames, trace_of(err[1]))

    def write(name, when, result):
        status, error, frames, trace = result
        emit("phase", id=name, when=when, status=status, error=error, frames=frames, trace=trace)

    return Result()


if __name__ == "__main__":
    main()
