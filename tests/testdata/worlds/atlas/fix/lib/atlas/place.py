"""Places on the globe."""

import math

from .angle import parse_angle


class Place:
    """A named point."""

    def __init__(self, name, latitude, longitude):
        self.name = name
        self.latitude = latitude
        self.longitude = longitude

    def distance(self, other):
        """Kilometres over the ground to another place, to the nearest one."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        turn = math.radians(other.longitude - self.longitude)
        cosine = math.sin(here) * math.sin(there) + math.cos(here) * math.cos(there) * math.cos(turn)
        return round(6371 * math.acos(max(-1.0, min(1.0, cosine))))


def parse_place(line):
    """A place from its name and two angles: Lima 12°3'S 77°3'W."""
    name, latitude, longitude = line.rsplit(None, 2)
    return Place(name, parse_angle(latitude), parse_angle(longitude))
