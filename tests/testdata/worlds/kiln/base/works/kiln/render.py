"""Programmes for people to read."""

from .programme import table


def clock(minute):
    return "{}:{:02d}".format(*divmod(minute, 60))


def render(text, start=20):
    """One line a step: when it ends, and how hot it is then."""
    lines = ["{:>6} {:>5}".format(clock(minute), heat) for minute, heat in table(text, start)]
    return "\n".join(["  time  heat"] + lines) + "\n"
