import unittest

from gauge.scale import clamp, label


class ScaleTests(unittest.TestCase):
    def test_low(self):
        self.assertEqual(clamp(-3, 0, 10), 0)

    def test_between(self):
        self.assertEqual(clamp(7, 0, 10), 7)

    def test_label(self):
        self.assertEqual(label(3), "3 of 10")

    def test_high(self):
        self.assertEqual(clamp(12, 0, 10), 10)
        self.assertEqual(label(11), "10 of 10")
