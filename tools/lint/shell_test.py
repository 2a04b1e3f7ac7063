"""ShellCheck finds nothing in the whole tree's shell scripts."""

import subprocess

import pytest

from tools.lint import linters, source_tree

_ROOT = source_tree.root()
_PATHS = source_tree.shell_scripts(_ROOT)


def _shellcheck(tmp_path, paths, cwd):
    # Into the test's own output, which names file and line.
    return subprocess.run(linters.shellcheck(str(tmp_path), paths), cwd=cwd).returncode


def test_shellcheck_finds_nothing_in_the_tree(tmp_path):
    assert _shellcheck(tmp_path, _PATHS, _ROOT) == 0


@pytest.mark.parametrize(
    "text, code",
    [
        pytest.param('#!/bin/sh\nls "$1"\n', 0, id="clean"),
        pytest.param("#!/bin/sh\nls $1\n", 1, id="unquoted"),
        pytest.param('#!/bin/sh\n[[ $1 == "a" ]]\n', 1, id="not_posix"),
        pytest.param("#!/bin/sh\nif true\n", 1, id="syntax"),
    ],
)
def test_planted_violation_is_found(text, code, tmp_path):
    (tmp_path / "planted.sh").write_text(text)
    assert _shellcheck(tmp_path, ["planted.sh"], str(tmp_path)) == code


def test_the_trees_scripts_are_found_by_name_or_first_line():
    assert set(_PATHS) >= {".ci/run", "bazelw", "kerberos_pkg/start/start.sh", "tools/bazel"}
