"""Builds the wheel of a project the way its pyproject.toml asks for (PEP 517), and hands it over on descriptor 3.

In, on standard input: the name of the backend, the folders of the project that it may come from, and the requirements
that are installed. Out: one line of JSON, `{"requires": [...]}` if the backend wants more than these, or
`{"wheel": NAME}` and then the bytes of the wheel.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile

REPORT = 3


def load(name, paths):
    sys.path[:0] = [os.path.abspath(path) for path in paths]
    module, _, attributes = name.partition(":")
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    return backend


def main():
    # The folder of this script is not one that modules come from.
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != os.path.dirname(os.path.abspath(__file__))]
    order = json.load(sys.stdin)
    sys.argv[1:] = []
    backend = load(order["backend"], order["paths"])
    ask = getattr(backend, "get_requires_for_build_wheel", None)
    wanted = list(ask(None)) if ask else []
    missing = [line for line in wanted if line not in order["installed"]]
    with os.fdopen(os.dup(REPORT), "wb") as report:
        if missing:
            report.write(json.dumps({"requires": missing}).encode() + b"\n")
            return
        folder = tempfile.mkdtemp()
        name = backend.build_wheel(folder, None, None)
        report.write(json.dumps({"wheel": os.path.basename(name)}).encode() + b"\n")
        with open(os.path.join(folder, name), "rb") as wheel:
            shutil.copyfileobj(wheel, report)


main()
