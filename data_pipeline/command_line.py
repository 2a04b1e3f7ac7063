"""What the programs that users start have in common."""

import os


def enter_users_folder() -> None:
    """Makes relative paths mean what the user meant: `bazel run` starts programs elsewhere.

    Source: Bazel's user manual, "bazel run", BUILD_WORKING_DIRECTORY.
    """
    folder = os.environ.get("BUILD_WORKING_DIRECTORY")
    if folder:
        os.chdir(folder)
