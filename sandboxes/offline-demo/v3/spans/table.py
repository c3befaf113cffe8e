"""An agenda as text."""

from .duration import render


def describe(agenda, zero=0):
    """A line per booking: how long after `zero` it starts (or before, with a minus), and how long it takes."""
    lines = []
    for booking in agenda.bookings():
        offset = render(booking.start - zero)
        lines.append(f"{offset:>10}  {render(booking.length)}")
    return "\n".join(lines)
