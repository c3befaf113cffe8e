"""Half-open intervals: the start belongs to them, the end does not."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Interval:
    start: int
    end: int

    def __post_init__(self):
        if self.end <= self.start:
            raise ValueError(f"interval ends at {self.end}, not after its start {self.start}")

    @property
    def length(self):
        return self.end - self.start

    def contains(self, point):
        return self.start <= point < self.end

    def overlaps(self, other):
        return self.start < other.end and other.start < self.end

    def shift(self, seconds):
        return Interval(self.start + seconds, self.end + seconds)

    def clip(self, window):
        """The part that lies inside the window, or None."""
        if not self.overlaps(window):
            return None
        return Interval(max(self.start, window.start), min(self.end, window.end))


def merge(intervals):
    """Sorted intervals that cover the same points; those that overlap or touch become one."""
    merged = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def subtract(interval, holes):
    """What is left of an interval when the holes are cut out."""
    left = []
    start = interval.start
    for hole in merge(holes):
        part = hole.clip(interval)
        if part is None:
            continue
        if part.start > start:
            left.append(Interval(start, part.start))
        start = part.end
    if start < interval.end:
        left.append(Interval(start, interval.end))
    return left
