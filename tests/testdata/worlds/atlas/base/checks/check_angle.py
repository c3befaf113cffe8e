import pytest
from atlas.angle import format_angle, parse_angle


@pytest.mark.parametrize("text, degrees", [("12d", 12.0), ("12d30m", 12.5), ("7.5°E", 7.5)])
def holds_plain(text, degrees):
    assert parse_angle(text) == degrees


@pytest.mark.parametrize("text", ["", "12", "x°", "12°3'Q"])
def holds_refusal(text):
    with pytest.raises(ValueError):
        parse_angle(text)


def holds_formatting():
    assert format_angle(-12.05) == "12°3'S"
    assert format_angle(10.75, "EW") == "10°45'E"
