"""Readings of a gauge."""

LIMIT = 10


def clamp(value, low, high):
    """The value, or the bound that it passes."""
    if value < low:
        return low
    if value > high:
        return high
    return value


def label(value):
    """Text of a reading: `3 of 10`."""
    return "{} of {}".format(clamp(value, 0, LIMIT), LIMIT)
