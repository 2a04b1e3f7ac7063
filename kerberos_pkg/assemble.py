"""Writes the code package of a TI-ONE training task: `//kerberos_pkg:assemble -- --output=PATH`.

It holds the training sources, the start scripts and, for each EMR cluster, what the
platform needs to mount its Kerberised HDFS: `<emr_id>/username.txt` and `<emr_id>/emr.keytab`.
"""

import argparse
import os
import re
import stat
import sys
from typing import List, NamedTuple, Optional

from data_pipeline import command_line, keytab
from kerberos_pkg import package, username

# Written by //kerberos_pkg:code_package, which the program has as data.
_SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "code_package")

# The folder's name in the guide, for users with one cluster.
_DEFAULT_EMR_ID = "emr_id"
_EMR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# Real keytabs have a few hundred bytes; this bounds what a wrong path can make us read.
_MAX_KEYTAB_BYTES = 1 << 20


class AssembleError(ValueError):
    """What the user asked for cannot be assembled."""


class Cluster(NamedTuple):
    """One EMR cluster, as the user named it.

    Attributes:
      emr_id: Name of the cluster's folder in the package.
      keytab: Path of the keytab.
      username: As given, possibly empty.
    """

    emr_id: str
    keytab: str
    username: str


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0, 2 for what the user has to change, or 1 where the output cannot be written."""
    command_line.enter_users_folder()
    options = _parser().parse_args(argv)
    output = options.output
    try:
        sources = package.read_sources(_SOURCES)
        if not sources:
            raise AssembleError("no sources: start it with `bazel run //kerberos_pkg:assemble`")
        clusters = _clusters(options, sources)
        credentials = []  # type: List[package.Item]
        for cluster in clusters:
            credentials += _credentials(cluster)
        content_sha256 = package.write(output, sources + credentials)
    except ValueError as error:
        print("assemble: %s" % error, file=sys.stderr)
        return 2
    except OSError as error:
        print("assemble: cannot write %s: %s" % (output, error.strerror), file=sys.stderr)
        return 1
    print("%s: %d source files, content sha256 %s" % (output, len(sources), content_sha256))
    for item in credentials:
        if not item.secret:
            print("%s: %s" % (item.path, item.data.decode()))
    return 0


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: scripts that use one break when a flag is added.
    parser = argparse.ArgumentParser(
        prog="assemble", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "--output",
        required=True,
        help="folder to write, or FILE.tar.gz or FILE.zip; an earlier package there is replaced",
    )
    parser.add_argument("--keytab", help="keytab of the cluster; stays out of every log")
    parser.add_argument("--emr_id", help="id of the EMR cluster (default: %s)" % _DEFAULT_EMR_ID)
    parser.add_argument(
        "--username", help="user that the keytab logs in (default: %s)" % username.DEFAULT
    )
    parser.add_argument(
        "--emr",
        action="append",
        default=[],
        metavar="ID,keytab=F,username=U",
        help="one more cluster; may be repeated",
    )
    return parser


def _clusters(options: argparse.Namespace, sources: List[package.Item]) -> List[Cluster]:
    clusters = [_parse_cluster(text) for text in options.emr]
    single = {"emr_id": options.emr_id, "username": options.username}
    if options.keytab is not None:
        emr_id = _DEFAULT_EMR_ID if options.emr_id is None else options.emr_id
        clusters.insert(0, Cluster(emr_id, options.keytab, options.username or ""))
    elif any(value is not None for value in single.values()):
        given = ", ".join("--" + name for name, value in single.items() if value is not None)
        raise AssembleError("%s: expected --keytab with it" % given)
    # Compared without case, since the package may pass through a file system that ignores it.
    taken = {item.path.split("/")[0].lower() for item in sources} | {package.MANIFEST.lower()}
    for cluster in clusters:
        if not _EMR_ID.fullmatch(cluster.emr_id):
            raise AssembleError(
                "emr_id %s: expected 1 to 64 letters, digits, '-' and '_'" % ascii(cluster.emr_id)
            )
        if cluster.emr_id.lower() in taken:
            raise AssembleError("emr_id %s: the package has that name already" % cluster.emr_id)
        taken.add(cluster.emr_id.lower())
    return clusters


def _parse_cluster(text: str) -> Cluster:
    emr_id, *pairs = text.split(",")
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if name not in ("keytab", "username") or not equals or name in values:
            raise AssembleError(
                "--emr=%s: expected ID,keytab=F,username=U, got %s" % (ascii(text), ascii(pair))
            )
        values[name] = value
    if not values.get("keytab"):
        raise AssembleError("--emr=%s: expected keytab=F" % ascii(text))
    return Cluster(emr_id, values["keytab"], values.get("username", ""))


def _credentials(cluster: Cluster) -> List[package.Item]:
    data = _read_keytab(cluster.keytab)
    try:
        name = username.resolve(cluster.username, keytab.parse(data))
    except keytab.KeytabError as error:
        raise AssembleError("keytab %s: %s" % (cluster.keytab, error)) from error
    except username.UsernameError as error:
        raise AssembleError("emr_id %s: %s" % (cluster.emr_id, error)) from error
    return [
        # No newline at the end: how the platform reads the file is not documented.
        package.Item("%s/username.txt" % cluster.emr_id, name.encode("ascii")),
        package.Item("%s/emr.keytab" % cluster.emr_id, data, mode=0o600, secret=True),
    ]


def _read_keytab(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise AssembleError("keytab %s: expected a file" % path)
        with open(path, "rb") as source:
            data = source.read(_MAX_KEYTAB_BYTES + 1)
    except OSError as error:
        raise AssembleError("keytab %s: %s" % (path, error.strerror)) from error
    if len(data) > _MAX_KEYTAB_BYTES:
        raise AssembleError("keytab %s: expected at most %d bytes" % (path, _MAX_KEYTAB_BYTES))
    return data


if __name__ == "__main__":
    sys.exit(main())
