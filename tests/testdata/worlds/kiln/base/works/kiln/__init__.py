"""Firing programmes."""

from .programme import minutes, parse, table
from .render import render

__all__ = ["minutes", "parse", "render", "table"]
