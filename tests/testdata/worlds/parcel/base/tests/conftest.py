import pytest

import parcel


@pytest.fixture
def tariff():
    return {500: 199, 1000: 379, 2000: 549}


@pytest.fixture
def quote(tariff):
    return lambda weight: parcel.price(weight, tariff)
