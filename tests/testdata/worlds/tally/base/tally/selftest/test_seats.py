import unittest

from tally import share
from tally.selftest.cases import SharedCase


class PlainCases(SharedCase):
    kind = "plain"

    def test_cases(self):
        for case in self.cases:
            with self.subTest(votes=case["votes"]):
                self.assertEqual(share(case["votes"], case["seats"]), case["shared"])


class Seats(unittest.TestCase):
    def test_none(self):
        self.assertEqual(share({"a": 5, "b": 3}, 0), {"a": 0, "b": 0})

    def test_ties_go_to_the_larger_party(self):
        self.assertEqual(share({"a": 20, "b": 40}, 2), {"a": 0, "b": 2})

    def test_all_seats_are_given(self):
        self.assertEqual(sum(share({"x": 53, "y": 24, "z": 23}, 17).values()), 17)


if __name__ == "__main__":
    unittest.main()
