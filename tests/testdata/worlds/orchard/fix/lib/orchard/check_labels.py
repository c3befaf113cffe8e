from orchard.labels import label


def test_one_crate():
    assert label("pears", 12, 12) == "1 crate of pears"


def test_many_crates():
    assert label("pears", 36, 12) == "3 crates of pears"


def test_the_last_crate_is_not_full():
    assert label("plums", 25, 12) == "3 crates of plums"
