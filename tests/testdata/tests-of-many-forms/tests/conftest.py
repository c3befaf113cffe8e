import pytest

import shop


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes a while")


@pytest.fixture
def basket():
    made = shop.Basket()
    shop.Basket.opened += 1
    yield made
    shop.Basket.opened -= 1


@pytest.fixture(params=["kg", "g"])
def unit(request):
    return request.param
