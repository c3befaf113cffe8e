import unittest

from spans import Agenda, Interval


class AgendaTests(unittest.TestCase):
    def setUp(self):
        self.agenda = Agenda()
        self.window = Interval(0, 100)

    def test_book_and_cancel(self):
        booking = self.agenda.book(10, "20s")
        self.assertEqual(self.agenda.busy(), [Interval(10, 30)])
        self.agenda.cancel(booking)
        self.assertEqual(self.agenda.busy(), [])

    def test_an_empty_agenda_is_free(self):
        self.assertEqual(self.agenda.free(self.window), [self.window])

    def test_gaps_between_bookings(self):
        self.agenda.book(10, 20)
        self.agenda.book(50, 20)
        self.assertEqual(self.agenda.free(self.window), [Interval(0, 10), Interval(30, 50), Interval(70, 100)])

    def test_short_gaps_are_left_out(self):
        self.agenda.book(10, 80)
        self.assertEqual(self.agenda.free(self.window, at_least="11s"), [])

    def test_bookings_at_the_edges(self):
        self.agenda.book(0, 10)
        self.agenda.book(90, 10)
        self.assertEqual(self.agenda.free(self.window), [Interval(10, 90)])

    def test_bookings_elsewhere_do_not_matter(self):
        self.agenda.book(200, 5)
        self.assertEqual(self.agenda.free(self.window), [self.window])


if __name__ == "__main__":
    unittest.main()
