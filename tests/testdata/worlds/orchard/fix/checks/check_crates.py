import pytest

import baskets
from orchard.crates import crates_for, spare


def test_full_crates():
    assert crates_for(24, 12) == 2


def test_no_size():
    with pytest.raises(ValueError):
        crates_for(3, 0)


def test_the_price_list_is_read():
    assert baskets.prices()["pear"] == 4


def test_what_is_left_takes_a_crate(dozen):
    baskets.same([crates_for(n, dozen) for n in (1, 12, 13, 30)], [1, 1, 2, 3])


def test_empty_places(dozen):
    assert spare(13, dozen) == 11
    assert spare(24, dozen) == 0
