"""Letters and what they are worth, largest first."""

LETTERS = [("M", 1000), ("D", 500), ("C", 100), ("L", 50), ("X", 10), ("V", 5), ("I", 1)]

WORTH = dict(LETTERS)
