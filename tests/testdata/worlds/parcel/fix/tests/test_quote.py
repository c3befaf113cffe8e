import pytest


def test_the_limit_belongs_to_the_step(quote):
    assert quote("500 g") == 199
    assert quote("501 g") == 379


def test_too_heavy(quote):
    with pytest.raises(ValueError, match="too heavy"):
        quote("3 kg")


def test_a_part_of_a_kilogram_counts(quote):
    assert quote("0.4 kg") == 199
    assert quote("1.2 kg") == 549
