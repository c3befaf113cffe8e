import doctest
import pathlib


def test_the_usage_page_is_right():
    page = pathlib.Path(__file__).with_name("usage.txt")
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert failed == 0
    assert tried >= 3
