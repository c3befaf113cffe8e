#!/usr/bin/env python3
"""What the admissions of a run cost, in runs of the suite.

    cargo run --release -- demo
    python3 benches/admission_cost.py assay-demo/run

Per instance: trials, their seconds together, gold's run of everything (`suite`), the median of gold's runs of the files with
fail-to-pass tests (`f2p`), and the cost beside what may be spent: two suites and eight times `f2p`. All of it is wall clock of
jobs as the journal has it, so setting up a sandbox is not in it. Exit status 1 if an instance costs more.
"""

import json
import pathlib
import statistics
import sys


def records(run):
    for path in sorted(pathlib.Path(run, "journal").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def main(run):
    outcomes, admissions = {}, {}
    for record in records(run):
        if record["record"] == "outcome":
            outcomes[record["trial_id"]] = record
        elif record["record"] == "admission" and not record.get("refusal"):
            admissions[record["instance_id"]] = record
    print("instance                       trials  seconds  suite    f2p   allowed   suites")
    over = False
    for name, admission in sorted(admissions.items()):
        trials = [outcomes[trial] for trial in admission["trials"]]
        gold, first = admission["trees"]["tested_gold"], admission["splits"][0]["files"]
        seconds = sum(trial["wall_ms"] for trial in trials) / 1000
        suite = trials[0]["wall_ms"] / 1000
        of_first = [
            trial["wall_ms"] / 1000
            for trial in trials[1:]
            if trial["trial"]["tree"] == gold and trial["trial"]["plan"]["files"] == first
        ]
        f2p = statistics.median(of_first)
        allowed = 2 * suite + 8 * f2p
        over |= seconds > allowed
        print(f"{name:30} {len(trials):6} {seconds:8.2f} {suite:6.2f} {f2p:6.2f} {allowed:9.2f} {seconds / suite:8.1f}")
    sys.exit(1 if over or not admissions else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
