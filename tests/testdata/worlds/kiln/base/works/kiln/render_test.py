import os

import pytest

from works.kiln import render as rendering

GOLDEN = os.path.join(os.path.dirname(__file__), "golden")
PROGRAMMES = {"short": "100/h to 120", "steep": "600/h to 1020, cool 100/h to 920"}


@pytest.fixture(params=sorted(PROGRAMMES))
def firing(request):
    with open(os.path.join(GOLDEN, request.param + ".txt")) as golden:
        return PROGRAMMES[request.param], golden.read()


def test_rendering(firing):
    programme, wanted = firing
    assert rendering(programme) == wanted
