"""What the tests share."""

import json
import os
import unittest


class SharedCase(unittest.TestCase):
    """Tests over the cases of cases.json."""

    kind = ""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(os.path.dirname(__file__), "cases.json")) as text:
            cls.cases = json.load(text)[cls.kind]
