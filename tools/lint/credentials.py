"""Finds credentials among the workspace's files, by name and by what is in them."""

import os
import re
from typing import Iterable, List

# More than any of them needs.
_READ_BYTES = 1 << 20

# An MIT keytab begins with its version and the size of its first entry or hole, in a few kilobytes.
_KEYTAB = re.compile(rb"\A\x05[\x01\x02](\x00\x00|\xff\xff)", re.DOTALL)

_CONTENTS = {
    "a Kerberos keytab": _KEYTAB,
    "a private key": re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----", re.MULTILINE),
    # Source: Tencent Cloud, "Access Key": SecretId is AKID and 32 letters and digits.
    "a Tencent Cloud SecretId": re.compile(rb"\bAKID[0-9A-Za-z]{32}\b"),
}


def found(folder: str, paths: Iterable[str]) -> List[str]:
    """Returns a line for each credential: the path, and what it is; never what is in it.

    Args:
      folder: The workspace.
      paths: Relative to it.
    """
    lines = []
    for path in paths:
        if path.endswith(".keytab"):
            lines.append("%s: named like a Kerberos keytab" % path)
            continue
        if not os.path.isfile(os.path.join(folder, path)):
            continue  # a socket, or a link that leads nowhere
        with open(os.path.join(folder, path), "rb") as source:
            head = source.read(_READ_BYTES)
        lines += ["%s: holds %s" % (path, what) for what, p in _CONTENTS.items() if p.search(head)]
    return lines
