"""Start-up of every Python of a sealed environment, run by `assay-project.pth`: makes the project importable.

Nothing of the repository may run at start-up, so the modules that the interpreter looks for on its own are settled
first, from the environment, and only then do the repository's folders go on the path. Python 3.5 and newer.
"""

import os
import sys
from types import ModuleType

# Filled in when an environment is made.
WORKDIR = "@WORKDIR@"
PROJECT = "@PROJECT@"


def settle_start_up_modules():
    for name in ("sitecustomize", "usercustomize"):
        if name in sys.modules:
            continue
        try:
            if name == "usercustomize":
                raise ImportError("no user site in a sealed environment")
            __import__(name)
        except ImportError:
            sys.modules[name] = ModuleType(name)


def folders():
    """The instance's import path, behind the standard library and ahead of installed packages."""
    # What an instance asks for with PYTHONPATH comes under another name: that one would go ahead of everything.
    asked = [part for part in os.environ.get("ASSAY_PYTHONPATH", "").split(":") if part]
    wanted = os.environ.get("ASSAY_IMPORT_PATH")
    if wanted is None:
        return asked + [PROJECT]
    return asked + [os.path.normpath(os.path.join(WORKDIR, part)) for part in wanted.split(":") if part]


def main():
    settle_start_up_modules()
    if os.environ.get("ASSAY_LAUNCHER"):
        # A reporter: it imports the runner first, then adds the folders itself.
        return
    names = ("site-packages", "dist-packages")
    spots = [spot for spot, entry in enumerate(sys.path) if os.path.basename(entry) in names]
    spot = spots[0] if spots else len(sys.path)
    sys.path[spot:spot] = [folder for folder in folders() if folder not in sys.path]
    if PROJECT not in sys.path:
        sys.path.append(PROJECT)


main()
