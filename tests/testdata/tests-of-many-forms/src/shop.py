import os
import sys
import threading
import traceback


def price(number):
    if number < 0:
        raise ValueError("no price for {}".format(number))
    return number * 3


def halves(number):
    return number / 2


class Basket:
    opened = 0

    def __init__(self):
        self.goods = []

    def add(self, name):
        self.goods.append(name)
        return len(self.goods)


def lists_signs():
    """Signs of a test runner or of its helper."""
    words = ("test", "assay", "nose", "assert")
    found = []

    def look(where, texts):
        found.extend("{}: {}".format(where, text) for text in texts if any(word in text.lower() for word in words))

    here = os.path.dirname(os.path.abspath(__file__))

    look("modules", [name for name in sys.modules])
    look("arguments", [os.path.basename(word) for word in sys.argv + getattr(sys, "orig_argv", [])[1:]])
    look("environment", ["{}={}".format(name, value) for name, value in os.environ.items() if name != "PYTHONPATH"])
    look("main", [str(vars(sys.modules["__main__"]).get(name)) for name in ("__file__", "__name__", "__package__")])
    look("main names", list(vars(sys.modules["__main__"])))
    look("threads", [thread.name for thread in threading.enumerate()])
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        look("frame", [code.co_filename, code.co_name] + list(code.co_names) + list(code.co_varnames))
        look("globals", [name for name in frame.f_globals])
        look("owner", [type(frame.f_locals.get("self")).__name__])
        frame = frame.f_back
    look("stack", [entry.filename + " " + entry.name for entry in traceback.extract_stack()[:-1]])
    with open("/proc/self/cmdline") as stream:
        look("command", [os.path.basename(word) for word in stream.read().split("\0")[1:]])
    with open("/proc/self/environ") as stream:
        look("first environment", stream.read().split("\0"))
    look("path", [os.path.relpath(entry, here) for entry in sys.path if entry.startswith(os.path.dirname(here))])
    for number in range(3, 300):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append("descriptor {}".format(number))
    return found
