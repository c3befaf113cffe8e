"""Weights as people write them."""

import re

UNITS = {"g": 1, "kg": 1000}

_WEIGHT = re.compile(r"(\d+)(?:\.(\d+))?\s*(kg|g)")


def grams(text):
    """Grams in a text such as `2 kg` or `1.5kg`."""
    match = _WEIGHT.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("not a weight: {!r}".format(text))
    whole, part, unit = match.groups()
    return int(whole) * UNITS[unit]
