import sys
import unittest

import pytest

import shop


def test_passes():
    assert shop.price("apple") == 3


def test_fails():
    assert shop.price("apple") == 4


def test_fails_below_source():
    shop.price("pear")


@pytest.mark.skip(reason="not here")
def test_skips():
    pass


def test_skips_inside():
    pytest.skip("not now")


@pytest.mark.xfail(reason="known")
def test_xfails():
    assert False


@pytest.mark.xfail(reason="known", run=False)
def test_xfails_without_running():
    assert False


@pytest.mark.xfail(reason="known", strict=False)
def test_xpasses():
    pass


@pytest.mark.xfail(reason="known", strict=True)
def test_xpasses_strictly():
    pass


@pytest.fixture
def broken():
    raise OSError("no")


@pytest.fixture
def breaks_late():
    yield
    raise OSError("no")


def test_setup_error(broken):
    pass


def test_teardown_error(breaks_late):
    pass


@pytest.mark.parametrize("text", ["a b", "x::y[0]", u"\u00fc", "new\nline", "tests/other.py::test_z"])
def test_ids(text):
    assert text


class TestGroup(object):
    def test_method(self):
        pass


class Old(unittest.TestCase):
    def test_method(self):
        self.assertEqual(1, 1)

    @unittest.expectedFailure
    def test_expected(self):
        self.assertEqual(1, 2)

    @unittest.expectedFailure
    def test_unexpected(self):
        self.assertEqual(1, 1)


class OldSetUp(unittest.TestCase):
    def setUp(self):
        self.assertEqual(1, 2)

    def test_method(self):
        pass


class OldTearDown(unittest.TestCase):
    def tearDown(self):
        raise OSError("no")

    def test_method(self):
        pass

    def test_fails_too(self):
        self.assertEqual(1, 2)

    def test_late(self):
        self.addCleanup(self.fail)


class CallsItsSetUp(unittest.TestCase):
    ready = False

    def setUp(self):
        self.assertEqual(self.ready, False)
        self.ready = True

    def test_calls_it_again(self):
        self.setUp()

    def test_skips_inside(self):
        self.skipTest("not now")
