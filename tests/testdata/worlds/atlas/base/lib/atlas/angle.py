"""Angles as people write them."""

import re

PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[°d]\s*(?:(\d+(?:\.\d+)?)\s*['m])?\s*([NSEW])?\s*$")


def parse_angle(text):
    """Degrees of an angle such as 12°30'W."""
    found = PATTERN.match(text)
    if found is None:
        raise ValueError("not an angle: {!r}".format(text))
    degrees, minutes, side = found.groups()
    return float(degrees) + float(minutes or 0) / 60


def format_angle(degrees, sides="NS"):
    """The angle in degrees and minutes, with its side."""
    side = sides[0] if degrees >= 0 else sides[1]
    whole, minutes = divmod(round(abs(degrees) * 60), 60)
    return "{}°{}'{}".format(whole, minutes, side)
