import pytest

from works.kiln import programme


@pytest.mark.parametrize("start", [20, 120])
class TestRamps:
    WANTED = {20: [(120, 220), (180, 280)], 120: [(60, 220), (120, 280)]}

    def test_rows(self, start):
        assert programme.table("100/h to 220, 60/h to 280", start) == self.WANTED[start]

    def test_cooling(self, start):
        rows = programme.table("cool 10/h to 10", start)
        assert rows[0][1] == 10


@pytest.mark.parametrize("length, end", [("30m", 90), ("1h", 120), ("2h15m", 195)])
class TestHolds:
    def test_time_passes(self, length, end):
        assert programme.table("100/h to 120, hold " + length) == [(60, 120), (end, 120)]

    def test_later_steps_come_later(self, length, end):
        rows = programme.table("100/h to 120, hold {}, cool 50/h to 70".format(length))
        assert [minute for minute, _ in rows] == [60, end, end + 60]


def test_a_hold_first():
    assert programme.table("hold 45m, 100/h to 170", start=70) == [(45, 70), (105, 170)]


@pytest.mark.parametrize("text", ["hold", "to 600", "100/h to", "hold 3m 4m"])
def test_refusal(text):
    with pytest.raises(ValueError, match="not a step"):
        programme.parse(text)
