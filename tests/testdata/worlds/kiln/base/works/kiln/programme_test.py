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


@pytest.mark.parametrize("text", ["hold", "to 600", "100/h to", "hold 3m 4m"])
def test_refusal(text):
    with pytest.raises(ValueError, match="not a step"):
        programme.parse(text)
