"""Runs the given test files under pytest inside `bazel test`; see pytest.bzl."""

import ctypes
import os
import sys
from typing import List, Tuple

import pytest

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PF_EXITING = 0x4  # linux/sched.h


def main(paths: List[str]) -> int:
    """Returns pytest's exit code (5 when nothing was collected), or 1 when a child still runs."""
    _adopt_orphans()
    arguments = ["-p", "no:cacheprovider", "--import-mode=importlib", "--durations=5", "-ra"]
    # Sandboxes have no HOME of their own and the workspace's pyproject.toml is not an input.
    arguments += ["-c", os.devnull, "--rootdir", os.getcwd()]
    if "TEST_TMPDIR" in os.environ:
        arguments += ["--basetemp", os.path.join(os.environ["TEST_TMPDIR"], "pytest")]
    if "XML_OUTPUT_FILE" in os.environ:
        arguments += ["--junitxml", os.environ["XML_OUTPUT_FILE"]]
    if os.environ.get("TESTBRIDGE_TEST_ONLY"):
        arguments += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    code = int(pytest.main(arguments + paths))
    leaked = _children()
    for pid, command in leaked:
        print("leaked process %d: %s" % (pid, command), file=sys.stderr)
    return code or int(bool(leaked))


def _adopt_orphans() -> None:
    """Makes this process the parent of its children's orphans, so that none hides from _children.

    Bazel kills what a test leaves behind and still calls it passed.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> List[Tuple[int, str]]:
    """Pid and command line of each running child."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat:
                is_child = is_running_child(stat.read(), os.getpid())
            with open("/proc/%s/cmdline" % pid) as cmdline:
                command = cmdline.read().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if is_child:
            found.append((int(pid), command))
    return found


def is_running_child(stat: str, parent: int) -> bool:
    """Whether /proc/PID/stat tells of a running child of `parent`.

    One that has ended and that nobody awaited is none, nor is one about to end: its files are
    closed already, so that who waited for that may be here before it has ended.
    """
    # "pid (name) state ppid pgrp session tty_nr tpgid flags ...", and the name may hold anything.
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]) == parent and fields[0] != "Z" and not int(fields[6]) & _PF_EXITING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
