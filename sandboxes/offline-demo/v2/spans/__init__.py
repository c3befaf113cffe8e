"""Lengths of time, intervals and agendas. Points in time are whole seconds from any zero you like."""

from .agenda import Agenda
from .duration import parse, render
from .interval import Interval, merge, subtract
from .table import describe

__all__ = ["Agenda", "Interval", "describe", "merge", "parse", "render", "subtract"]
