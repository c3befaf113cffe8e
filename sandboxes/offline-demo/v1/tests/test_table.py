import unittest

from spans import Agenda, describe


class DescribeTests(unittest.TestCase):
    def test_a_line_per_booking(self):
        agenda = Agenda()
        agenda.book(3600, "45m")
        agenda.book(0, "5m")
        self.assertEqual(describe(agenda), "        0s  5m\n        1h  45m")

    def test_an_empty_agenda_has_no_lines(self):
        self.assertEqual(describe(Agenda()), "")


if __name__ == "__main__":
    unittest.main()
