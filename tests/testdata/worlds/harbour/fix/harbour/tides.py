"""High water."""

PERIOD = 745


def next_high(last, now):
    """Minute of the first high water at or after now, when one was at minute last."""
    if now <= last:
        return last
    rounds = (now - last + PERIOD - 1) // PERIOD
    return last + rounds * PERIOD
