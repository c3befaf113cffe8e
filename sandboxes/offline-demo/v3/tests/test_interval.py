import unittest

from spans import Interval, merge, subtract


class IntervalTests(unittest.TestCase):
    def test_an_interval_is_not_empty(self):
        with self.assertRaises(ValueError):
            Interval(5, 5)

    def test_the_end_is_outside(self):
        self.assertTrue(Interval(0, 10).contains(0))
        self.assertFalse(Interval(0, 10).contains(10))

    def test_clip(self):
        window = Interval(10, 20)
        self.assertEqual(Interval(5, 15).clip(window), Interval(10, 15))
        self.assertIsNone(Interval(0, 10).clip(window))

    def test_shift(self):
        self.assertEqual(Interval(1, 2).shift(3), Interval(4, 5))


class MergeTests(unittest.TestCase):
    def test_apart(self):
        self.assertEqual(merge([Interval(5, 6), Interval(1, 2)]), [Interval(1, 2), Interval(5, 6)])

    def test_overlapping_and_touching(self):
        self.assertEqual(merge([Interval(1, 4), Interval(3, 6), Interval(6, 8)]), [Interval(1, 8)])

    def test_one_inside_another(self):
        self.assertEqual(merge([Interval(0, 10), Interval(2, 4)]), [Interval(0, 10)])


class SubtractTests(unittest.TestCase):
    def test_holes_at_the_edges_and_inside(self):
        holes = [Interval(0, 2), Interval(4, 5), Interval(9, 20)]
        self.assertEqual(subtract(Interval(1, 10), holes), [Interval(2, 4), Interval(5, 9)])

    def test_nothing_left(self):
        self.assertEqual(subtract(Interval(1, 3), [Interval(0, 5)]), [])


if __name__ == "__main__":
    unittest.main()
