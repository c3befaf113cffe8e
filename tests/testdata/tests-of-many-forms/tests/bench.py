"""What the tests in the style of unittest share."""

import unittest

import shop


class PriceTestCase(unittest.TestCase):
    def setUp(self):
        self.basket = shop.Basket()
        self.log = []

    def check_price(self, number):
        self.assertEqual(shop.price(number), number * 3)
