"""Unpacks Debian packages without installing them: no root, nothing outside one folder.

Imported by programs that repository rules run with the toolchain's interpreter: standard library
only.
"""

import glob
import os
import subprocess
import sys
from typing import Dict, List, Optional, Sequence


def unpack(names: Sequence[str], target: str, scratch: str) -> Dict[str, str]:
    """Unpacks the newest version that the machine's package sources have of each package.

    Mirrors keep no older ones, so there is no hash to hold them to; apt checks the signatures.
    Ends the process with the last words of the program that failed.

    Args:
      names: Packages; what they depend on is not looked for.
      target: Folder that gets their files, as in /.
      scratch: An empty folder.

    Returns:
      The version of each package.
    """
    # Lists of our own: those of a new machine are empty or old, and only root may renew them.
    lists, cache = os.path.join(scratch, "apt_lists"), os.path.join(scratch, "apt_cache")
    for folder in (os.path.join(lists, "partial"), os.path.join(cache, "archives", "partial")):
        os.makedirs(folder)
    apt = ["apt-get", "--quiet", "--option=Dir::State::Lists=" + lists]
    apt += ["--option=Dir::Cache=" + cache]
    run(apt + ["update"], cwd=scratch)
    run(apt + ["download"] + sorted(names), cwd=scratch)
    versions = {}
    for name in names:
        (deb,) = glob.glob(os.path.join(scratch, name + "_*.deb"))
        run(["dpkg-deb", "--extract", deb, target], cwd=scratch)
        versions[name] = os.path.basename(deb).split("_")[1]
    return versions


def write_versions(path: str, versions: Dict[str, str]) -> None:
    """Writes a line `PACKAGE VERSION` for each."""
    with open(path, "w") as file:
        file.writelines("%s %s\n" % item for item in sorted(versions.items()))


def run(command: List[str], cwd: str, env: Optional[Dict[str, str]] = None) -> None:
    """Runs a program; ends the process with its last words if it fails."""
    try:
        process = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
    except FileNotFoundError:
        sys.exit("expected %s (of Debian or a relative of it) on PATH, got none" % command[0])
    if process.returncode:
        sys.exit("%s failed:\n%s" % (" ".join(command[:4]), process.stdout[-4000:]))
