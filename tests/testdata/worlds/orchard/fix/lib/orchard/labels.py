"""Texts on crates."""

from orchard import crates


def label(fruit, pieces, size):
    """Text for a delivery: `2 crates of pears`."""
    count = crates.crates_for(pieces, size)
    return "{} {} of {}".format(count, "crate" if count == 1 else "crates", fruit)
