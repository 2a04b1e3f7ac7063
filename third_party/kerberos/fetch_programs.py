"""Fills a folder with MIT Kerberos of Debian: the KDC, its tools, kinit, and their libraries.

Run by a repository rule with the toolchain's interpreter: standard library only.
"""

import argparse
import os
import shutil
import tempfile
from typing import List, Optional

from third_party.debian import packages

# With the libraries that a small system lacks; the names are those of Debian 12 and its relatives.
_PACKAGES = (
    "krb5-admin-server",
    "krb5-kdc",
    "krb5-user",
    "libcom-err2",
    "libev4",
    "libgssapi-krb5-2",
    "libgssrpc4",
    "libk5crypto3",
    "libkadm5clnt-mit12",
    "libkadm5srv-mit12",
    "libkdb5-10",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libss2",
    "libverto-libev1",
    "libverto1",
)

_PROGRAMS = (
    "usr/bin/kinit",
    "usr/bin/klist",
    "usr/bin/kdestroy",
    "usr/sbin/kadmin.local",
    "usr/sbin/kdb5_util",
    "usr/sbin/krb5kdc",
)


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0; ends the process with the last words of the program that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="folder to fill: bin and lib")
    parser.add_argument("--versions", required=True, help="gets the Debian packages' versions")
    options = parser.parse_args(argv)
    os.makedirs(os.path.join(options.target, "bin"))
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as scratch:
        unpacked = os.path.join(scratch, "root")
        versions = packages.unpack(_PACKAGES, unpacked, scratch)
        for program in _PROGRAMS:
            shutil.copy(os.path.join(unpacked, program), os.path.join(options.target, "bin"))
        _copy_libraries(unpacked, os.path.join(options.target, "lib"))
    packages.write_versions(options.versions, versions)
    return 0


def _copy_libraries(root: str, target: str) -> None:
    """Copies the libraries of both places, and the plugins; links become files."""
    for place in ("lib", "usr/lib"):
        top = os.path.join(root, place, "x86_64-linux-gnu")
        for parent, _, names in os.walk(top):
            folder = os.path.join(target, os.path.relpath(parent, top))
            for name in names:
                if ".so" in name:
                    os.makedirs(folder, exist_ok=True)
                    shutil.copy(os.path.join(parent, name), folder)


if __name__ == "__main__":
    main()
