"""Small sums of money, shared fairly."""

from ledger.book import Book
from ledger.money import share, show

__all__ = ["Book", "share", "show"]
