import pytest
from atlas.angle import format_angle, parse_angle


@pytest.mark.parametrize("text, degrees", [("12d", 12.0), ("12d30m", 12.5), ("7.5°E", 7.5)])
def holds_plain(text, degrees):
    assert parse_angle(text) == degrees


class CheckSides:
    @pytest.mark.parametrize("text, degrees", [("12d30mW", -12.5), ("7.5°S", -7.5), ("0d45m S", -0.75)])
    def holds_below_zero(self, text, degrees):
        assert parse_angle(text) == degrees

    def holds_for_both(self):
        assert parse_angle("40d15mW") + parse_angle("3d45mE") == -36.5


@pytest.mark.parametrize("text", ["", "12", "x°", "12°3'Q", "12°75'", "1d60m"])
def holds_refusal(text):
    with pytest.raises(ValueError):
        parse_angle(text)


def holds_formatting():
    assert format_angle(-12.05) == "12°3'S"
    assert format_angle(10.75, "EW") == "10°45'E"


def holds_there_and_back():
    assert format_angle(parse_angle("33°52'S")) == "33°52'S"
