import unittest
from unittest import TestCase, mock

import shop
from tests.bench import PriceTestCase


class Base(PriceTestCase):
    def inherited(self):
        self.assertEqual(shop.price(1), 3)


class ShopTests(Base):
    @classmethod
    def setUpClass(cls):
        super(ShopTests, cls).setUpClass()
        cls.open = True

    def tearDown(self):
        self.basket = None

    def test_passes(self):
        self.assertTrue(self.open)
        self.assertEqual(self.basket.add("tea"), 1)
        self.inherited()

    def test_shares(self):
        self.check_price(2)

    def test_fails(self):
        self.assertEqual(shop.price(1), 4)

    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertEqual(shop.price(number), number * 3)

    def test_a_part_fails(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

    def test_raises(self):
        with self.assertRaises(ValueError) as caught:
            shop.price(-1)
        self.assertIn("-1", str(caught.exception))
        self.assertRaisesRegex(ValueError, "no price", shop.price, -1)

    def test_raises_in_vain(self):
        with self.assertRaises(ValueError):
            shop.price(1)

    def test_compares(self):
        self.assertAlmostEqual(shop.halves(0.3), 0.15)
        self.assertCountEqual([1, 2, 2], [2, 1, 2])
        self.assertGreater(shop.price(2), 5)
        self.assertRegex("tea", "t.a")
        self.assertIsInstance(self.basket, shop.Basket)

    def test_counts_wrongly(self):
        self.assertCountEqual([1, 2], [2, 2])

    def test_cleans_up(self):
        self.addCleanup(self.log.append, "done")

    def test_mocks(self):
        with mock.patch.object(shop, "price", return_value=8):
            self.assertEqual(shop.price(1), 8)

    @unittest.skip("not now")
    def test_skipped(self):
        self.fail()

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_no_signs(self):
        self.assertEqual(shop.lists_signs(), [])


class Broken(TestCase):
    def setUp(self):
        raise OSError("no shop")

    def test_never_runs(self):
        pass


class Unlucky(TestCase):
    @classmethod
    def setUpClass(cls):
        raise KeyError("no shop")

    def test_never_runs(self):
        pass


if __name__ == "__main__":
    unittest.main()
