"""The script that runs test bodies apart: `assay_plain` joins it with the stand-ins, renames everything and compiles it.

`work` comes from there: code of test files and of the files that make values for them, and which tests to run by number.
"""

import itertools
import os
import sys
import types

write_all, open_file, leave = os.write, os.open, os._exit


class Runner(object):
    def __init__(self):
        self.lines = []

    def say(self, number, when, status, error=None):
        name = type(error).__name__ if error is not None else "-"
        name = name if type(name) is str else "Exception"
        self.lines.append("{} {} {} {}".format(number, when, status, name.replace(" ", "_")))

    def step(self, number, when, action):
        """Runs one phase and writes it down; whether it passed."""
        try:
            action()
        except Unsuited:
            raise
        except Skipped as error:
            self.say(number, when, "skipped", error)
        except BaseException as error:
            self.say(number, when, "failed", error)
        else:
            self.say(number, when, "passed")
            return True
        return False

    def one(self, number, function, kind, makers, direct, chosen, wishes, notes):
        if any(note.kind == "unsuited" for note in notes):
            return
        if any(note.kind == "skip" for note in notes):
            self.say(number, "setup", "skipped")
            return
        own_style = kind is not None and issubclass(kind, Case)
        instance = kind() if kind else None
        place = Place(makers, instance, direct, chosen)
        started = len(self.lines)

        def hook(name, *arguments):
            found = getattr(instance, name, None) if instance is not None else None
            made = found(*arguments) if found else None
            finish(made)

        def set_up():
            for wish in wishes:
                if makers.get(wish) and makers[wish][-1][0].always:
                    place.value(wish)
            if not own_style:
                hook("setup_method", *([function] if takes_one(instance, "setup_method") else []))
            for wish in wishes:
                if wish == "request":
                    raise Unsuited(wish)
                place.value(wish)
            if own_style:
                hook("setUp")
                hook("asyncSetUp")

        def body():
            wanted = arguments_of(function)[1 if kind else 0:]
            values = {name: place.value(name) for name in wanted}
            finish(function(instance, **values) if kind else function(**values))
            if own_style and instance.failed_parts:
                raise instance.failed_parts[0]()

        def clean_up():
            if own_style:
                while instance.cleanups:
                    undo, arguments, options = instance.cleanups.pop()
                    undo(*arguments, **options)

        def tear_down():
            try:
                if own_style and ready:
                    hook("asyncTearDown")
                    hook("tearDown")
                elif ready:
                    hook("teardown_method", *([function] if takes_one(instance, "teardown_method") else []))
            finally:
                try:
                    clean_up()
                finally:
                    place.clear()

        ready = False
        try:
            ready = self.step(number, "setup", set_up)
            if ready:
                self.step(number, "call", body)
            self.step(number, "teardown", tear_down)
        except Unsuited:
            del self.lines[started:]
            try:
                place.clear()
            except Exception:
                # Nothing is said about this test; the next one starts afresh.
                pass


def takes_one(instance, name):
    found = getattr(instance, name, None)
    return found is not None and found.__code__.co_argcount > 1


def finish(made):
    if isinstance(made, types.CoroutineType):
        import asyncio

        loop = asyncio.new_event_loop()
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(made)
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def makers_of(namespaces, kind):
    """Name -> makers, the nearest last, each with whether it is a method."""
    makers = {}
    for namespace in namespaces:
        for value in list(namespace.values()):
            if isinstance(value, Maker):
                makers.setdefault(value.name, []).append((value, False))
    for base in reversed(kind.__mro__) if kind else ():
        for value in list(vars(base).values()):
            if isinstance(value, Maker):
                makers.setdefault(value.name, []).append((value, True))
    return makers


def namespace_of(part, name="__main__"):
    """Runs a file as the main module of a program would be, or as a module that it imports."""
    for helper in part["helpers"]:
        if helper["module"] not in sys.modules:
            namespace_of(helper, helper["module"])
    module = types.ModuleType(name)
    module.__file__ = part["file"]
    module.__package__ = part["package"]
    for used in work["used"]:
        vars(module)[used] = globals()[used]
    if part["mock"]:
        vars(module)[part["mock"]] = hidden("unittest.mock")
    for loader in part["hidden"]:
        hidden(loader)
    sys.modules[name] = module
    exec(part["code"], vars(module))
    return vars(module)


def classes_of(namespace, bodies):
    """Tests in their order, one class after the other."""
    for owner, same in itertools.groupby(bodies, key=lambda body: body["owner"]):
        kind = namespace
        for name in owner:
            kind = kind.get(name) if isinstance(kind, dict) else getattr(kind, name, None)
        yield (kind if owner else None), (isinstance(kind, type) or not owner), list(same)


def around(kind, name):
    """A method of a class that is called once for all its tests."""
    found = getattr(kind, name, None) if kind else None
    if found is not None:
        found(*([kind] if found.__code__.co_argcount > (1 if hasattr(found, "__self__") else 0) else []))


def run_class(runner, kind, namespace, namespaces, bodies):
    own_style = kind is not None and issubclass(kind, Case)
    makers = makers_of(namespaces, kind)
    module_notes = namespace.get(work["module_notes"], ())
    ready = []
    for body in bodies:
        function = getattr(kind, body["name"], None) if kind else namespace.get(body["name"])
        function = getattr(function, "__func__", function)
        if isinstance(function, types.FunctionType):
            try:
                ready += [(function, found) for found in
                          combinations(function, kind, makers, module_notes, body["wanted"])]
            except Unsuited:
                continue
    if not ready:
        return
    try:
        if own_style:
            kind.setUpClass()
        else:
            around(kind, "setup_class")
    except BaseException as error:
        status = "skipped" if isinstance(error, Skipped) else "failed"
        for _, found in ready:
            runner.say(found[0], "setup", status, error)
        return
    for function, (number, direct, chosen, wishes, notes) in ready:
        runner.one(number, function, kind, makers, direct, chosen, wishes, notes)
    try:
        if own_style:
            kind.tearDownClass()
        else:
            around(kind, "teardown_class")
    except BaseException as error:
        runner.say(ready[-1][1][0], "teardown", "failed", error)


def run_all():
    sys.path[:] = work["path"]
    sys.argv[:] = [work["script"]]
    if work["roots"] is not None:
        os.environ["PYTHONPATH"] = work["roots"]
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    runner = Runner()
    for part in work["files"]:
        number = part["number"]
        namespaces = []
        for maker_file in part["before"]:
            try:
                namespaces.append(namespace_of(maker_file))
            except Exception:
                # Tests that need its values are not suited then.
                continue
        try:
            namespace = namespace_of(part)
        except BaseException as error:
            runner.lines.append("load {} {}".format(number, type(error).__name__))
            continue
        start, end = (next((namespace[name] for name in pair if name in namespace), None) for pair in work["around"])
        try:
            if start:
                start()
        except BaseException as error:
            runner.lines.append("load {} {}".format(number, type(error).__name__))
            continue
        for kind, found, bodies in classes_of(namespace, part["bodies"]):
            if found:
                run_class(runner, kind, namespace, namespaces + [namespace], bodies)
        if end:
            end()
        loaded = sorted({name.partition(".")[0] for name in list(sys.modules) if type(name) is str})
        runner.lines.append("modules {} {}".format(number, ",".join(loaded).replace(" ", "_") or "-"))
    return runner.lines + ["end"]


def finish_all():
    result = work["result"]
    data = ("\n".join(run_all()) + "\n").encode("ascii", "replace")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # The candidate may have closed or replaced the stream; its output is not evidence.
            continue
    descriptor = open_file(result, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    while data:
        data = data[write_all(descriptor, data):]
    leave(0)


finish_all()
