"""Runs pytest and reports every phase of every test to assay. Arguments: work directory, then pytest's own.

Nothing may be loaded here that pytest does not load on its own, least of all `unittest`: tests of runners and plugins start
sessions that load it anew each time, and what one of them leaves in it must not reach the next.

Python 3.5 and newer, pytest 3 and newer.
"""

import gc
import glob
import itertools
import os
import pathlib
import re
import sys


def main():
    import assay_channel as channel

    sys.modules.pop("assay_channel", None)
    emit, orders = channel.open_channel()
    channel.seal_start_up()
    workdir, arguments = os.path.realpath(sys.argv[1]), sys.argv[2:]
    roots = channel.import_roots(workdir)

    # Before anything of the repository can be imported.
    import pytest

    sys.argv[:] = [os.path.join(os.path.dirname(pytest.__file__), "__main__.py")] + arguments
    if version_of(pytest) < (3, 5):
        arguments = [argument for argument in arguments if not argument.startswith("--rootdir=")]
    emit("start", runner="pytest " + pytest.__version__, python=".".join(map(str, sys.version_info[:3])))
    taken = channel.emit_environment(emit)
    options, environment = own_options(), list(sys.path)
    channel.add_last_roots(roots)
    foreign = plugins_in([entry for entry in sys.path if entry not in environment])
    if foreign:
        foreign -= plugins_in(environment)
    rewrite_plugins_of_the_project()
    reporter = make_reporter(pytest, channel, emit, workdir, roots, orders, foreign, arguments)
    stop_watching = channel.watch(orders, workdir)
    if hasattr(gc, "freeze"):
        # Nothing of the repository is loaded yet. Collecting garbage, which pytest does five times at its end, goes no more
        # through what is loaded: 20 ms of every session.
        gc.freeze()
    try:
        status = pytest.main(options + arguments, plugins=[reporter])
    except SystemExit as left:
        # Not an end of the session: pytest itself returns its status. No record says that it ended.
        sys.stderr.write("assay: the session was left by SystemExit({!r})\n".format(left.code))
        os._exit(left.code if isinstance(left.code, int) and left.code else 1)
    stop_watching(emit)
    channel.emit_shadows(emit, taken, workdir)
    channel.leave(emit, status)


def version_of(pytest):
    return tuple(int(part) for part in re.findall("[0-9]+", pytest.__version__)[:2])


def own_options():
    """Options that hold whatever the repository's configuration adds: one process, every test, no rewriting of files."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--maxfail=0", "--continue-on-collection-errors"]
    if installed("xdist"):
        options.append("-n0")
    if installed("pytest_cov"):
        options.append("--no-cov")
    return options


def plugins_in(path):
    """Names of plugins that pytest would load by entry point from these folders."""
    try:
        from importlib import metadata
    except ImportError:
        try:
            import importlib_metadata as metadata
        except ImportError:
            # A pytest of that age looks no further than the path on which it was imported itself.
            return set()
    entries = [entry for found in metadata.distributions(path=path) for entry in found.entry_points]
    return set(entry.name for entry in entries if entry.group == "pytest11")


def rewrite_plugins_of_the_project():
    """Lets pytest rewrite the assertions of the project's own plugins. It knows what to rewrite by the files of a distribution,
    and the project's are not beside its metadata."""
    config = sys.modules["_pytest.config"].Config
    mark = getattr(config, "_mark_plugins_for_rewrite", None)
    if mark is None:
        return

    def mark_and_more(self, hook, *rest):
        mark(self, hook, *rest)
        hook.mark_rewrite(*[name for name in packages_of_own_plugins() if name not in sys.modules])

    config._mark_plugins_for_rewrite = mark_and_more


def packages_of_own_plugins():
    metadata = sys.modules.get("importlib.metadata")
    if metadata is None:
        # This pytest reads metadata in another way, and nothing is loaded for it here.
        return set()
    own = [found for found in metadata.distributions() if (found.read_text("INSTALLER") or "").strip() == "assay"]
    entries = [entry for found in own for entry in found.entry_points if entry.group == "pytest11"]
    return set(re.split("[.:]", entry.value)[0] for entry in entries)


def installed(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def make_reporter(pytest, channel, emit, workdir, roots, orders, foreign, arguments):
    only, errors, running = set(orders["only"]), {}, []
    trace_of, remark = channel.make_tracer(workdir), channel.make_remarks(emit)
    # Of unittest's methods: set-ups that wait for what the call says of them, calls that failed in another phase, and
    # what failed in tear-down.
    unittests, waiting, moved, late = set(), {}, {}, {}
    # pytest's own type for them, once it is loaded.
    methods = []
    version = version_of(pytest)
    channel.note_answers(orders, emit, lambda: running[-1] if running else None)

    def id_of(nodeid):
        # Before version 4 a class had an extra part, for its instance.
        return nodeid.replace("::()::", "::") if version < (4, 0) else nodeid

    def status_of(report):
        expected_to_fail = hasattr(report, "wasxfail")
        if report.outcome == "passed":
            return "xpassed" if expected_to_fail else "passed"
        if report.outcome == "skipped":
            return "xfailed" if expected_to_fail else "skipped"
        return "failed"

    def cause(error):
        """Errors on import of a test file or a conftest file reach us wrapped; what they wrap says more."""
        inner = error.__cause__ or error.__context__
        if type(error).__name__ in ("CollectError", "ConftestImportFailure") and inner is not None:
            return inner
        return error

    def note(item, call):
        key = (item.nodeid, call.when)
        if call.excinfo is not None and key not in errors:
            name = channel.error_name(call.excinfo.type, call.excinfo.value)
            errors[key] = (name, channel.frames_of(call.excinfo.tb, workdir), call.excinfo.value)
            if call.when == "call" and of_unittest(item):
                phase = channel.unittest_phase(item.name, call.excinfo.tb)
                if phase != "call":
                    moved[item.nodeid] = phase

    def files_of(items):
        return set(id_of(item.nodeid).split("::")[0] for item in items)

    def ignored_files(session):
        """Files that gave no test and that pytest, or a plugin of the tree, would leave out if they were not named."""
        if version < (7, 0):
            # Asking changed what was collected.
            return []
        found, given = files_of(session.items), [argument for argument in arguments if argument.startswith(workdir)]
        silent = [path for path in given if os.path.relpath(path, workdir) not in found]
        starts = set([workdir])
        for pattern in session.config.getini("testpaths") if silent else []:
            starts.update(os.path.abspath(path) for path in glob.glob(os.path.join(workdir, pattern), recursive=True))
        return [os.path.relpath(path, workdir) for path in silent if is_ignored(session, path, starts)]

    def is_ignored(session, path, starts):
        while path not in starts and path.startswith(workdir + os.sep):
            try:
                ask = session.gethookproxy(pathlib.Path(path).parent).pytest_ignore_collect
                if ask(collection_path=pathlib.Path(path), config=session.config):
                    return True
            except (Exception, SystemExit, pytest.skip.Exception):
                return False
            path = os.path.dirname(path)
        return False

    def of_unittest(item):
        return any(issubclass(type(item), kind) for kind in methods)

    def write(nodeid, when, status, failure):
        error, frames, trace = failure
        emit("phase", id=id_of(nodeid), when=when, status=status, error=error, frames=frames, trace=trace)

    def write_unittest(nodeid, when, status, failure):
        """pytest reports set-up and tear-down methods as part of the call; here they are phases of their own."""
        if when == "setup" and status == "passed":
            waiting[nodeid] = (when, status, failure)
            return
        phase = moved.get(nodeid, "call")
        if when == "call" and status == "failed" and phase == "setup":
            waiting.pop(nodeid, None)
            write(nodeid, "setup", status, failure)
            return
        if nodeid in waiting:
            write(nodeid, *waiting.pop(nodeid))
        if when == "call" and status == "failed" and phase == "teardown":
            late[nodeid] = failure
            return
        if when == "teardown":
            moved.pop(nodeid, None)
            if nodeid in late:
                status, failure = "failed", late.pop(nodeid)
        write(nodeid, when, status, failure)

    class Reporter(object):
        # Only the environment has plugins, not the tree: the rest is blocked before any is loaded. Turning them all off and
        # naming those wanted would undo the repository's own `-p no:NAME`, and reach the sessions that tests start.
        def pytest_plugin_registered(self, plugin, manager):
            if plugin is self:
                for name in foreign:
                    if not manager.has_plugin(name):
                        manager.set_blocked(name)

        # Plugins of the environment are loaded by now; conftest files are not.
        @pytest.hookimpl(tryfirst=True, hookwrapper=True)
        def pytest_load_initial_conftests(self, early_config):
            if version < (3, 5):
                # There is no --rootdir yet.
                early_config.rootdir = type(early_config.rootdir)(workdir)
            kind = getattr(early_config.pluginmanager.get_plugin("unittest"), "TestCaseFunction", None)
            methods.extend([kind] if isinstance(kind, type) else [])
            channel.add_import_roots(roots)
            failed = (yield).excinfo
            if failed and failed[0].__name__ == "ConftestImportFailure":
                # pytest itself only prints it.
                error = cause(failed[1])
                file = os.path.relpath(str(failed[1].path), workdir)
                emit("collect_error", file=file, error=channel.error_name(type(error)), trace=trace_of(error))

        @pytest.hookimpl(tryfirst=True)
        def pytest_exception_interact(self, node, call):
            if isinstance(node, pytest.Collector):
                error = cause(call.excinfo.value)
                errors[node.nodeid] = (channel.error_name(type(error)), trace_of(error))

        @pytest.hookimpl(tryfirst=True, hookwrapper=True)
        def pytest_make_collect_report(self, collector):
            result = yield
            report = result.get_result() if result.excinfo is None else None
            if report is not None and report.outcome == "skipped":
                excinfo = getattr(getattr(report, "call", None), "excinfo", None)
                channel.emit_skipped(emit, id_of(report.nodeid), getattr(excinfo, "value", None))

        @pytest.hookimpl(tryfirst=True)
        def pytest_collectreport(self, report):
            if report.failed:
                error, trace = errors.get(report.nodeid, ("CollectError", None))
                emit("collect_error", file=id_of(report.nodeid), error=error, trace=trace)

        @pytest.hookimpl(tryfirst=True, hookwrapper=True)
        def pytest_collection_modifyitems(self, items):
            found = dict((id_of(item.nodeid), item) for item in items)
            yield
            left, partly = files_of(items), {}
            # A plugin may give a test another id; it runs all the same.
            kept, ids = set(map(id, items)), set(id_of(item.nodeid) for item in items)
            for nodeid in (nodeid for nodeid, item in found.items() if id(item) not in kept and nodeid not in ids):
                file = nodeid.split("::")[0]
                partly[file] = partly.get(file, 0) + 1
            deselected = sorted(file for file in partly if file not in left)
            if partly:
                partly = dict((file, count) for file, count in partly.items() if file in left)
                emit("deselected", files=deselected, partly=partly)
            if only:
                items[:] = [item for item in items if id_of(item.nodeid) in only]
            if orders["reverse"]:
                files = itertools.groupby(items, lambda item: item.nodeid.split("::")[0])
                items[:] = [item for _, tests in files for item in reversed(list(tests))]

        @pytest.hookimpl(tryfirst=True)
        def pytest_collection_finish(self, session):
            channel.emit_collected(emit, [id_of(item.nodeid) for item in session.items])
            ignored = ignored_files(session)
            if ignored:
                emit("ignored", files=ignored)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logstart(self, nodeid):
            running[:] = [id_of(nodeid)]
            emit.begins(running[-1])

        @pytest.hookimpl(tryfirst=True, hookwrapper=True)
        def pytest_runtest_makereport(self, item, call):
            if of_unittest(item):
                unittests.add(item.nodeid)
            note(item, call)
            yield
            # The exception of a unittest method is there by now.
            note(item, call)

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(self, report):
            status = status_of(report)
            # A passing part of a test is not a phase; the test reports its own.
            if status == "passed" and type(report).__name__.lower() == "subtestreport":
                return
            if status == "skipped" and type(report.longrepr) is tuple:
                remark(id_of(report.nodeid), report.longrepr[-1])
            name, frames, error = errors.pop((report.nodeid, report.when), (None, [], None))
            failure = (name, frames, trace_of(error)) if status == "failed" else (None, [], None)
            put = write_unittest if report.nodeid in unittests else write
            put(report.nodeid, report.when, status, failure)

    return Reporter()


if __name__ == "__main__":
    main()
