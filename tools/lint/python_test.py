"""The whole tree's Python code is formatted and lint-free. `//tools/lint:fix` mends most."""

import os
import subprocess

import pytest

from tools.lint import linters, source_tree

_ROOT = source_tree.root()
_PATHS = source_tree.files(_ROOT, "*.py")


def _run(command, cwd):
    # Into the test's own output, which names file and line.
    return subprocess.run(command, cwd=cwd).returncode


@pytest.mark.parametrize("action", ["format --diff", "check --output-format=concise"])
def test_ruff_finds_nothing_in_the_tree(action, tmp_path):
    command = linters.ruff(action.split(), _ROOT, str(tmp_path), _PATHS)
    assert _run(command, _ROOT) == 0, "bazel run //tools/lint:fix mends format and import order"


_CLEAN = '''"""A module."""


def twice(number: int) -> int:
    """Returns 2 * number."""
    return 2 * number
'''


@pytest.mark.parametrize(
    "tool, old, new",
    [
        pytest.param("format", "2 * number\n", "2*number\n", id="format"),
        pytest.param("check", '"""A module."""', "import os", id="unused_import"),
        pytest.param("check", '    """Returns 2 * number."""\n', "", id="no_docstring"),
    ],
)
def test_planted_violation_is_found(tool, old, new, tmp_path):
    commands = {
        "format": lambda paths: linters.ruff(["format", "--check"], _ROOT, str(tmp_path), paths),
        "check": lambda paths: linters.ruff(["check"], _ROOT, str(tmp_path), paths),
    }
    for text, is_clean in ((_CLEAN, True), (_CLEAN.replace(old, new), False)):
        (tmp_path / "planted.py").write_text(text)
        code = _run(commands[tool](["planted.py"]), str(tmp_path))
        assert (code == 0) == is_clean


def test_the_tree_holds_this_very_file():
    assert "tools/lint/python_test.py" in _PATHS and not any(map(os.path.isabs, _PATHS))
