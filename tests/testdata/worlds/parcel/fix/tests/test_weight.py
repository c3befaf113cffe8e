import pytest

from parcel import grams


@pytest.mark.parametrize("text, expected", [("2 kg", 2000), ("500g", 500), (" 7 G ", 7), ("0 g", 0)])
def test_whole_weights(text, expected):
    assert grams(text) == expected


@pytest.mark.parametrize("text", ["", "kg", "two kg", "2 lb", "-1 kg"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="not a weight"):
        grams(text)
