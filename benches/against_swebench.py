#!/usr/bin/env python3
"""Assay against the official SWE-bench harness, on the same candidates, in one session, on one machine.

    cargo run --release -- demo
    python3 benches/against_swebench.py assay-demo --out /tmp/against --json /tmp/against/result.json
    python3 benches/against_swebench.py assay-demo --out /tmp/against --compare benches/against_swebench.json

Needs root, a Docker engine, and pip with an index. Installs the harness (swebench==5.0.2) from the index into a virtual
environment of its own, builds one image per demo instance (the base commit committed under /testbed, the locked
requirements beside it), and then runs, each alone on the machine:

 1. `bare warm` and `bare cold`: the test command itself, in a started container of that image with and without bytecode;
 2. `harness`: `swebench eval` with honest candidates, one worker and N workers;
 3. `assay`: the same candidates in every sandbox way that is asked for, same numbers of workers, instances admitted before
    (admission is paid once per instance and is shown beside);
 4. `steady`: twenty honest candidates of the instance with the longest suite, one worker, beside its bare command: in the
    image, and for host cells on the host, whose Python is another;
 5. a batch of 60 candidates per instance, a third duplicates and two thirds wrong. Assay runs all of it; the harness takes one
    prediction per instance and run, so a sample is timed and multiplied, which the table says.

Verdicts of honest and of wrong candidates must agree between both, or the script fails. The harness's images have no
reinstall step, which is in its favour: its own evaluation scripts reinstall the package for every candidate.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HARNESS = "swebench==5.0.2"
STEADY = 20
BASE_IMAGE = "assay-bench-base:bookworm"
# What is timed is run, and not taken from an earlier run.
os.environ["ASSAY_FRESH"] = "true"
# Else a command that is to be warm never is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
BASE_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,git,patch,procps"
START, END = ">>>>> Start Test Output", ">>>>> End Test Output"


def main():
    options = arguments()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    instances = admitted(options.demo)
    harness = install_harness(options.out)
    make_base_image(options.out)
    for instance in instances:
        build_image(instance, options)
    rows = [row_of_harness(instance) for instance in instances]
    dataset = options.out / "dataset.jsonl"
    write_lines(dataset, rows)

    result = {"machine": machine(), "instances": [instance["instance_id"] for instance in instances]}
    print("bare test commands ...", flush=True)
    result["bare"] = {i["instance_id"]: bare(i, options) for i in instances}
    honest = [candidate(i, honest_patch(i, 0), "resolved") for i in instances]
    wrong = [candidate(i, wrong_patch(i, 0), "unresolved") for i in instances]
    result["single"] = {}
    for workers in sorted({1, options.workers}):
        print("harness, {} worker(s) ...".format(workers), flush=True)
        entry = {"harness": run_harness(harness, dataset, honest, "honest-{}".format(workers), workers, options)}
        for way in options.sandbox:
            print("assay {}, {} worker(s) ...".format(way, workers), flush=True)
            entry[way] = run_assay(instances, honest, way, workers, options)
        result["single"][str(workers)] = entry

    longest = max(instances, key=lambda i: result["bare"][i["instance_id"]]["warm_s"])
    print("{} honest candidates of {} ...".format(STEADY, longest["instance_id"]), flush=True)
    several = [candidate(longest, honest_patch(longest, n), "resolved") for n in range(STEADY)]
    result["steady"] = {way: steady(instances, longest, several, way, options) for way in options.sandbox}

    print("batch of {} candidates per instance ...".format(options.batch), flush=True)
    batch = [c for i in instances for c in make_batch(i, options.batch)]
    sample = run_harness(harness, dataset, wrong, "wrong", options.workers, options)
    honest_seconds = result["single"][str(options.workers)]["harness"]["wall_s"]
    # A third of a batch is right and costs what honest candidates cost; the rest costs what wrong ones cost.
    result["batch"] = {
        "size": len(batch),
        "harness": {"wall_s": options.batch * (honest_seconds / 3 + sample["wall_s"] * 2 / 3), "estimated": True},
    }
    for way in options.sandbox:
        result["batch"][way] = run_assay(instances, batch, way, options.workers, options)
    report(result, options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="what `assay demo` wrote")
    parser.add_argument("--assay", default="target/release/assay", help="the binary [%(default)s]")
    parser.add_argument("--out", type=Path, default=Path("against-swebench"), help="scratch, logs, environment")
    parser.add_argument("--sandbox", nargs="+", default=["cell", "container"], help="ways to run assay")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each bare command")
    parser.add_argument("--json", type=Path, help="store the result here")
    parser.add_argument("--compare", type=Path, help="a stored result; exit 2 where a ratio got worse by more than a fifth")
    return parser.parse_args()


def admitted(demo):
    admissions = {row["instance_id"]: row for row in read_lines(demo / "run/admissions.jsonl")}
    found = []
    for instance in read_lines(demo / "instances.jsonl"):
        admission = admissions.get(instance["instance_id"], {})
        if admission.get("refusal") or not admission:
            continue
        instance["admission"] = admission
        instance["repository"] = demo.resolve() / "repos" / (instance["repo"].replace("/", "__") + ".git")
        instance["demo"] = demo.resolve()
        found.append(instance)
    if not found:
        sys.exit("{} holds no admitted instance; run `assay demo` first".format(demo))
    return found


# The harness and its images.


def install_harness(out):
    python = out / "harness/bin/python"
    if not python.exists():
        run([sys.executable, "-m", "venv", out / "harness"])
        run([out / "harness/bin/pip", "install", "--quiet", HARNESS])
    return out / "harness/bin/swebench"


def make_base_image(out):
    if succeeds(["docker", "image", "inspect", BASE_IMAGE]):
        return
    tar = out / "base.tar"
    run(["mmdebstrap", "--quiet", "--format=tar", "--variant=minbase", "--include=" + BASE_PACKAGES, "bookworm", tar])
    run(["docker", "import", tar, BASE_IMAGE])


def image_of(instance):
    return "assay-bench/{}:latest".format(instance["instance_id"].lower())


def build_image(instance, options):
    """Base commit under /testbed as the only commit, an environment in /opt/venv, the project installed in place."""
    if succeeds(["docker", "image", "inspect", image_of(instance)]):
        return
    folder = options.out / "images" / instance["instance_id"]
    shutil.rmtree(folder, ignore_errors=True)
    testbed = folder / "testbed"
    extract_base(instance, testbed)
    run([sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder / "wheels", "--python-version", "3.11",
         "--only-binary=:all:", *requirements(instance, testbed)])
    (folder / "Dockerfile").write_text(
        "FROM {}\n"
        "COPY wheels /wheels\n"
        "RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-index --find-links /wheels /wheels/*.whl\n"
        "COPY testbed /testbed\n"
        "WORKDIR /testbed\n"
        "RUN /opt/venv/bin/pip install --no-index --no-build-isolation --no-deps -e . && git init -q . && git add -A "
        "&& git -c user.name=base -c user.email=base@localhost commit -qm base\n".format(BASE_IMAGE)
    )
    run(["docker", "build", "--quiet", "--network", "none", "--tag", image_of(instance), folder])


def extract_base(instance, folder):
    folder.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(
        ["git", "-C", instance["repository"], "archive", instance["base_commit"]], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def requirements(instance, testbed):
    """What the runner, the build of the project, and the project need."""
    project = load_toml(testbed / "pyproject.toml")
    return [
        "pytest>=8,<9", "setuptools", "wheel",
        *instance["environment"].get("requirements", []),
        *project.get("build-system", {}).get("requires", ["setuptools"]),
        *project.get("project", {}).get("dependencies", []),
    ]


def load_toml(path):
    import tomllib

    return tomllib.loads(path.read_text()) if path.exists() else {}


def test_files(instance):
    return [file for split in instance["admission"]["splits"] for file in split["files"]]


def test_command(instance, python="/opt/venv/bin/python"):
    return "{} -m pytest -rA -p no:cacheprovider {}".format(python, " ".join(test_files(instance)))


def row_of_harness(instance):
    """An instance as the harness reads it. Ids that its log parser cannot tell apart (white space) are left out."""
    changed = [line[6:] for line in instance["test_patch"].splitlines() if line.startswith("--- a/")]
    reset = "git checkout HEAD -- {}".format(" ".join(changed)) if changed else ":"
    script = [
        "cd /testbed",
        "git status",
        "git show",
        "git -c core.fileMode=false diff HEAD",
        reset,
        "git apply -v - <<'EOF_TESTS'\n{}EOF_TESTS".format(instance["test_patch"]),
        ": '{}'".format(START),
        test_command(instance),
        ": '{}'".format(END),
        reset,
    ]
    plain = lambda ids: [name for name in ids if not any(c.isspace() for c in name)]
    return {
        "instance_id": instance["instance_id"],
        "image": image_of(instance),
        "repo": instance["repo"],
        "version": "1",
        "base_commit": instance["base_commit"],
        "patch": instance["patch"],
        "test_patch": instance["test_patch"],
        "problem_statement": instance["problem_statement"],
        "eval_script": "\n".join(["#!/bin/bash", "set -uxo pipefail", *script]) + "\n",
        "eval_script_list": script,
        "log_parser": "parse_log_pytest",
        "eval_type": "pass_and_fail",
        "FAIL_TO_PASS": plain(instance["admission"]["fail_to_pass"]),
        "PASS_TO_PASS": plain(instance["admission"]["pass_to_pass"]),
        "image_assets": {},
    }


def run_harness(harness, dataset, candidates, name, workers, options):
    predictions = options.out / "predictions-{}.jsonl".format(name)
    write_lines(predictions, [
        {"instance_id": c["instance_id"], "model_name_or_path": name, "model_patch": c["patch"]} for c in candidates
    ])
    where = options.out / "harness-runs" / name
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    command = [harness, "eval", dataset, "-p", predictions, "--run-id", name, "-j", str(workers), "-t", "600"]
    with open(where / "log.txt", "w") as log:
        seconds, cpu = timed(command, cwd=where, stdout=log, stderr=subprocess.STDOUT)
    resolved = set()
    for path in where.glob("logs/run_evaluation/{}/*/*/report.json".format(name)):
        for instance_id, found in json.loads(path.read_text()).items():
            if found["resolved"]:
                resolved.add(instance_id)
    agree(candidates, {c["instance_id"]: c["instance_id"] in resolved for c in candidates}, "the harness", where / "log.txt")
    return {"wall_s": seconds, "cpu_s": cpu, "candidates": len(candidates)}


# Candidates: all made from the real pair.


def candidate(instance, patch, expected):
    return {"instance_id": instance["instance_id"], "patch": patch, "expected": expected}


def gold_files(instance):
    return instance["admission"]["gold_files"]


def patch_from(instance, with_gold, change):
    """The diff of base against base [+ gold] with `change` applied to the text of gold's first source file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        extract_base(instance, Path(folder))
        git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@localhost"]
        run([*git, "init", "-q"])
        run([*git, "add", "-A", "-f"])
        run([*git, "commit", "-qm", "base"])
        if with_gold:
            subprocess.run([*git, "apply"], input=instance["patch"].encode(), check=True)
        path = Path(folder) / gold_files(instance)[0]
        path.write_text(change(path.read_text()))
        run([*git, "add", "-A"])
        return subprocess.run([*git, "diff", "--cached"], check=True, capture_output=True, text=True).stdout


def honest_patch(instance, number):
    """Gold and a comment, so that every one is another tree."""
    return patch_from(instance, True, lambda text: text + "\n# Reworked, attempt {}.\n".format(number))


def wrong_patch(instance, number):
    """One of three ways to be wrong: nothing repaired, no syntax, or an error wherever the module is imported."""
    ways = [
        lambda text: text + "\n# Looked into it, attempt {}.\n".format(number),
        lambda text: text + "\ndef attempt_{}(:\n".format(number),
        lambda text: text + "\nraise RuntimeError('attempt {}')\n".format(number),
    ]
    return patch_from(instance, False, ways[number % 3])


def make_batch(instance, size):
    """Two thirds wrong, a third duplicates of earlier ones; duplicates are right and wrong in the same shares."""
    fresh_right, fresh_wrong = size * 2 // 9, size * 4 // 9
    right = [candidate(instance, honest_patch(instance, n), "resolved") for n in range(fresh_right)]
    wrong = [candidate(instance, wrong_patch(instance, n), "unresolved") for n in range(fresh_wrong)]
    again_right = size // 3 - len(right)
    again_wrong = size - size // 3 - len(wrong)
    return right + wrong + right[:again_right] + wrong[:again_wrong]


# Assay.


def run_assay(instances, candidates, way, workers, options):
    """Admits first, then times the candidates; their verdicts must be what is expected of them."""
    # Admissions hold for the program that made them.
    digest = hashlib.sha256(Path(options.assay).read_bytes()).hexdigest()[:12]
    where = options.out / "assay-{}-{}".format(way, digest)
    if not (where / "admission_s").exists():
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        seconds, _ = timed([options.assay, "validate", options.demo, "--run", where, "--sandbox", way,
                            "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (where / "admission_s").write_text(str(seconds))
    fresh = options.out / "assay-{}-{}".format(way, len(candidates))
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(where, fresh)
    generations = options.out / "generations.jsonl"
    write_lines(generations, [
        {"instance_id": c["instance_id"], "skill": "repair", "completion": "```diff\n{}```\n".format(c["patch"]), "index": n}
        for n, c in enumerate(candidates)
    ])
    seconds, cpu = timed([options.assay, "verify", options.demo, "--generations", generations, "--run", fresh,
                          "--sandbox", way, "--workers", str(workers)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    verdicts = {row["generation"]["index"]: row for row in read_lines(fresh / "verdicts.jsonl")}
    found = {n: verdicts[n]["status"] == "verified" for n in range(len(candidates))}
    agree(candidates, {n: found[n] for n in found}, "assay ({})".format(way), fresh / "verdicts.jsonl")
    outcomes = [row for path in (fresh / "journal").glob("*.jsonl") for row in read_lines(path)
                if row.get("record") == "outcome"]
    overhead = [row["overhead_ms"] for row in outcomes]
    return {
        "wall_s": seconds,
        "cpu_s": cpu,
        "candidates": len(candidates),
        "admission_s": float((where / "admission_s").read_text()),
        "overhead_ms_median": statistics.median(overhead),
    }


def agree(candidates, found, who, log):
    keys = list(found)
    wrong = [c for c, key in zip(candidates, keys) if found[key] != (c["expected"] == "resolved")]
    if wrong:
        names = sorted({c["instance_id"] for c in wrong})
        sys.exit("{} disagrees on {} of {} candidates of {}; see {}".format(who, len(wrong), len(found), names, log))


def steady(instances, longest, candidates, way, options):
    """With the bare command of the same Python right before and after it, for a machine is not equally fast at all times."""
    time_bare = bare_on_host if way == "cell" else bare
    before = time_bare(longest, options)
    found = run_assay(instances, candidates, way, 1, options)
    after = time_bare(longest, options)
    found["bare"] = {name: (before[name] + after[name]) / 2 for name in before}
    return found


# The bare command, tests and gold in place.


def bare(instance, options):
    """In a started container of the instance's image."""
    name = "assay-bench-bare"
    subprocess.run(["docker", "rm", "-f", name], capture_output=True)
    run(["docker", "run", "-d", "--network", "none", "--name", name, image_of(instance), "sleep", "3600"])
    try:
        for patch in (instance["patch"], instance["test_patch"]):
            subprocess.run(["docker", "exec", "-i", name, "git", "apply", "-"], input=patch.encode(), check=True)
        inside = lambda script: run(["docker", "exec", name, "/bin/bash", "-c", script])
        return cold_and_warm(inside, "/", test_command(instance), options.rounds)
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True)


def bare_on_host(instance, options):
    """With the Python that host cells use, in an environment and a copy of the tree of its own."""
    folder = options.out / "host" / instance["instance_id"]
    shutil.rmtree(folder, ignore_errors=True)
    testbed = folder / "testbed"
    extract_base(instance, testbed)
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    run([shutil.which("python3"), "-m", "venv", folder / "venv"])
    run([*pip, *requirements(instance, testbed)])
    run([*pip, "--no-build-isolation", "--no-deps", "-e", testbed])
    for patch in (instance["patch"], instance["test_patch"]):
        subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=testbed, check=True)
    inside = lambda script: run(["/bin/bash", "-c", "cd '{}' && {}".format(testbed, script)])
    return cold_and_warm(inside, folder, test_command(instance, "'{}'/venv/bin/python".format(folder)), options.rounds)


def cold_and_warm(inside, root, command, rounds):
    """Medians over runs without and with bytecode below `root`. Timed inside, so that the way in does not count."""
    clock = "s=$(date +%s%N); {} >/dev/null 2>&1; e=$(date +%s%N); echo $((e-s))".format(command)
    cold, warm = [], []
    for _ in range(rounds):
        inside("find '{}' -xdev -name __pycache__ -prune -exec rm -rf {{}} +".format(root))
        cold.append(int(inside(clock)) / 1e9)
        warm.append(int(inside(clock)) / 1e9)
    return {"cold_s": statistics.median(cold), "warm_s": statistics.median(warm)}


# Report.


def report(result, options):
    instances = len(result["instances"])
    bare_warm = sum(entry["warm_s"] for entry in result["bare"].values()) / instances
    bare_cold = sum(entry["cold_s"] for entry in result["bare"].values()) / instances
    print("\n| what | workers | wall per candidate, s | CPU per candidate, s | x bare warm | x faster than harness |")
    print("| --- | --- | --- | --- | --- | --- |")
    line = "| {} | {} | {:.3f} | {} | {:.2f} | {} |"
    print(line.format("bare command, warm", 1, bare_warm, "", 1, ""))
    print(line.format("bare command, cold", 1, bare_cold, "", bare_cold / bare_warm, ""))
    ratios = {}
    for workers, entry in result["single"].items():
        for who, found in entry.items():
            wall = found["wall_s"] / found["candidates"]
            faster = entry["harness"]["wall_s"] / found["wall_s"]
            ratios["{} x{} single".format(who, workers)] = faster
            print(line.format(who, workers, wall, "{:.2f}".format(found["cpu_s"] / found["candidates"]), wall / bare_warm,
                              "{:.1f}".format(faster)))
    print("\n{} honest candidates of the longest suite, one worker:\n".format(STEADY))
    print("| what | wall per candidate, s | bare warm | bare cold | x bare warm | x bare cold |")
    print("| --- | --- | --- | --- | --- | --- |")
    for who, found in result["steady"].items():
        wall, warm, cold = found["wall_s"] / found["candidates"], found["bare"]["warm_s"], found["bare"]["cold_s"]
        ratios["{} beside the bare command".format(who)] = warm / wall
        print("| {} | {:.3f} | {:.3f} | {:.3f} | {:.2f} | {:.2f} |".format(who, wall, warm, cold, wall / warm, wall / cold))
    size = result["batch"]["size"]
    print("\nBatch of {} candidates (a third duplicates, two thirds wrong), {} workers:\n".format(size, options.workers))
    print("| what | wall, s | per candidate, s | x faster than harness |")
    print("| --- | --- | --- | --- |")
    for who, found in result["batch"].items():
        if who == "size":
            continue
        faster = result["batch"]["harness"]["wall_s"] / found["wall_s"]
        ratios["{} batch".format(who)] = faster
        note = " (sampled and multiplied)" if found.get("estimated") else ""
        print("| {}{} | {:.1f} | {:.3f} | {:.1f} |".format(who, note, found["wall_s"], found["wall_s"] / size, faster))
    result["times_faster"] = ratios
    if options.json:
        rounded = json.loads(json.dumps(result), parse_float=lambda digits: round(float(digits), 3))
        options.json.write_text(json.dumps(rounded, indent=2) + "\n")
    if options.compare:
        compare(json.loads(options.compare.read_text())["times_faster"], ratios)


def compare(stored, now):
    worse = [(name, stored[name], now[name]) for name in stored if name in now and now[name] < stored[name] * 0.8]
    for name, before, after in worse:
        print("worse: {}: {:.2f} times as fast before, {:.2f} now".format(name, before, after))
    if worse:
        sys.exit(2)


def machine():
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"cpu": cpu[0] if cpu else "unknown", "cores": os.cpu_count(), "kernel": os.uname().release,
            "load": os.getloadavg()[0]}


def timed(command, **keywords):
    """Wall and CPU seconds of a command and its children. CPU of the Docker daemon is not in it."""
    before, started = os.times(), time.monotonic()
    finished = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, **keywords)
    seconds, after = time.monotonic() - started, os.times()
    if finished.returncode not in (0, 2):
        sys.exit("{} ended with {}".format(" ".join(map(str, command)), finished.returncode))
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, spent


def run(command):
    finished = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if finished.returncode != 0:
        sys.exit("{} ended with {}:\n{}".format(" ".join(map(str, command)), finished.returncode, finished.stderr[-2000:]))
    return finished.stdout


def succeeds(command):
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def read_lines(path):
    return [json.loads(line) for line in open(path) if line.strip()]


def write_lines(path, rows):
    with open(path, "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
