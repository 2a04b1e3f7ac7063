"""Main of //serving:fuzz: good, broken and damaged requests against a running server.

After each the server must have answered as it should: never with a 5xx, errors as one line of JSON.
In the end it must be alive and must not have grown. A seeded loop: the same flags give the same
requests, though not in the same order, since several clients send them.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import sys
import tempfile
import threading
import urllib.request
from typing import Counter, Dict, Iterator, List, NamedTuple, Optional, Tuple

from data_pipeline import command_line, progress, whole_file
from model import hyper_parameters
from serving import (
    benchmark_server,
    fuzz_bodies,
    fuzz_client,
    fuzz_requests,
    load_plan,
    shrinking,
    untrained_model,
)

# Beside this file also in a Bazel runfiles tree.
_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "server")
# The fuzz waits for it.
_FLAGS = ["--body_timeout_secs=2", "--access_log=false"]
# Requests take as long whatever the sizes are; starting does not.
_MODEL = hyper_parameters.HyperParameters(table_rows=2000, embedding_dim=4, hidden=(16, 8))

_CLIENTS = 4
# What a server needs for its first requests it keeps: threads, buffers, TensorFlow's kernels.
_WARM_UP_SHARE = 0.1
_MEMORY = "process_resident_memory_bytes"
# After that many it is known that something is wrong.
_MAX_FAILURES = 20


class Failure(NamedTuple):
    """A request that was not answered as it should have been."""

    request: fuzz_requests.Request
    text: str

    @property
    def size(self) -> int:
        return len(self.request.data)


class Result(NamedTuple):
    """What came of a run.

    Attributes:
      statuses: How many answers there were of each status; "none" for clients that left.
      kinds: How many requests there were of each kind.
      failures: In no order.
      rss_bytes: Of the server, after the first tenth of the requests and in the end; empty where it
        does not say.
    """

    statuses: Counter[str]
    kinds: Counter[str]
    failures: List[Failure]
    rss_bytes: Tuple[int, ...]


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0, or 1 if the server did something that it must not, or is not there."""
    command_line.enter_users_folder()
    args = _parse(argv)
    try:
        with _target(args.url, args.server) as target:
            result = run(target, args.requests, args.seed)
            text = complaint(result, args.max_growth_mib)
            print(json.dumps(_summary(result, args.requests, args.seed)), flush=True)
            if not text:
                return 0
            print("fuzz: %s" % text, file=sys.stderr)
            if result.failures:
                _save(result.failures, target, args.output)
    except (fuzz_client.FuzzError, benchmark_server.ServerError) as error:
        print("fuzz: error: %s" % error, file=sys.stderr)
    return 1


def run(target: load_plan.Target, num_requests: int, seed: int) -> Result:
    """Sends so many requests, and some that never come whole; returns what came of it.

    Raises:
      FuzzError: The server does not answer even a plain request.
    """
    good = fuzz_requests.post(target.path, fuzz_bodies.WARM_UP)
    fuzz_client.Client(target.host, target.port).check(good)
    clients = _Clients(target, num_requests, seed)
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS + len(clients.slow)) as pool:
        futures = [pool.submit(clients.send_alone, request) for request in clients.slow]
        futures += [pool.submit(clients.send, number) for number in range(_CLIENTS)]
        clients.is_warm.wait()
        rss = [_rss_bytes(target)]
        for future in futures:
            future.result()
    rss.append(_rss_bytes(target))
    clients.send_alone(good)
    known = tuple(size for size in rss if size is not None)
    return Result(clients.statuses, clients.kinds, clients.failures, known)


class _Clients:
    """Threads that send requests and count what comes of them."""

    def __init__(self, target: load_plan.Target, num_requests: int, seed: int) -> None:
        self.statuses: "Counter[str]" = collections.Counter()
        self.kinds: "Counter[str]" = collections.Counter()
        self.failures: List[Failure] = []
        self.is_warm = threading.Event()
        self.slow = fuzz_requests.slow(target.path)
        self._target = target
        self._num_requests = num_requests
        self._seed = seed
        self._lock = threading.Lock()
        self._progress = progress.Progress("requests", num_requests, _report)
        self._done = 0

    def send(self, number: int) -> None:
        """Sends the requests of client `number`."""
        client = fuzz_client.Client(self._target.host, self._target.port)
        try:
            for index in range(number, self._num_requests, _CLIENTS):
                self._send(client, fuzz_requests.make(self._seed, index, self._target.path))
                if len(self.failures) >= _MAX_FAILURES:
                    return
        finally:
            client.close()
            self.is_warm.set()

    def send_alone(self, request: fuzz_requests.Request) -> None:
        """Sends a request on a connection of its own."""
        client = fuzz_client.Client(self._target.host, self._target.port)
        self._send(client, request)
        client.close()

    def _send(self, client: fuzz_client.Client, request: fuzz_requests.Request) -> None:
        status = failure = None
        try:
            status = client.check(request)
        except fuzz_client.FuzzError as error:
            failure = Failure(request, str(error))
        with self._lock:
            self.kinds[request.kind] += 1
            self.statuses[str(status or "none")] += 1
            if failure is not None:
                self.statuses["none"] -= 1
                self.statuses["wrong"] += 1
                self.failures.append(failure)
                _report("%s: %s" % (request.kind, failure.text))
            self._done += 1
            self._progress.update(self._done)
            if self._done >= _WARM_UP_SHARE * self._num_requests:
                self.is_warm.set()


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rss_bytes(target: load_plan.Target) -> Optional[int]:
    """Returns the server's resident memory, or None where it does not say."""
    url = "http://%s:%d/metrics" % (target.host, target.port)
    with contextlib.suppress(OSError), urllib.request.urlopen(url) as response:
        for line in response.read().decode("utf-8").splitlines():
            if line.startswith(_MEMORY + " "):
                return int(float(line.split()[1]))
    return None


@contextlib.contextmanager
def _target(given: Optional[load_plan.Target], server: str) -> Iterator[load_plan.Target]:
    """Yields where to send requests: what was given, or a server that is started for that."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
        untrained_model.write(_MODEL, os.path.join(folder, "model"))
        with benchmark_server.ours([server, *_FLAGS], folder, 1, folder) as running:
            yield running.target


def complaint(result: Result, max_growth_mib: int) -> str:
    """Returns what is wrong, or nothing."""
    if result.failures:
        return "%d requests were not answered as they should have been" % len(result.failures)
    if len(result.rss_bytes) == 2:
        growth_mib = (result.rss_bytes[1] - result.rss_bytes[0]) / 2**20
        if growth_mib > max_growth_mib:
            return "the server grew by %.1f MiB, expected %d at most" % (growth_mib, max_growth_mib)
    return ""


def _summary(result: Result, num_requests: int, seed: int) -> Dict[str, object]:
    return {
        "requests": num_requests,
        "seed": seed,
        "statuses": dict(sorted(result.statuses.items())),
        "kinds": dict(sorted(result.kinds.items())),
        "failures": len(result.failures),
        "rss_mib": [round(size / 2**20, 1) for size in result.rss_bytes],
    }


def _save(failures: List[Failure], target: load_plan.Target, path: str) -> None:
    """Writes the body of the smallest failure, made smaller where that is possible."""
    failure = min(failures, key=lambda failure: failure.size)
    data = failure.request.data if failure.request.body is None else failure.request.body
    if failure.request.body is not None:
        data = shrinking.smallest(data, lambda body: _fails(target, body))
    with whole_file.replace(path) as file:
        file.write(data)
    how = "the bytes of the connection" if failure.request.body is None else "a request's body"
    _report("fuzz: %s: %s; %s: %s" % (failure.request.kind, failure.text, how, path))


def _fails(target: load_plan.Target, body: bytes) -> bool:
    request = fuzz_requests.post(target.path, fuzz_bodies.Body("smaller", body, fuzz_bodies.EITHER))
    client = fuzz_client.Client(target.host, target.port)
    try:
        client.check(request)
    except fuzz_client.FuzzError:
        return True
    finally:
        client.close()
    return False


def _parse(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        args.url = None if args.url is None else load_plan.Target.parse(args.url)
    except ValueError as error:
        parser.error("--url: %s" % error)
    if args.requests < 1:
        parser.error("--requests: expected at least 1, got %d" % args.requests)
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fuzz",
        description=__doc__,
        epilog="exit codes: 0; 1 if the server does what it must not; 2 for wrong flags",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=100000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--url",
        help="http://host:port/v1/models/m:predict of a running server of the DeepFM; by default "
        "one is started, with a small model that knows nothing",
    )
    parser.add_argument("--server", default=_SERVER, help="program to start; default: ours")
    parser.add_argument(
        "--max_growth_mib",
        type=int,
        default=32,
        help="of the server's memory after a tenth of the requests; default: %(default)s",
    )
    parser.add_argument(
        "--output",
        default="fuzz_failure",
        metavar="FILE",
        help="gets the smallest body that was not answered as it should; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
