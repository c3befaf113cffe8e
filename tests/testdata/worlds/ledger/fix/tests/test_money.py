import unittest

from ledger import money


class ShowTests(unittest.TestCase):
    def test_cents_have_two_digits(self):
        self.assertEqual(money.show(1205), "12.05")

    def test_a_debt(self):
        self.assertEqual(money.show(-7), "-0.07")


class ShareTests(unittest.TestCase):
    def test_even(self):
        self.assertEqual(money.share(100, 4), [25, 25, 25, 25])

    def test_nobody(self):
        with self.assertRaises(ValueError):
            money.share(100, 0)

    def test_the_odd_cents_go_to_the_first(self):
        self.assertEqual(money.share(100, 3), [34, 33, 33])
        self.assertEqual(money.share(101, 3), [34, 34, 33])

    def test_no_cent_is_lost(self):
        for people in range(1, 12):
            with self.subTest(people=people):
                self.assertEqual(sum(money.share(1000, people)), 1000)
