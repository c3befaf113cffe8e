"""Holds the choices of `cargo bench --bench consensus -- N M --write DIR` against python-Levenshtein, and times both.

    python3 -m venv /tmp/levenshtein && /tmp/levenshtein/bin/pip install levenshtein
    cargo bench --bench consensus -- 500 120 --write /tmp/keys
    /tmp/levenshtein/bin/python benches/consensus_against_levenshtein.py /tmp/keys 10

The second argument is how many issues are computed here: all pairs of all candidates, as the formula says. Exits with 1
where a choice differs.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

import Levenshtein


def choose(keys, num_samples):
    """The candidate with the greatest votes plus density, then the greatest density, then the earliest key."""
    nearest = max(1, num_samples // 2)
    density = []
    for key in keys:
        ratios = sorted((Levenshtein.ratio(key, other) for other in keys), reverse=True)[:nearest]
        density.append(sum(ratios) / len(ratios))
    eligible = [number for number, key in enumerate(keys) if key]
    if not eligible:
        return None
    votes = Counter(keys[number] for number in eligible)
    first = {}
    for number in eligible:
        first.setdefault(keys[number], number)
    return max(
        eligible,
        key=lambda n: (votes[keys[n]] + density[n], density[n], -first[keys[n]], -n),
    )


def main():
    folder, most = Path(sys.argv[1]), int(sys.argv[2])
    wrong = 0
    for path in sorted(folder.glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            rows = [json.loads(line) for _, line in zip(range(most), lines)]
        total = sum(1 for _ in open(path, encoding="utf-8"))
        started = time.perf_counter()
        for number, row in enumerate(rows):
            expected = choose(row["keys"], row["num_samples"])
            if expected != row["chosen"]:
                wrong += 1
                print(f"{path.stem} {number}: chosen {row['chosen']}, here {expected}")
        seconds = time.perf_counter() - started
        print(
            f"{path.stem}: {len(rows)} of {total} issues in {seconds:.1f} s with Levenshtein"
            f" {Levenshtein.__version__}, so all on one core in {seconds * total / max(1, len(rows)):.0f} s"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
