import unittest

from harbour import tides
from harbour.selftest import almanac


class NextHigh(unittest.TestCase):
    def test_before_the_first(self):
        self.assertEqual(tides.next_high(100, 40), 100)

    def test_between(self):
        self.assertEqual(tides.next_high(100, 101), 845)

    def test_the_almanac(self):
        for last, now, high in almanac.rows("plain"):
            self.assertEqual(tides.next_high(last, now), high)
