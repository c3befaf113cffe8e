import unittest

from harbour import berths


class Leaves(unittest.TestCase):
    def test_waits_for_water(self):
        self.assertEqual(berths.leaves(0, 10), "12:25")
