"""As the tests of runners and plugins do: each starts sessions in this process, and none is to see what another left."""

import sys

pytest_plugins = ["pytester"]

with open("loaded.txt", "w") as out:
    out.write("\n".join(sorted(name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).endswith(".py"))))


def test_a_session_that_changes_a_module(pytester):
    pytester.makepyfile("import unittest\n\ndef test():\n    unittest.TestCase.left_over = True\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_session_that_must_not_see_it(pytester):
    pytester.makepyfile("import unittest\n\ndef test():\n    assert not hasattr(unittest.TestCase, 'left_over')\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
