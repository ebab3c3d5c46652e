"""Folders whose names cannot be had, and why. As a script, before anything is installed: `python paths.py CHECKOUT`.

Names may hold spaces, quotes, %, $ and any letter; what is refused here is what a program that we do not write takes apart.
"""

import os
import re
import sys

LOADER_TOKEN = re.compile(r"\$\{?(ORIGIN|LIB|PLATFORM)")
"""What the dynamic loader replaces in LD_LIBRARY_PATH (ld.so(8)), on which Triton's libraries are."""


def checkout_problem(path: str) -> str | None:
    """Return why the checkout cannot lie in the folder `path`, for a person; None when it can."""
    if ":" in path:
        return f"{_shown(path)} holds a colon, which separates the folders of PATH; rename the folder"
    if ";" in path:
        return f"{_shown(path)} holds a semicolon, which separates the folders of LD_LIBRARY_PATH; rename the folder"
    if found := LOADER_TOKEN.search(path):
        return (
            f"{_shown(path)} holds {found[0]}, which the dynamic loader replaces by another folder; rename the folder"
        )
    return _unwritable(path)


def home_problem(path: str) -> str | None:
    """Return why run-time files cannot lie in the folder `path`, for a person; None when they can."""
    return _unwritable(path)


def _unwritable(path: str) -> str | None:
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"{_shown(path)} is not UTF-8, the only names that ONNX and Triton open; rename the folder"
    if any(character < " " or character == "\x7f" for character in path):
        return f"{_shown(path)} holds a control character, which splits lines of logs and lists; rename the folder"
    return None


def _shown(path: str) -> str:
    return repr(os.fsencode(path))[2:-1] if not path.isprintable() else path


if __name__ == "__main__":
    sys.exit(checkout_problem(sys.argv[1]))
