import pytest

from parcel import grams


@pytest.fixture(params=["kg", " kg", "KG"])
def unit(request):
    return request.param


@pytest.mark.parametrize("number, expected", [("1.5", 1500), ("0.25", 250), ("2.0", 2000), ("10.125", 10125)])
def test_decimals_of_a_kilogram(number, expected, unit):
    assert grams(number + unit) == expected


def test_a_sum_of_decimals():
    assert sum(grams(text) for text in ["0.1kg", "0.2kg", "1.25 kg"]) == 1550
