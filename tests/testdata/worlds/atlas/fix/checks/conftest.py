import pytest
from reading import rows


@pytest.fixture
def book():
    return {name: (float(latitude), float(longitude)) for name, latitude, longitude in rows("book.txt")}
