"""The whole tree's BUILD, WORKSPACE and .bzl files are formatted and lint-free."""

import os
import subprocess

import pytest

from tools.lint import linters, source_tree

_ROOT = source_tree.root()
_PATHS = source_tree.files(_ROOT, "BUILD", "BUILD.bazel", "WORKSPACE", "*.bzl")
# Where the machine could not fetch it, this program prints why and fails.
_PROGRAM = os.path.abspath("../buildifier/buildifier")


def test_buildifier_finds_nothing_in_the_tree():
    code = subprocess.run(linters.buildifier(_PROGRAM, "check", _PATHS), cwd=_ROOT).returncode
    assert code == 0, "see above; bazel run //tools/lint:fix mends the format"


@pytest.mark.parametrize(
    "text, code",
    [
        pytest.param('filegroup(name = "x")\n', 0, id="clean"),
        pytest.param("filegroup(name='x')\n", 4, id="format"),
        pytest.param('load(":x.bzl", "unused")\n', 4, id="lint"),
    ],
)
def test_planted_violation_is_found(text, code, tmp_path):
    (tmp_path / "BUILD").write_text(text)
    command = linters.buildifier(_PROGRAM, "check", ["BUILD"])
    assert subprocess.run(command, cwd=str(tmp_path)).returncode == code
