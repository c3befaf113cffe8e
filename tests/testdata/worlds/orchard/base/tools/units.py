import pytest


@pytest.fixture
def dozen():
    return 12
