"""How the linters are called: the tests and //tools/lint:fix must not differ in that."""

import glob
import os
import shutil
import stat
import sys
from typing import List

# The default set without native-py, since the in-tree rules_python is what exports the native
# rules, and unnamed-macro, since macros for WORKSPACE declare repositories under fixed names.
_BUILDIFIER_WARNINGS = "-native-py,-unnamed-macro"


def ruff(action: List[str], root: str, scratch: str, paths: List[str]) -> List[str]:
    """Returns ruff's command line for `action`, as ["format", "--check"]; `scratch` is a folder."""
    config = "--config=" + os.path.join(root, "pyproject.toml")
    return [_ruff_program(scratch)] + action + ["--no-cache", config] + paths


def mypy(root: str, scratch: str, paths: List[str]) -> List[str]:
    """Returns mypy's command line, to be run in `root`; `scratch` is a folder for its cache."""
    config = "--config-file=" + os.path.join(root, "pyproject.toml")
    cache = "--cache-dir=" + os.path.join(scratch, "mypy")
    return [sys.executable, "-m", "mypy", config, cache] + paths


def buildifier(program: str, mode: str, paths: List[str]) -> List[str]:
    """Returns buildifier's command line; `mode` is "check", which lints too, or "fix"."""
    lint = ["-lint=warn", "-warnings=" + _BUILDIFIER_WARNINGS] if mode == "check" else []
    return [program, "-mode=" + mode] + lint + paths


def _ruff_program(scratch: str) -> str:
    import ruff as module

    site_packages = os.path.dirname(os.path.dirname(os.path.abspath(module.__file__)))
    # Where `pip install --target` puts it, and where released rules_python leaves it.
    places = [os.path.join(site_packages, "bin", "ruff")]
    places += glob.glob(os.path.join(site_packages, "ruff-*.data", "scripts", "ruff"))
    for place in places:
        if os.path.exists(place):
            return _executable(place, scratch)
    raise FileNotFoundError("no ruff program at %s" % " or ".join(places))


def _executable(path: str, scratch: str) -> str:
    if os.access(path, os.X_OK):
        return path
    # Unzipped without its permissions.
    copy = shutil.copyfile(path, os.path.join(scratch, os.path.basename(path)))
    os.chmod(copy, stat.S_IRWXU)
    return copy
