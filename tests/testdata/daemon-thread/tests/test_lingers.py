from lingers import start


def test_start():
    assert start() >= 0


def test_next():
    pass
