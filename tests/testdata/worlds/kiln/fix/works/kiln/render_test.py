import os

import pytest

from works.kiln import render as rendering

GOLDEN = os.path.join(os.path.dirname(__file__), "golden")
PROGRAMMES = {
    "rest": "hold 7m",
    "short": "100/h to 120",
    "soak": "120/h to 620, hold 1h20m, cool 60/h to 590",
    "steep": "600/h to 1020, cool 100/h to 920",
}


@pytest.fixture(params=sorted(PROGRAMMES))
def firing(request):
    with open(os.path.join(GOLDEN, request.param + ".txt")) as golden:
        return PROGRAMMES[request.param], golden.read()


def test_rendering(firing):
    programme, wanted = firing
    assert rendering(programme) == wanted
