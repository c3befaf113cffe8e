"""What a firing programme says."""

from collections import namedtuple

Ramp = namedtuple("Ramp", "rate target")
Hold = namedtuple("Hold", "length")


def minutes(text):
    """Minutes of a length of time.

    >>> minutes("1h30m")
    90
    >>> minutes("20m")
    20
    """
    hours, _, rest = text.rpartition("h")
    return int(hours or 0) * 60 + int(rest.rstrip("m") or 0)


def parse(text):
    """Steps of a programme such as `100/h to 600, hold 30m, cool 50/h to 100`."""
    steps = []
    for part in text.split(","):
        words = part.split()
        if words and words[0] == "cool":
            words = words[1:]
        if len(words) == 2 and words[0] == "hold":
            steps.append(Hold(minutes(words[1])))
        elif len(words) == 3 and words[1] == "to" and words[0].endswith("/h"):
            steps.append(Ramp(int(words[0][:-2]), int(words[2])))
        else:
            raise ValueError("not a step: " + part.strip())
    return steps


def table(text, start=20):
    """Minute and temperature at the end of every step.

    >>> table("100/h to 120")
    [(60, 120)]
    """
    minute, heat = 0, start
    rows = []
    for step in parse(text):
        if isinstance(step, Hold):
            minute += step.length
        else:
            minute += abs(step.target - heat) * 60 // step.rate
            heat = step.target
        rows.append((minute, heat))
    return rows
