import unittest

from spans import parse, render


class ParseTests(unittest.TestCase):
    def test_units_add_up(self):
        self.assertEqual(parse("1h30m"), 5400)
        self.assertEqual(parse(" 2d3h "), 183600)

    def test_zero(self):
        self.assertEqual(parse("0s"), 0)

    def test_one_negative_unit(self):
        self.assertEqual(parse("-45s"), -45)

    def test_the_minus_is_for_all_units(self):
        self.assertEqual(parse("-1h30m"), -5400)

    def test_a_minus_inside_is_refused(self):
        with self.assertRaises(ValueError):
            parse("1h-30m")

    def test_other_text_is_refused(self):
        for text in ("", "5", "h", "1h 30m", "30m1h", "1h1h", "1x"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                parse(text)


class RenderTests(unittest.TestCase):
    def test_units_that_are_zero_are_left_out(self):
        self.assertEqual(render(3605), "1h5s")

    def test_zero(self):
        self.assertEqual(render(0), "0s")

    def test_negative(self):
        self.assertEqual(render(-5400), "-1h30m")
        self.assertEqual(render(-1), "-1s")

    def test_negative_round_trip(self):
        for seconds in (1, 59, 60, 61, 3599, 86399, 86400, 90061):
            self.assertEqual(parse(render(-seconds)), -seconds)

    def test_round_trip(self):
        for seconds in (1, 59, 60, 61, 3599, 86399, 86400, 90061):
            self.assertEqual(parse(render(seconds)), seconds)


if __name__ == "__main__":
    unittest.main()
