"""Reads the tables beside the checks."""

import os


def rows(name):
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as lines:
        return [line.split() for line in lines if line.strip()]
