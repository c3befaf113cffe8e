import unittest

from spans import Agenda, describe


class DescribeTests(unittest.TestCase):
    def test_a_line_per_booking(self):
        agenda = Agenda()
        agenda.book(3600, "45m")
        agenda.book(0, "5m")
        self.assertEqual(describe(agenda), "        0s  5m\n        1h  45m")

    def test_bookings_before_zero(self):
        agenda = Agenda()
        agenda.book(0, "10m")
        self.assertEqual(describe(agenda, zero=5400), "    -1h30m  10m")

    def test_an_empty_agenda_has_no_lines(self):
        self.assertEqual(describe(Agenda()), "")


if __name__ == "__main__":
    unittest.main()
