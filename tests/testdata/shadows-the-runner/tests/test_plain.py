import json


def test_json():
    assert json.loads("1") == 1
