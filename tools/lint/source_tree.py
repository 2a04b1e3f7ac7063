"""The workspace's own files, as they stand on disk.

Checks of the whole tree cannot list their inputs: a new file in a new folder would be in no list,
and exactly that file must be checked. A glob stops at the next BUILD file, and an input that stands
for a folder is compared by the folder's date only. So these tests read the real workspace, found
through one checked-in file, and carry the tag "external", with which Bazel never reuses their last
result.
"""

import fnmatch
import os
import re
from typing import Iterator, List

# Resolved, a file in runfiles leads back to the workspace.
_ANCHOR = "pyproject.toml"

# The one hidden folder that is ours: what CI runs.
_CI = ".ci"

_SHEBANG = re.compile(rb"#!\s*(\S*/env\s+)?\S*\b(ba|da|k)?sh\b")


def root() -> str:
    """Returns the workspace's folder, inside a test or under `bazel run`.

    Raises:
      FileNotFoundError: the anchor is not among the test's data.
    """
    folder = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not folder:
        folder = os.path.dirname(os.path.realpath(_ANCHOR))
    if not os.path.exists(os.path.join(folder, "WORKSPACE")):
        raise FileNotFoundError("no WORKSPACE in %s: the test needs //:%s" % (folder, _ANCHOR))
    return folder


def files(folder: str, *patterns: str) -> List[str]:
    """Returns the sorted paths, relative to the workspace `folder`, whose base name matches."""
    return sorted(
        path
        for path in _walk(folder)
        if any(fnmatch.fnmatchcase(os.path.basename(path), pattern) for pattern in patterns)
    )


def shell_scripts(folder: str) -> List[str]:
    """Returns the sorted paths of all scripts for sh and its kin, whatever their names."""
    return sorted(path for path in _walk(folder) if _is_shell_script(os.path.join(folder, path)))


def typed_modules(folder: str) -> List[str]:
    """Returns the modules of `folder` that mypy checks: all but tests."""
    return [path for path in files(folder, "*.py") if not path.endswith("_test.py")]


def ignored_by_bazel(folder: str) -> List[str]:
    """Returns the folders of .bazelignore: other repositories, kept in ours."""
    try:
        with open(os.path.join(folder, ".bazelignore"), encoding="utf-8") as lines:
            return [line.strip().rstrip("/") for line in lines if line.strip()[:1] not in ("", "#")]
    except FileNotFoundError:
        return []


def _is_shell_script(path: str) -> bool:
    if not os.path.isfile(path):
        return False  # a socket, or a link that leads nowhere
    with open(path, "rb") as script:
        first = script.readline(100)
    return path.endswith(".sh") or bool(_SHEBANG.match(first))


def _walk(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        # Not ours: hidden folders, Bazel's links (os.walk does not follow links, but names them),
        # and what package managers unpack.
        folders[:] = [
            name
            for name in folders
            if (name == _CI or not name.startswith((".", "bazel-")))
            and name not in ("node_modules", "__pycache__")
            # In runfiles, other repositories lie there.
            and not (name == "external" and parent == folder)
            and not os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
        ]
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), folder)
