"""Fruit into crates."""


def crates_for(pieces, size):
    """How many crates of a size hold so many pieces."""
    if size < 1:
        raise ValueError("a crate holds at least one")
    return pieces // size


def spare(pieces, size):
    """Places that stay empty in the last crate."""
    return crates_for(pieces, size) * size - pieces
