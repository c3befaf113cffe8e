import unittest

from ledger import Book


class BookTests(unittest.TestCase):
    def setUp(self):
        self.book = Book(["ann", "bob", "cyd"])

    def test_an_even_bill(self):
        self.book.split(900)
        self.assertEqual(self.book.lines(), ["ann: 3.00", "bob: 3.00", "cyd: 3.00"])

    def test_nothing_is_owed_at_first(self):
        self.assertEqual(self.book.total(), 0)

    def test_an_odd_bill(self):
        self.book.split(1000)
        self.assertEqual(self.book.lines(), ["ann: 3.34", "bob: 3.33", "cyd: 3.33"])
        self.assertEqual(self.book.total(), 1000)
