"""Main of //e2e:hdfs_benchmark: HDFS with Kerberos on this machine.

`hdfs_put` copies a file to it with //data_pipeline:hdfs, and with Hadoop's own shell (`hdfs dfs
-put`), each less what it takes for an empty file: the start of the program. `hdfs_ready` is the
time from nothing to a KDC and an HDFS that takes files, `assemble` that of making a code package.
Prints one JSON line a measurement.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import List, Optional

from e2e import programs, secured_hdfs
from tools.benchmark import measurement

_SHELL = "org.apache.hadoop.fs.FsShell"
_GIBIBYTE = 1 << 30

# As clusters have it, and Hadoop's shell where it is not told.
_BLOCK_BYTES = 128 << 20

_READY_LIMIT_SECS = 8.0
_ASSEMBLE_LIMIT_SECS = 2.0


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=_GIBIBYTE, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=measurement.REPEATS)
    options = parser.parse_args(argv)
    # What Bazel tells tests, for the fixtures: where programs and the fetched servers are.
    workspace = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"] = os.path.split(workspace)
    with tempfile.TemporaryDirectory(prefix="hdfs-benchmark-") as folder:
        _measure(pathlib.Path(folder), options)
    return 0


def _measure(folder: pathlib.Path, options: argparse.Namespace) -> None:
    ready = []
    for i in range(options.repeats - 1):
        ready.append(_ready_secs(folder / ("ready_%d" % i)))
    started = time.perf_counter()
    (folder / "hdfs").mkdir()
    with secured_hdfs.running(folder / "hdfs", _BLOCK_BYTES) as hdfs:
        ready.append(time.perf_counter() - started)
        measurement.within("hdfs_ready", ready, _READY_LIMIT_SECS).print()
        _measure_put(folder, hdfs, options)
        _measure_assemble(folder, hdfs, options.repeats)


def _ready_secs(folder: pathlib.Path) -> float:
    folder.mkdir()
    started = time.perf_counter()
    with secured_hdfs.running(folder):
        return time.perf_counter() - started


def _measure_put(
    folder: pathlib.Path, hdfs: secured_hdfs.SecuredHdfs, options: argparse.Namespace
) -> None:
    source, empty = folder / "source", folder / "empty"
    with open(str(source), "wb") as file:
        for _ in range(options.bytes >> 20):
            file.write(os.urandom(1 << 20))
    empty.write_bytes(b"")

    def ours() -> float:
        return options.bytes / 1e6 / (_put_secs(hdfs, source) - _put_secs(hdfs, empty))

    def shells() -> float:
        return options.bytes / 1e6 / (_shell_secs(hdfs, source) - _shell_secs(hdfs, empty))

    measurement.compare(
        "hdfs_put",
        "MB/s, compared with HDFS's checksum",
        "hdfs dfs -put of the same file",
        measurement.in_turn([ours, shells], repeats=options.repeats, warm_ups=1),
        0.8,
        bytes=options.bytes,
    ).print()


def _put_secs(hdfs: secured_hdfs.SecuredHdfs, source: pathlib.Path) -> float:
    hdfs.remove("%s/%s" % (secured_hdfs.FOLDER, source.name))
    target = hdfs.url(secured_hdfs.FOLDER)
    started = time.perf_counter()
    result = hdfs.run("put", str(source), target, "--keytab=" + hdfs.keytab)
    assert result.returncode == 0, result.stderr
    return time.perf_counter() - started


def _shell_secs(hdfs: secured_hdfs.SecuredHdfs, source: pathlib.Path) -> float:
    target = "%s/%s" % (secured_hdfs.FOLDER, source.name)
    hdfs.remove(target)
    command = hdfs.cluster.java_command(hdfs.cluster.config_dir, _SHELL)
    started = time.perf_counter()
    subprocess.run(
        command + ["-put", str(source), target],
        env=hdfs.superusers_environment(),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def _measure_assemble(folder: pathlib.Path, hdfs: secured_hdfs.SecuredHdfs, repeats: int) -> None:
    secs = []
    for i in range(repeats):
        command = [programs.binary("kerberos_pkg/assemble"), "--keytab=" + hdfs.keytab]
        command += ["--username=" + secured_hdfs.USER, "--output=%s/%d.tar.gz" % (folder, i)]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        secs.append(time.perf_counter() - started)
    measurement.within("assemble", secs, _ASSEMBLE_LIMIT_SECS).print()


if __name__ == "__main__":
    sys.exit(main())
