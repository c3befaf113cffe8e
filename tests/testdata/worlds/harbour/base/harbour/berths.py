"""Who may leave when."""

from . import tides


def leaves(last, ready):
    """Text of the departure of a ship that is ready at a minute."""
    high = tides.next_high(last, ready)
    return "{:02d}:{:02d}".format(high // 60 % 24, high % 60)
