from atlas_data import places


def holds_book(book):
    found = places()
    for name in book:
        assert (round(found[name].latitude, 4), round(found[name].longitude, 4)) == book[name]


def holds_distance_to_itself():
    oslo = places()["Oslo"]
    assert oslo.distance(oslo) == 0


def holds_distance():
    found = places()
    assert found["Lima"].distance(found["Quito"]) == 1326
    assert found["Oslo"].distance(found["Lima"]) == 11043
