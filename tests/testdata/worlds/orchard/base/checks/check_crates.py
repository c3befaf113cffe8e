import pytest

import baskets
from orchard.crates import crates_for


def test_full_crates():
    assert crates_for(24, 12) == 2


def test_no_size():
    with pytest.raises(ValueError):
        crates_for(3, 0)


def test_the_price_list_is_read():
    assert baskets.prices()["pear"] == 4
