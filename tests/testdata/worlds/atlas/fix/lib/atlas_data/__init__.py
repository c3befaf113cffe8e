"""Places that come with the package."""

import os

from atlas.place import parse_place


def places():
    """Every place of places.txt, by name."""
    path = os.path.join(os.path.dirname(__file__), "places.txt")
    with open(path, encoding="utf-8") as lines:
        found = [parse_place(line) for line in lines if line.strip()]
    return {place.name: place for place in found}
