"""One hash of the code that makes a model, the same wherever the same code runs."""

import ast
import functools
import hashlib
import os
import re
from typing import Iterator, List, Set

from data_pipeline import errors

# What training and export consist of; the rest follows from what these import. All modules of the
# folders would not do: a program of Bazel's has only those that it imports, and a source tree has
# tests and tools beside them.
ROOTS = (
    "model/estimator.py",
    "model/export.py",
    "model/training_control.py",
    "model/training_input.py",
)
_PACKAGES = ("data_pipeline", "model")
_LIBRARY = re.compile(r"\w+\.so")

# Beside the package, in a source tree, in the runfiles of Bazel and in a code package alike.
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@functools.lru_cache(maxsize=None)
def sha256(folder: str = _FOLDER) -> str:
    """Returns the hash of the modules and native libraries that ROOTS need, in hex.

    It is what `sha256sum FILES | sha256sum` prints in `folder` for the files in order. C sources
    are not among them: only the libraries made from them come along with a program.

    Raises:
      InputError: One of them is not there.
    """
    lines = [
        "%s  %s\n" % (hashlib.sha256(_read(folder, path)).hexdigest(), path)
        for path in files(folder)
    ]
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def files(folder: str = _FOLDER) -> List[str]:
    """Returns the paths, relative to `folder`, of what the hash is of, sorted.

    Raises:
      InputError: A module is not there, or is no Python.
    """
    found: Set[str] = set()
    waiting = list(ROOTS)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _needed(folder, path)
    return sorted(found)


def _needed(folder: str, path: str) -> Iterator[str]:
    """Yields the modules of ours that a module imports, and the libraries that it names."""
    if not path.endswith(".py"):
        return
    try:
        tree = ast.parse(_read(folder, path), path)
    except (SyntaxError, ValueError) as e:
        raise errors.InputError(
            "expected Python, got %s: %s" % (e, os.path.join(folder, path))
        ) from e
    for node in ast.walk(tree):
        names: List[str] = []
        if isinstance(node, ast.ImportFrom) and node.module in _PACKAGES:
            names = ["%s.%s" % (node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.split(".")[0] in _PACKAGES:
                yield name.replace(".", "/") + ".py"
        # A str of Python 3.6 is ast.Str, a later one ast.Constant; both have it as `s`.
        text = getattr(node, "s", None)
        if isinstance(text, str) and _LIBRARY.fullmatch(text):
            yield os.path.join(os.path.dirname(path), text)


def _read(folder: str, path: str) -> bytes:
    try:
        with open(os.path.join(folder, path), "rb") as file:
            return file.read()
    except OSError as e:
        raise errors.InputError(
            "expected the code of the model beside %s, got %s: %s"
            % (os.path.basename(__file__), e.strerror, os.path.join(folder, path))
        ) from e
