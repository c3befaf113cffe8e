"""Functions and classes in the style of pytest."""

import os
import re
import sys
import warnings

import pytest
from pytest import approx, mark

import shop
from shelf import refuses

pytestmark = pytest.mark.slow


@pytest.fixture
def full(basket):
    for name in ("tea", "rice"):
        basket.add(name)
    return basket


def test_passes():
    assert shop.price(2) == 6


def test_fails():
    assert shop.price(2) == 7


def test_breaks():
    shop.price(-1)


def test_raises():
    with pytest.raises(ValueError, match=r"no price for -\d") as caught:
        shop.price(-1)
    assert str(caught.value) == "no price for -1"
    pytest.raises(ValueError, shop.price, -2)


def test_shares():
    assert refuses(-1)


def test_shares_in_vain():
    refuses(1)


def test_raises_in_vain():
    with pytest.raises(ValueError):
        shop.price(1)


def test_raises_another():
    with pytest.raises(ValueError, match="cheap"):
        shop.price(-1)


def test_nearly():
    assert shop.halves(0.3) == approx(0.15)
    assert [shop.halves(1), shop.halves(3)] == pytest.approx([0.5, 1.5])
    assert shop.halves(1) != approx(0.51)


def test_not_nearly():
    assert shop.halves(1) == approx(0.51)


@pytest.mark.parametrize("number, expected", [(1, 3), (2, 6), (-0.5, None)])
def test_values(number, expected):
    if expected is None:
        with pytest.raises(ValueError):
            shop.price(number)
    else:
        assert shop.price(number) == expected


@mark.parametrize("kind", [int, "a b", b"\x00", None, True, re.compile("x+"), "\u00fc\n", ""])
def test_names(kind):
    assert kind is not shop


@pytest.mark.parametrize("first", [1, 2], ids=["one", "two"])
@pytest.mark.parametrize("second", [pytest.param(3, id="three"), 4])
def test_two_sets(first, second):
    assert shop.price(first + second) == 3 * (first + second)


@pytest.mark.parametrize("number", [1, 1])
def test_same_names(number):
    assert shop.price(number) == 3


def test_makers(full, unit):
    assert (full.goods, unit) in ((["tea", "rice"], "kg"), (["tea", "rice"], "g"))
    assert shop.Basket.opened == 1


def test_built_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SHOP", "open")
    monkeypatch.setattr(shop, "halves", lambda number: number)
    print(os.environ["SHOP"], shop.halves(4))
    assert capsys.readouterr().out == "open 4\n"
    (tmp_path / "x").write_text("y")


def test_built_in_was_undone(basket):
    assert "SHOP" not in os.environ
    assert shop.halves(4) == 2
    assert shop.Basket.opened == 1


def test_log(caplog):
    assert caplog is not None


def test_warns():
    with pytest.warns(UserWarning, match="old"):
        warnings.warn("old")


@pytest.mark.skip(reason="not now")
def test_skipped():
    assert False


def test_skips():
    pytest.skip("not now")


@pytest.mark.xfail
def test_expected():
    assert False


def test_no_signs():
    assert shop.lists_signs() == []


class TestGroup:
    def setup_method(self):
        self.bag = shop.Basket()

    @classmethod
    def setup_class(cls):
        cls.shared = "x"

    @pytest.fixture
    def named(self):
        return self.shared * 2

    def test_method(self, named):
        assert self.bag.add(named) == 1

    @pytest.mark.parametrize("number", [1, 2])
    def test_values(self, number):
        assert shop.price(number) == number * 3

    class TestInner:
        def test_inner(self):
            assert shop.price(0) == 0
