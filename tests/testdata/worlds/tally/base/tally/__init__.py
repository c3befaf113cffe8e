"""Votes to seats."""

from .seats import share
from .votes import count

__all__ = ["count", "share"]
