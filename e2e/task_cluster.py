"""Starts the mains that users start, as processes, with the TF_CONFIG that TI-ONE gives them."""

import contextlib
import json
import os
import socket
from typing import Dict, Iterator, List

from launch import processes

# What makes a run of a test small; the paths come from the caller.
SMALL_MODEL = ["--table_rows=2000", "--embedding_dim=4", "--hidden=16,8"]


def binary(name: str) -> str:
    """Path of a program that the test has in `data`, such as launch/ps."""
    return os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], name)


@contextlib.contextmanager
def running(tmp_path: str, num_workers: int, flags: List[str]) -> Iterator[Dict[str, processes.Process]]:
    """Yields ps, worker_0 (the chief), worker_1 .. and evaluator by name; kills what is left."""
    ports = _free_ports(1 + num_workers)
    cluster = {
        "ps": ["127.0.0.1:%d" % ports[0]],
        "worker": ["127.0.0.1:%d" % port for port in ports[1:]],
    }
    tasks = {"ps": ("launch/ps", "ps", 0), "evaluator": ("launch/evaluator", "worker", 0)}
    tasks.update({"worker_%d" % i: ("launch/worker", "worker", i) for i in range(num_workers)})
    started = {}
    try:
        for name, (program, role, index) in sorted(tasks.items()):
            tf_config = {
                "cluster": cluster,
                "task": {"type": role, "index": index},
                "environment": "cloud",
            }
            started[name] = processes.Process(
                name,
                [binary(program)] + flags,
                dict(os.environ, TF_CONFIG=json.dumps(tf_config)),
                os.path.join(tmp_path, name + ".log"),
                print,
            )
        yield started
    finally:
        for process in started.values():
            process.stop()


@contextlib.contextmanager
def server(tmp_path: str, model_dir: str) -> Iterator[str]:
    """Yields the predict URL of //serving:server for `model_dir`."""
    port_file = os.path.join(tmp_path, "port")
    command = [binary("serving/server"), "--model_dir=" + model_dir, "--port=0"]
    process = processes.Process(
        "server",
        command + ["--port_file=" + port_file],
        dict(os.environ),
        os.path.join(tmp_path, "server.log"),
        print,
    )
    try:
        port = processes.wait_for_file(port_file, process, deadline_secs=60)
        yield "http://127.0.0.1:%s/v1/models/m:predict" % port
    finally:
        code = process.stop()
    assert code == 0, process.last_lines()


def _free_ports(count: int) -> List[int]:
    # The test has a network of its own: nobody takes them before the tasks do.
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
