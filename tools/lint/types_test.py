"""mypy finds nothing in the modules; tools/lint:build_test says that none is left out."""

import os
import subprocess

import pytest

from tools.lint import linters, source_tree

# The modules are inputs of this test, so that Bazel reuses its result while none changes.
_ROOT = os.getcwd()
_CLEAN = '''"""A module."""


def twice(number: int) -> int:
    """Returns 2 * number."""
    return 2 * number
'''


def _mypy(tmp_path, paths, cwd):
    # Into the test's own output, which names file and line.
    return subprocess.run(linters.mypy(_ROOT, str(tmp_path), paths), cwd=cwd).returncode


def test_mypy_finds_nothing(tmp_path):
    assert _mypy(tmp_path, source_tree.typed_modules(_ROOT), _ROOT) == 0


@pytest.mark.parametrize(
    "old, new",
    [pytest.param(": int", "", id="unannotated"), pytest.param("-> int", "-> str", id="wrong")],
)
def test_planted_violation_is_found(old, new, tmp_path):
    for text, is_clean in ((_CLEAN, True), (_CLEAN.replace(old, new), False)):
        # A folder each: mypy's cache tells files apart by size and whole seconds.
        folder = tmp_path / str(is_clean)
        folder.mkdir()
        (folder / "planted.py").write_text(text)
        assert (_mypy(folder, ["planted.py"], str(folder)) == 0) == is_clean
