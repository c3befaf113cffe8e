"""The package's own tests."""

import os


def load_tests(loader, tests, pattern):
    return loader.discover(os.path.dirname(__file__), pattern=pattern or "test_*.py", top_level_dir=os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
