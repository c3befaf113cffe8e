"""What the tests in the style of pytest share."""

import pytest

import shop


def refuses(number):
    with pytest.raises(ValueError):
        shop.price(number)
    return True
