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
