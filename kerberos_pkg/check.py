"""Says whether a code package is complete, and what the platform will do with it.

`bazel run //kerberos_pkg:check -- PACKAGE`, a folder, .tar.gz or .zip. Nothing is changed, and no
key is shown. --kinit also asks the KDC for a ticket with each keytab.
"""

import argparse
import collections
import os
import posixpath
import sys
import tempfile
from typing import Callable, Dict, List, NamedTuple, Optional

from data_pipeline import command_line, keytab, spnego
from kerberos_pkg import package, package_reader, username

_KEYTAB, _USERNAME = "emr.keytab", "username.txt"
_SECRET_MODE = 0o600

# What the guide's commands and the scripts start.
_SCRIPTS = ("start.sh", "start_1ps.sh", "start_1worker1eval.sh")
_MAINS = ("launch/evaluator.py", "launch/ps.py", "launch/worker.py")


class Cluster(NamedTuple):
    """What the platform will do for one EMR cluster.

    Attributes:
      emr_id: Name of the folder.
      username: Whom it logs in.
      keytab: The file's bytes.
      entries: Its keys, without the keys themselves.
    """

    emr_id: str
    username: str
    keytab: bytes
    entries: List[keytab.Entry]


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0 if all is well, 1 if not, with the reasons, or 2 where there is no package."""
    command_line.enter_users_folder()
    parser = argparse.ArgumentParser(prog="check", description=__doc__, allow_abbrev=False)
    parser.add_argument("package", metavar="PACKAGE", help="folder, .tar.gz or .zip")
    parser.add_argument("--kinit", action="store_true", help="fetch a ticket with each keytab")
    options = parser.parse_args(argv)
    try:
        entries = package_reader.read(options.package)
    except package_reader.PackageReadError as e:
        print("check: error: %s" % e, file=sys.stderr)
        return 2
    reasons = problems(entries)
    found = clusters(entries, reasons.append)
    for line in _description(options.package, entries, found):
        print(line)
    if options.kinit:
        _log_in(found, reasons.append)
    for reason in reasons:
        print("check: %s" % reason, file=sys.stderr)
    print("not fit for the platform" if reasons else "complete")
    return 1 if reasons else 0


def problems(entries: List[package_reader.Entry]) -> List[str]:
    """Returns what is wrong with a package, apart from its keytabs: one line each."""
    found = []
    by_path = {entry.path: entry for entry in entries}
    counts = collections.Counter(entry.path.lower() for entry in entries)
    for entry in entries:
        parts = entry.path.split("/")
        if entry.path.startswith("/") or ".." in parts or "\\" in entry.path:
            found.append("%s: expected a path inside the package" % ascii(entry.path))
        if not entry.is_file:
            found.append("%s: expected a regular file, got a link or device" % ascii(entry.path))
        if counts[entry.path.lower()] > 1:
            found.append("%s: expected one file of that name" % ascii(entry.path))
        if entry.owner not in ("", "root:root"):
            found.append("%s: expected owner root:root, got %s" % (entry.path, entry.owner))
    for path in _SCRIPTS + _MAINS:
        if path not in by_path:
            found.append("%s: missing" % path)
    for path in _SCRIPTS:
        if path in by_path and not by_path[path].mode & 0o100:
            found.append("%s: expected an executable file" % path)
    return found + package.differences(
        {entry.path: entry.data for entry in entries if entry.is_file}
    )


def clusters(entries: List[package_reader.Entry], report: Callable[[str], None]) -> List[Cluster]:
    """Returns the EMR clusters of a package; what is wrong with their files is reported."""
    by_path = {entry.path: entry for entry in entries}
    found = []
    for path in sorted(by_path):
        folder, name = posixpath.split(path)
        if name == _USERNAME and folder + "/" + _KEYTAB not in by_path:
            report("%s: expected %s beside it" % (path, _KEYTAB))
        if name != _KEYTAB:
            continue
        if by_path[path].mode != _SECRET_MODE:
            report("%s: expected mode 0600, got %04o" % (path, by_path[path].mode))
        if not folder or "/" in folder:
            report("%s: expected <emr_id>/%s" % (path, _KEYTAB))
        text = by_path.get(folder + "/" + _USERNAME)
        try:
            keys = keytab.parse(by_path[path].data)
            wanted = text.data.decode("utf-8", "replace") if text else ""
            name = username.resolve(wanted, keys)
            if text and wanted not in ("", name):
                report("%s: expected just %s, got %s" % (text.path, name, ascii(wanted)))
            found.append(Cluster(folder, name, by_path[path].data, keys))
        except (keytab.KeytabError, username.UsernameError) as e:
            report("%s: %s" % (path, e))
    return found


def _description(path: str, entries: List[package_reader.Entry], found: List[Cluster]) -> List[str]:
    size = sum(len(entry.data) for entry in entries)
    folders: Dict[str, List[int]] = collections.defaultdict(list)
    for entry in entries:
        folders[entry.path.partition("/")[0] if "/" in entry.path else "."].append(len(entry.data))
    lines = ["%s: %d files, %s bytes" % (path, len(entries), format(size, ","))]
    for folder in sorted(folders):
        total = format(sum(folders[folder]), ",")
        lines.append("  %-24s %4d files %12s bytes" % (folder, len(folders[folder]), total))
    lines.append("the platform starts: sh start_1ps.sh; sh start_1worker1eval.sh")
    if not found:
        lines.append(
            "no keytab: the platform mounts HDFS, if at all, as user hadoop without a login"
        )
    for cluster in found:
        lines.append(
            "%s: logs in as %s; its keytab holds %s"
            % (cluster.emr_id, cluster.username, ", ".join(_keys(cluster.entries)))
        )
    return lines


def _keys(entries: List[keytab.Entry]) -> List[str]:
    return ["%s (kvno %d, %s)" % (e.principal, e.kvno, e.enctype) for e in entries]


def _log_in(found: List[Cluster], report: Callable[[str], None]) -> None:
    for cluster in found:
        with tempfile.TemporaryDirectory(prefix="check-") as folder:  # mode 0700
            path = os.path.join(folder, _KEYTAB)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, _SECRET_MODE), "wb") as file:
                file.write(cluster.keytab)
            try:
                spnego.log_in(path, cluster.username)
                print("%s: the KDC gave %s a ticket" % (cluster.emr_id, cluster.username))
            except spnego.KerberosError as e:
                report("%s: no ticket: %s" % (cluster.emr_id, str(e).replace(path, _KEYTAB)))


if __name__ == "__main__":
    sys.exit(main())
