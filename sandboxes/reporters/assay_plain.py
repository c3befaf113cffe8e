"""Runs the bodies of tests without their runner, under neutral names, and reports in the records of the other reporters.
Arguments: work directory, name of the runner that is left out, test files. The orders name the tests.

Two processes. This one keeps channel, nonce and test ids; it rewrites the trusted test files (`assay_neutral`) and starts
the other one as an ordinary script: another interpreter with its own argv, a clean environment, no descriptor of ours, and
code whose names, file names and modules say nothing of tests. What cannot be run that way is not reported at all, and
never as passed.

Python 3.5 and newer, standard library only.
"""

import hashlib
import marshal
import os
import re
import sys
import tempfile

PHASES = ("setup", "call", "teardown")
STATUSES = ("passed", "failed", "skipped")
# Says that the project loads a test runner by itself, so that code may well see one.
RUNNER_LOADED = "RunnerLoaded"


def main():
    import assay_channel as channel
    import assay_neutral as neutral
    import assay_plain_work

    own = os.path.dirname(os.path.abspath(__file__))
    emit, orders = channel.open_channel()
    channel.seal_start_up()
    workdir, runner, files = os.path.realpath(sys.argv[1]), sys.argv[2], sys.argv[3:]
    roots = channel.import_roots(workdir)
    channel.add_import_roots(roots)
    python = ".".join(map(str, sys.version_info[:3]))
    emit("start", runner="none " + python, python=python)

    # New in every run, so that no name can be known beforehand.
    words = neutral.Words(hashlib.sha256(os.urandom(16)).hexdigest())
    folder = os.path.join(tempfile.mkdtemp(), words.of("folder"))
    os.mkdir(folder)
    script = os.path.join(folder, words.of("script") + ".py")
    result = os.path.join(folder, words.of("result"))
    sources = [read(os.path.join(own, "assay_plain_{}.py".format(name))) for name in ("stand_ins", "values", "run")]
    work, ids = assay_plain_work.prepare(sources, files, orders["only"], workdir, runner, words, script)
    work.update(result=result, script=script)
    code = run_apart(work, script, roots)
    report(emit, channel, result, code, files, ids, neutral.RUNNERS)


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def run_apart(work, script, roots):
    """Starts the script with its work on standard input and waits for its end."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("ASSAY", "PYTEST"))}
    # Set by the script itself: at the start of an interpreter these would come ahead of the standard library.
    inherited = [part for part in kept.pop("PYTHONPATH", "").split(":") if part and part not in roots]
    work["roots"] = ":".join(roots + inherited)
    with open(script, "w") as stream:
        stream.write("import marshal\nimport sys\n\nwork = marshal.loads(sys.stdin.buffer.read())\n")
        stream.write("exec(work.pop('code'), {'__name__': '__main__', '__file__': __file__, 'work': work})\n")
    handed = tempfile.TemporaryFile()
    handed.write(marshal.dumps(work))
    handed.seek(0)
    flags = ["-I"] if getattr(sys.flags, "isolated", 0) else ["-s"]
    flags += ["-S"] if sys.flags.no_site else []
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(handed.fileno(), 0)
            os.closerange(3, 4096)
            os.execve(sys.executable, [sys.executable] + flags + [script], kept)
        finally:
            os._exit(98)
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


def report(emit, channel, result, code, files, ids, runners):
    """What the script wrote down, in our records. Without its last line nothing counts, and no record says that it ended."""
    try:
        lines = read(result).decode("ascii", "replace").splitlines()
    except OSError:
        lines = []
    if code != 0 or not lines or lines[-1] != "end":
        sys.stderr.write("assay: the tests ended early, with status {}\n".format(code))
        os._exit(code if 0 < code < 128 else 1)
    phases, bad = [], False
    for line in lines[:-1]:
        words = line.split(" ")
        if len(words) == 3 and words[0] in ("load", "modules") and words[1].isdigit() and int(words[1]) < len(files):
            error = name_of(words[2])
            if words[0] == "modules":
                if not set(runners).intersection(words[2].split(",")):
                    continue
                error = RUNNER_LOADED
            emit("collect_error", file=files[int(words[1])], error=error)
            bad = True
        elif len(words) == 4 and words[0].isdigit() and int(words[0]) < len(ids):
            phases.append((ids[int(words[0])], words[1], words[2], name_of(words[3])))
        else:
            sys.stderr.write("assay: a line of another form: {!r}\n".format(line))
            os._exit(1)
    channel.emit_collected(emit, sorted({phase[0] for phase in phases}))
    for name, when, status, error in phases:
        if when not in PHASES or status not in STATUSES:
            os._exit(1)
        bad = bad or status == "failed"
        emit("phase", id=name, when=when, status=status, error=error if status == "failed" else None, frames=[])
    channel.leave(emit, 1 if bad else 0 if phases else 5)


def name_of(word):
    return re.sub("[^A-Za-z0-9_.]", "_", word) or "Exception"


if __name__ == "__main__":
    main()
