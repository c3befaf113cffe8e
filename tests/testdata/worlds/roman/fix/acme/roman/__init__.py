"""Roman numerals. The package lives in the namespace `acme`."""

from .numerals import from_roman, to_roman

__all__ = ["from_roman", "to_roman"]
