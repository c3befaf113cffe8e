"""Lengths of time as people write them: `1h30m`, `45s`, `-2d`."""

import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_PART = re.compile(r"(\d+)([dhms])")


def parse(text):
    """Seconds in a text such as `1h30m`. Larger units come first, each at most once; a minus in front is for all."""
    body = text.strip()
    negative = body.startswith("-")
    body = body[negative:]
    seconds = 0
    position = 0
    previous = None
    for match in _PART.finditer(body):
        amount, unit = match.groups()
        size = UNITS[unit]
        if match.start() != position or (previous is not None and size >= previous):
            break
        seconds += int(amount) * size
        previous = size
        position = match.end()
    if not body or position != len(body):
        raise ValueError(f"not a duration: {text!r}")
    return -seconds if negative else seconds


def render(seconds):
    """The shortest text that `parse` reads back as this many seconds."""
    if seconds == 0:
        return "0s"
    parts = ["-"] if seconds < 0 else []
    seconds = abs(seconds)
    for unit, size in UNITS.items():
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts)
