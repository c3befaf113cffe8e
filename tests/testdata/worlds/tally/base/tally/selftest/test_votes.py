import unittest

from tally import count


class Votes(unittest.TestCase):
    def test_empty_ballots(self):
        self.assertEqual(count(["a", " ", "b", "a "]), {"a": 2, "b": 1})
