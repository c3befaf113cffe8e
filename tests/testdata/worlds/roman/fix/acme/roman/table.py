"""Letters and what they are worth, largest first."""

LETTERS = [("M", 1000), ("D", 500), ("C", 100), ("L", 50), ("X", 10), ("V", 5), ("I", 1)]

WORTH = dict(LETTERS)

PAIRS = [("CM", 900), ("CD", 400), ("XC", 90), ("XL", 40), ("IX", 9), ("IV", 4)]

STEPS = sorted(LETTERS + PAIRS, key=lambda step: -step[1])
