"""The way a reporter talks to assay: one JSON record a line on descriptor 3, each with the nonce of the run.

Python 3.5 and newer, standard library only. Loaded before anything of the repository.
"""

import errno
import fcntl
import json
import os
import re
import sys
import threading
import time

REPORT_FD = 3
# High, so that code which closes or reuses the low descriptors does not meet it.
WANTED_FD = 200
IDS_PER_RECORD = 500
MOST_FRAMES = 50
WAITING_BYTES = 32768
# Records wait no longer than this once another test begins.
WAITING_SECONDS = 1.0
BATCHED = ("phase", "noted", "remark")
MOST_NOTES = 100
LONGEST_NOTE = 4000
LONGEST_MESSAGE = 2000
LONGEST_REMARK = 200
MOST_REMARKS = 100
MOST_TRACES = 500
ADDRESS = re.compile("0x[0-9a-fA-F]+")
OTHER = {"other": None}
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
# What stands in a traceback of unittest before set-up and tear-down.
SET_UP = ("_callSetUp", "setUp", "asyncSetUp")
TEAR_DOWN = ("_callTearDown", "tearDown", "asyncTearDown", "doCleanups", "_callCleanup")


def open_channel():
    """Takes nonce, orders and descriptor over; gives `emit(kind, **fields)` and the orders. `emit.begins(test)` says that a
    test begins. Ends the process where there is no channel."""
    nonce, orders = _read_orders()
    try:
        try:
            channel = fcntl.fcntl(REPORT_FD, fcntl.F_DUPFD, WANTED_FD)
        except (OSError, ValueError):
            # The limit on descriptors is lower than that.
            channel = os.dup(REPORT_FD)
        os.set_inheritable(channel, False)
        os.close(REPORT_FD)
    except OSError as error:
        sys.stderr.write("assay: no report channel on descriptor 3: {}\n".format(error))
        sys.exit(97)

    owner = os.getpid()
    waiting = []
    encode, write, getpid, now = json.JSONEncoder(sort_keys=True).encode, os.write, os.getpid, time.monotonic
    state = {"seq": 0, "size": 0, "file": None, "written": now()}

    def emit(kind, **fields):
        # A test that forks leaves a second copy of the session behind; only the first one reports.
        if getpid() != owner:
            return
        fields["nonce"] = nonce
        fields["seq"] = state["seq"]
        fields["kind"] = kind
        state["seq"] += 1
        line = encode(fields)
        waiting.append(line)
        state["size"] += len(line)
        # Every write wakes the reader, which costs more than the record. What is waiting when a session is cut short
        # is not missed: without its last record nothing in it counts.
        if kind not in BATCHED or state["size"] >= WAITING_BYTES:
            write_waiting()

    def write_waiting():
        data = ("\n".join(waiting) + "\n").encode("ascii")
        del waiting[:]
        state["size"], state["written"] = 0, now()
        while data:
            data = data[write(channel, data):]

    def begins(test):
        # A session that meets its time limit says in which file it was: what ended before that file is written by then.
        file = test.split("::")[0]
        late = file != state["file"] or now() - state["written"] > WAITING_SECONDS
        state["file"] = file
        if late and waiting and getpid() == owner:
            write_waiting()

    emit.begins = begins
    return emit, orders


def _read_orders():
    """Reads standard input to its end, then points it at /dev/null. First line: the nonce. Second: what to do, as JSON."""
    parts = []
    while True:
        part = os.read(0, 4096)
        if not part:
            break
        parts.append(part)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    nonce, _, orders = b"".join(parts).decode("utf-8").partition("\n")
    return nonce.strip(), json.loads(orders)


def seal_start_up():
    """Takes our own directory off the import path and makes sure that HOME exists."""
    os.environ.pop("ASSAY_LAUNCHER", None)
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != own]
    home = os.environ.get("HOME")
    if home and not os.path.isdir(home):
        try:
            os.makedirs(home)
        except OSError as error:
            # Few tests need it; those that do say so themselves.
            sys.stderr.write("assay: no home directory: {}\n".format(error))


def import_roots(workdir):
    """Directories that the repository's modules are imported from: ASSAY_IMPORT_PATH (relative to the work directory,
    separated by colons), or else `src` where there is one, and the work directory itself."""
    asked = [part for part in os.environ.get("ASSAY_PYTHONPATH", "").split(":") if part]
    wanted = os.environ.get("ASSAY_IMPORT_PATH")
    if wanted is not None:
        return asked + [os.path.normpath(os.path.join(workdir, part)) for part in wanted.split(":") if part]
    source = os.path.join(workdir, "src")
    roots = [workdir]
    if os.path.isdir(source) and not os.path.exists(os.path.join(source, "__init__.py")):
        roots.insert(0, source)
    return asked + roots


def add_last_roots(roots):
    """Puts the repository at the end of the import path: plugins of its own can be loaded and replace nothing."""
    project = getattr(sys.modules.get("assay_site"), "PROJECT", None)
    sys.path.extend(root for root in roots + [project] if root and root not in sys.path)


def add_import_roots(roots):
    """Puts the repository behind the standard library and ahead of installed packages, here and in child processes."""
    names = ("site-packages", "dist-packages")
    sys.path[:] = [entry for entry in sys.path if entry not in roots]
    spots = [spot for spot, entry in enumerate(sys.path) if os.path.basename(entry) in names]
    spot = spots[0] if spots else len(sys.path)
    sys.path[spot:spot] = roots
    add_last_roots([])
    if "assay_site" in sys.modules:
        # Every Python of the environment finds the repository by itself, in a safe order.
        return
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(":") if part]
    if roots or inherited:
        os.environ["PYTHONPATH"] = ":".join(roots + inherited)


def emit_environment(emit):
    """Announces the modules of the environment and gives the names that no module of a tree may take. Before anything of
    the repository is on the path."""
    names = ("site-packages", "dist-packages")
    installed = modules_in(entry for entry in sys.path if os.path.basename(entry) in names)
    emit("environment", modules=sorted(installed))
    library = os.path.dirname(os.path.abspath(os.__file__))
    standard = getattr(sys, "stdlib_module_names", None) or modules_in([library, os.path.join(library, "lib-dynload")])
    return installed | set(standard) | set(sys.builtin_module_names)


def modules_in(folders):
    """Names that can be imported from folders."""
    found = set()
    for folder in folders:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in entries:
            name, dot, ending = entry.partition(".")
            module = ending == "py" or ending.endswith("so") if dot else os.path.isdir(os.path.join(folder, entry))
            if module and name.isidentifier() and name != "__pycache__":
                found.add(name)
    return found


def emit_shadows(emit, taken, workdir):
    """Announces modules of the environment that were imported from the tree."""
    for name, module in sorted(dict(sys.modules).items(), key=lambda item: item[0]):
        path = getattr(module, "__file__", None) if name in taken else None
        if type(path) is not str:
            continue
        path = os.path.relpath(os.path.realpath(path), workdir)
        if not path.startswith(".."):
            emit("shadow", module=name, file=path)


def watch(orders, workdir):
    """Starts to record which of the ordered lines run. Gives a function that stops it and emits them; none were ordered:
    nothing is traced."""
    wanted = {os.path.join(workdir, path): set(lines) for path, lines in orders["watch"].items()}
    ran = {path: set() for path in wanted}
    names = {}

    def trace(frame, event, argument):
        name = frame.f_code.co_filename
        path = names.get(name)
        if path is None:
            path = names[name] = os.path.realpath(os.path.join(workdir, name))
        if path not in wanted:
            return None
        ran[path].add(frame.f_lineno)
        return trace

    def stop(emit):
        if not wanted:
            return
        sys.settrace(None)
        threading.settrace(None)
        for path in sorted(ran):
            emit("ran", file=os.path.relpath(path, workdir), lines=sorted(ran[path] & wanted[path]))

    if wanted:
        threading.settrace(trace)
        sys.settrace(trace)
    return stop


def note_answers(orders, emit, current):
    """Gives held-out tests, where the orders want that, the function by which they note what the code answers: a number
    for the place, then values. It is true, so that it can stand where an assertion was. `current()` is the test that runs."""
    if not orders["note"]:
        return
    import builtins

    counts = {}

    def noted(place, *values):
        test = current()
        counts[test] = counts.get(test, 0) + 1
        if test is not None and counts[test] <= MOST_NOTES:
            emit("noted", id=test, place=place, values=[plain(value) for value in values])
        return True

    builtins.noted = noted


def plain(value):
    """A value as JSON. Objects of derived types count as what they derive from, whatever they compare equal to."""
    try:
        described = described_value(value, 0)
        return described if len(json.dumps(described)) <= LONGEST_NOTE else OTHER
    except Exception:
        return OTHER


def described_value(value, depth):
    kind = type(value)
    if value is None or kind is bool:
        return value
    if depth > 8:
        return OTHER
    if issubclass(kind, int):
        number = int.__add__(value, 0)
        return number if abs(number) < 2 ** 53 else {"int": int.__repr__(number)}
    if issubclass(kind, float):
        number = float.__add__(value, 0.0)
        return {"float": float.__repr__(number)}
    if issubclass(kind, str):
        text = str.__getitem__(value, slice(None))
        text.encode("utf-8")
        return text
    if issubclass(kind, (bytes, bytearray)):
        return {"bytes": bytes(memoryview(value)).hex()}

    def all_of(items):
        return [described_value(item, depth + 1) for item in items]

    if issubclass(kind, list):
        return {"list": all_of(list.__iter__(value))}
    if issubclass(kind, tuple):
        return {"tuple": all_of(tuple.__iter__(value))}
    if issubclass(kind, dict):
        pairs = [all_of(pair) for pair in dict.items(value)]
        return {"dict": sorted(pairs, key=lambda pair: json.dumps(pair, sort_keys=True))}
    for base in (set, frozenset):
        if issubclass(kind, base):
            return {"set": sorted(all_of(base.__iter__(value)), key=lambda item: json.dumps(item, sort_keys=True))}
    return OTHER


def emit_collected(emit, ids):
    """Announces every collected test, in records of bounded size."""
    emit("collected", ids=ids[:IDS_PER_RECORD])
    for start in range(IDS_PER_RECORD, len(ids), IDS_PER_RECORD):
        emit("collected", ids=ids[start:start + IDS_PER_RECORD])


def error_name(kind, value=None):
    """Name of an exception type, as text whatever the type does. What the system says where there is no network gets a name
    of its own, for its type is any system error's."""
    if kind is OSError and getattr(value, "errno", None) in UNREACHABLE:
        return "NetworkUnreachable"
    name = getattr(kind, "__name__", None)
    return name if type(name) is str else "Exception"


def frames_of(traceback, workdir):
    """Files of a traceback that lie in the repository, relative to it, innermost last."""
    frames = []
    while traceback is not None:
        path = file_in(workdir, traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
        if path is not None and frames[-1:] != [path]:
            frames.append(path)
    return frames[-MOST_FRAMES:]


def file_in(workdir, name):
    """A file of code relative to the repository; None where it lies elsewhere."""
    path = os.path.relpath(os.path.join(workdir, name), workdir)
    return None if name.startswith("<") or path.startswith("..") else readable(path)


def readable(text):
    """Text without lone surrogates, for which JSON has no word."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def first_line(text):
    """The first line of a text that says something, cut where it is long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return readable(lines[0][:LONGEST_REMARK]) if lines else ""


def make_remarks(emit):
    """Gives the function that says why a test was skipped. It stops after some: they are for people."""
    told = []

    def remark(test, reason):
        if test is None or len(told) == MOST_REMARKS:
            return
        told.append(None)
        try:
            # The reason may be an object of the tree.
            text = first_line(str(reason))
        except Exception:
            return
        if text:
            emit("remark", id=test, text=text)

    return remark


def emit_skipped(emit, file, error):
    """Announces that a whole file is skipped, why, and whether that is for want of a module."""
    try:
        reason = first_line(str(getattr(error, "msg", None) or error))
    except Exception:
        reason = ""
    emit("collect_skip", file=file, reason=reason, missing=for_want_of_a_module(error))


def for_want_of_a_module(error):
    """Whether a skip was raised by pytest's `importorskip`, or over a failed import."""
    traceback = getattr(error, "__traceback__", None)
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "importorskip":
            return True
        traceback = traceback.tb_next
    seen = []
    while error is not None and not any(error is known for known in seen) and len(seen) < MOST_FRAMES:
        if isinstance(error, ImportError):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def make_tracer(workdir):
    """Gives the function that tells how something failed: where the texts are equal, the failures are, to the letter. None
    where that cannot be said, and once many were told."""
    told = []

    def trace_of(error):
        if error is None or len(told) == MOST_TRACES:
            return None
        told.append(None)
        try:
            # What an exception says of itself is code of the tree.
            return described_error(error, workdir)
        except Exception:
            return None

    return trace_of


def described_error(error, workdir):
    message = str(error)
    if len(message) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        message = "{}[{} characters]{}".format(message[:half], len(message), message[-half:])
    traceback, places, path, line = error.__traceback__, [], None, None
    while traceback is not None:
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        path = file_in(workdir, code.co_filename)
        if path is not None:
            # Lines of a test are the same in every run; those of the code move with every change of it.
            places.append("{} {} {}".format(path, "" if places else line, code.co_name))
        traceback = traceback.tb_next
    if isinstance(error, SyntaxError):
        # It has no frame of its own.
        path, line = file_in(workdir, error.filename or "<nowhere>"), error.lineno or 1
    message = ADDRESS.sub("0x", message)
    text = "\n".join([error_name(type(error)), message] + places[:MOST_FRAMES])
    return {
        "text": readable(text),
        "message": first_line(message),
        "origin": "system" if of_the_system(error) else "elsewhere" if path is None else "repository",
        # Code that was made by code may have no lines.
        "raised": {"file": path, "line": line} if path is not None and type(line) is int and 0 < line < 1 << 31 else None,
    }


# Errors of the system, and what code that needs a file makes of one that is gone.
SYSTEM = (OSError, MemoryError, RecursionError, SystemError, ImportError, AttributeError, NameError)


def of_the_system(error):
    """Whether what was raised may be the machine's doing: an error of the system, or one that was raised over one. So is what
    was raised over more than can be followed."""
    chain = [error]
    # Grows while it is read.
    for error in chain:
        if isinstance(error, SYSTEM) or len(chain) > MOST_FRAMES:
            return True
        for cause in (error.__cause__, error.__context__):
            if cause is not None and not any(cause is known for known in chain):
                chain.append(cause)
    return False


def unittest_phase(method, traceback):
    """Which part of a unittest test an exception came from: the first of unittest's own or the test's frames says."""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_name
        if name in SET_UP:
            return "setup"
        if name in TEAR_DOWN:
            return "teardown"
        if name in ("_callTestMethod", method):
            return "call"
        traceback = traceback.tb_next
    return "call"


def leave(emit, status):
    """Writes the last record and ends the process at once, so that nothing registered for the exit can add to it."""
    status = int(status)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # The candidate may have closed or replaced the stream; its output is not evidence.
            continue
    emit("end", exit_status=status)
    os._exit(status)
