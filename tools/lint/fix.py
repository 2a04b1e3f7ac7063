"""Formats the tree's Python and BUILD files and sorts imports: `bazel run //tools/lint:fix`."""

import os
import subprocess
import sys
import tempfile

from tools.lint import linters, source_tree


def main() -> int:
    """Returns 0, or the exit code of the first linter that could not mend everything."""
    # Relative to the runfiles, where `bazel run` starts programs.
    buildifier = os.path.abspath("../buildifier/buildifier")
    root = source_tree.root()
    python = source_tree.files(root, "*.py")
    build = source_tree.files(root, "BUILD", "BUILD.bazel", "WORKSPACE", "*.bzl")
    with tempfile.TemporaryDirectory() as scratch:
        commands = [
            linters.ruff(["check", "--fix"], root, scratch, python),
            linters.ruff(["format"], root, scratch, python),
            linters.buildifier(buildifier, "fix", build),
        ]
        codes = [subprocess.run(command, cwd=root).returncode for command in commands]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
