import pytest


def test_the_limit_belongs_to_the_step(quote):
    assert quote("500 g") == 199
    assert quote("501 g") == 379


def test_too_heavy(quote):
    with pytest.raises(ValueError, match="too heavy"):
        quote("3 kg")
