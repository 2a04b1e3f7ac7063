"""The programs that users start, for the tests that start them."""

import contextlib
import os
from typing import Iterator

from launch import processes

# What makes a run of a test small; the paths come from the caller.
SMALL_MODEL = ["--table_rows=2000", "--embedding_dim=4", "--hidden=16,8", "--epochs=1"]


def binary(name: str) -> str:
    """Path of a program that the test has in `data`, such as launch/ps."""
    return os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"], name)


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
