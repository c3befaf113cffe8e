import unittest

import shop


class Plain(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(shop.price("apple"), 3)

    def test_fails(self):
        self.assertEqual(shop.price("apple"), 4)

    def test_errs_below_source(self):
        shop.price("pear")

    @unittest.skip("not here")
    def test_skips(self):
        pass

    def test_skips_inside(self):
        self.skipTest("not now")

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

    def test_sub_tests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

    def test_late(self):
        self.addCleanup(self.fail)


class BrokenSetUp(unittest.TestCase):
    def setUp(self):
        raise OSError("no")

    def test_a(self):
        pass


class BrokenTearDown(unittest.TestCase):
    def tearDown(self):
        raise OSError("no")

    def test_a(self):
        pass


class BrokenSetUpClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise OSError("no")

    def test_a(self):
        pass

    def test_b(self):
        pass


class SkippedSetUpClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("not here")

    def test_a(self):
        pass


class BrokenTearDownClass(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        raise OSError("no")

    def test_a(self):
        pass

    def test_b(self):
        pass


class Waits(unittest.IsolatedAsyncioTestCase):
    async def test_passes(self):
        self.assertEqual(shop.price("apple"), 3)

    async def test_fails(self):
        self.assertEqual(shop.price("apple"), 4)
