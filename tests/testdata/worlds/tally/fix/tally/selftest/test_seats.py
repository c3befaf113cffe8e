import unittest

from tally import share
from tally.selftest.cases import SharedCase


class PlainCases(SharedCase):
    kind = "plain"

    def test_cases(self):
        for case in self.cases:
            with self.subTest(votes=case["votes"]):
                self.assertEqual(share(case["votes"], case["seats"]), case["shared"])


class CloseCases(SharedCase):
    kind = "close"

    def test_cases(self):
        for case in self.cases:
            with self.subTest(votes=case["votes"]):
                self.assertEqual(share(case["votes"], case["seats"]), case["shared"])


class Seats(unittest.TestCase):
    def setUp(self):
        self.votes = {"north": 7, "south": 5}

    def test_small_parties(self):
        self.assertEqual(share({"a": 8, "b": 5, "c": 3}, 9), {"a": 5, "b": 3, "c": 1})

    def test_thirds(self):
        self.assertEqual(share(self.votes, 4), {"north": 2, "south": 2})
        self.assertEqual(share(self.votes, 7), {"north": 4, "south": 3})

    def test_none(self):
        self.assertEqual(share({"a": 5, "b": 3}, 0), {"a": 0, "b": 0})

    def test_ties_go_to_the_larger_party(self):
        self.assertEqual(share({"a": 20, "b": 40}, 2), {"a": 0, "b": 2})

    def test_all_seats_are_given(self):
        self.assertEqual(sum(share({"x": 53, "y": 24, "z": 23}, 17).values()), 17)


if __name__ == "__main__":
    unittest.main()
