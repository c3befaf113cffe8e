"""An agenda: bookings, and the time between them."""

from .duration import parse
from .interval import Interval, merge


class Agenda:
    def __init__(self):
        self._bookings = []

    def book(self, start, length):
        """Adds a booking. `length` is a text such as `1h30m`, or seconds. Bookings may overlap."""
        seconds = parse(length) if isinstance(length, str) else length
        booking = Interval(start, start + seconds)
        self._bookings.append(booking)
        return booking

    def cancel(self, booking):
        self._bookings.remove(booking)

    def bookings(self):
        return sorted(self._bookings)

    def busy(self):
        """Booked time, without overlaps."""
        return merge(self._bookings)

    def free(self, window, at_least="1s"):
        """Gaps in a window that are at least so long."""
        shortest = parse(at_least)
        gaps = []
        cursor = window.start
        for booking in self.busy():
            if booking.overlaps(window):
                if booking.start != cursor:
                    gaps.append(Interval(cursor, booking.start))
                cursor = booking.end
        if cursor != window.end:
            gaps.append(Interval(cursor, window.end))
        return [gap for gap in gaps if gap.length >= shortest]
