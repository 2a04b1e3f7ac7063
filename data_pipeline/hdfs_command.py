"""Copies files to HDFS and back over WebHDFS, and compares them: `bazel run //data_pipeline:hdfs`.

Copies go on where they were cut off, are compared with HDFS's own checksum, and appear whole or not
at all. URL is webhdfs://HOST:PORT/PATH of the NameNode's HTTP address (EMR: port 4008), with
HOST:PORT,HOST:PORT for a highly available HDFS, or hdfs://... as HADOOP_CONF_DIR has it. With
Kerberos, --keytab logs in, or the tickets that kinit has fetched.
"""

import argparse
import concurrent.futures
import functools
import os
import posixpath
import sys
import threading
import time
from typing import Any, Callable, Iterator, List, NamedTuple, Optional

from data_pipeline import (
    command_line,
    errors,
    hdfs_storage,
    hdfs_transfer,
    local_storage,
    progress,
    spnego,
    storage,
)

_MEGABYTE = 1e6


class _Pair(NamedTuple):
    """A file on both sides, and its bytes where they come from."""

    local: str
    remote: str
    size: int


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0, 1 if a file could not be copied or differs, or 2 for wrong input."""
    command_line.enter_users_folder()
    options = _parser().parse_args(argv)
    try:
        if options.keytab:
            spnego.log_in(options.keytab, options.principal)
        elif options.principal:
            raise errors.InputError("--principal: expected --keytab with it")
        return options.run(options)
    except (errors.InputError, spnego.KerberosError) as e:
        print("hdfs: error: %s" % e, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hdfs: interrupted; the same command goes on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hdfs",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--keytab", metavar="FILE", help="logs in; else the ticket cache does")
    common.add_argument(
        "--principal",
        default="",
        help="of the keytab, with or without realm; its first if left out",
    )
    threads = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    threads.add_argument(
        "--threads", type=_positive, default=4, help="files at a time (default: %(default)s)"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.required, commands.dest = True, "COMMAND"

    put = commands.add_parser(
        "put", parents=[common, threads], help="copies files, or what is in folders, into URL"
    )
    put.add_argument("source", nargs="+", metavar="PATH")
    put.add_argument("target", metavar="URL", help="folder; made if missing")
    put.set_defaults(run=_put)

    get = commands.add_parser(
        "get", parents=[common, threads], help="copies a file, or what is in a folder, into PATH"
    )
    get.add_argument("source", metavar="URL")
    get.add_argument("target", metavar="PATH", help="folder; made if missing")
    get.set_defaults(run=_get)

    ls = commands.add_parser("ls", parents=[common], help="lists a file or a folder")
    ls.add_argument("source", metavar="URL")
    ls.set_defaults(run=_ls)

    verify = commands.add_parser(
        "verify", parents=[common, threads], help="compares files with those in URL"
    )
    verify.add_argument("source", nargs="+", metavar="PATH")
    verify.add_argument("target", metavar="URL")
    verify.set_defaults(run=_verify)
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("expected a positive number, got %r" % text)
    return int(text)


def _put(options: argparse.Namespace) -> int:
    files = _storage(options.target)
    pairs = list(_local_pairs(options.source, options.target))
    for folder in sorted({posixpath.dirname(pair.remote) for pair in pairs}):
        files.make_folder(folder)
    return _copy(
        pairs,
        options.threads,
        lambda pair, moved: hdfs_transfer.put(files, pair.local, pair.remote, moved),
    )


def _get(options: argparse.Namespace) -> int:
    files = _storage(options.source)
    pairs = list(_remote_pairs(files, options.source.rstrip("/"), options.target))
    return _copy(
        pairs,
        options.threads,
        lambda pair, moved: hdfs_transfer.get(files, pair.remote, pair.local, moved),
    )


def _ls(options: argparse.Namespace) -> int:
    files = _storage(options.source)
    with files.client("a file or a folder", options.source) as client:
        path = files.path_in(options.source)
        status = client.status(path)
        found = [(posixpath.basename(path), status)]
        if status["type"] == "DIRECTORY":
            found = sorted(client.list(path, status=True))
    for name, status in found:
        is_folder = status["type"] == "DIRECTORY"
        # As `ls -l`: WebHDFS gives the mode in octal digits.
        print(
            "%s%4s  %-12s %-12s %16s  %s  %s"
            % (
                "d" if is_folder else "-",
                status["permission"],
                status["owner"],
                status["group"],
                "-" if is_folder else format(status["length"], ","),
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(status["modificationTime"] / 1000.0)),
                name,
            )
        )
    return 0


def _verify(options: argparse.Namespace) -> int:
    files = _storage(options.target)
    pairs = list(_local_pairs(options.source, options.target))

    def compare(pair: _Pair, moved: Callable[[int], None]) -> bool:
        if not hdfs_transfer.is_same(files, pair.remote, pair.local):
            raise errors.InputError(
                "expected the bytes of %s, got others: %s" % (pair.local, pair.remote)
            )
        moved(pair.size)
        return True

    results, failed = _each(pairs, options.threads, compare)
    print("%s the same, %d not" % (_files(len(results)), failed))
    return 1 if failed else 0


def _copy(
    pairs: List[_Pair],
    threads: int,
    copy: Callable[[_Pair, Callable[[int], None]], hdfs_transfer.Outcome],
) -> int:
    started = time.monotonic()
    outcomes, failed = _each(pairs, threads, copy)
    secs = time.monotonic() - started
    megabytes = sum(outcome.sent_bytes for outcome in outcomes) / _MEGABYTE
    there = sum(outcome.was_there for outcome in outcomes)
    print(
        "%s copied, %d were there already, %d failed; %.1f MB in %.1f s, %.0f MB/s"
        % (_files(len(outcomes) - there), there, failed, megabytes, secs, megabytes / secs)
    )
    return 1 if failed else 0


def _each(
    pairs: List[_Pair], threads: int, work: Callable[[_Pair, Callable[[int], None]], Any]
) -> Any:
    """Does some pairs at a time; returns what came of those that went well, and how many failed."""
    total = sum(pair.size for pair in pairs)
    shown = progress.Progress("MB", total, functools.partial(print, flush=True), _MEGABYTE)
    moved = _Sum(shown.update)
    results: List[Any] = []
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, pair, moved.add) for pair in pairs]
        try:
            for future in concurrent.futures.as_completed(futures):
                error = future.exception()
                if isinstance(error, errors.InputError):
                    failed += 1
                    print("hdfs: error: %s" % error, file=sys.stderr, flush=True)
                else:
                    results.append(future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return results, failed


class _Sum:
    """Adds up what threads tell."""

    def __init__(self, update: Callable[[float], None]) -> None:
        self._update = update
        self._lock = threading.Lock()
        self._total = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._total += count
            self._update(self._total)


def _storage(url: str) -> hdfs_storage.HdfsStorage:
    found = storage.of(url)
    if not isinstance(found, hdfs_storage.HdfsStorage):
        raise errors.InputError("expected webhdfs://HOST:PORT/PATH or hdfs://..., got %s" % url)
    return found


def _local_pairs(sources: List[str], target: str) -> Iterator[_Pair]:
    local = local_storage.LocalStorage()
    for source in sources:
        if not local.is_folder(source):
            size = local.size(source)
            yield _Pair(source, posixpath.join(target, os.path.basename(source)), size)
            continue
        for parent, folders, names in os.walk(source):
            # What is being written, and what nobody meant to copy.
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in names if not name.startswith(".")):
                path = os.path.join(parent, name)
                remote = posixpath.join(target, os.path.relpath(path, source))
                yield _Pair(path, remote, local.size(path))


def _remote_pairs(files: hdfs_storage.HdfsStorage, source: str, target: str) -> Iterator[_Pair]:
    if not files.is_folder(source):
        name = posixpath.basename(source)
        yield _Pair(os.path.join(target, name), source, files.size(source))
        return
    for name in files.list(source):
        if name.startswith("."):
            continue
        path = posixpath.join(source, name)
        inner = os.path.join(target, name) if files.is_folder(path) else target
        for pair in _remote_pairs(files, path, inner):
            yield pair


def _files(count: int) -> str:
    return "%d file%s" % (count, "" if count == 1 else "s")


if __name__ == "__main__":
    sys.exit(main())
