"""Angles and places."""

from .angle import parse_angle
from .place import Place, parse_place

__all__ = ["Place", "parse_angle", "parse_place"]
