"""Serves one model on HTTP: the main of //serving:server.

Exits with 0 after SIGTERM or SIGINT, with 2 and one line on stderr when it cannot start, and with 1
and one line when its workers die again and again.
"""

import functools
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from typing import Any, List, Optional

from data_pipeline import command_line
from serving import acceptor, listener, server_options, workers

# Of server_metrics, which must be imported after it is set.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Workers drain for http_server.DRAIN_SECS, 25, and Kubernetes kills all after 30.
_STOP_SECS = 27.0

_logger = logging.getLogger(__name__)


def main(argv: Optional[List[str]] = None) -> int:
    """Runs the server until it is told to stop; returns the exit code."""
    command_line.enter_users_folder()
    options = server_options.parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.environ.pop(_METRICS_FOLDER, None)
    # While the model loads there is nothing to drain; later the HTTP server takes over.
    signal.signal(signal.SIGTERM, _leave)
    try:
        # The port first: loading a model takes seconds, a taken port shows at once.
        with listener.bind(options.address, options.port) as sock:
            if options.workers == 1:
                return _serve(options, sock)
            return _serve_with_workers(options, sock)
    except listener.ListenError as error:
        return _refuse(2, error)
    except workers.WorkersError as error:
        return _refuse(error.exit_code, error)


def _leave(*_: Any) -> None:
    sys.exit(0)


def _refuse(code: int, error: Exception) -> int:
    print("error: %s" % error, file=sys.stderr)
    return code


def _serve(options: server_options.Options, sock: socket.socket) -> int:
    # Here, because the parent of workers must not import what this does.
    from serving import server_process

    try:
        server_process.serve(options, sock, functools.partial(_announce, options))
    except server_process.REFUSALS as error:
        return _refuse(2, error)
    return 0


def _announce(options: server_options.Options, port: int) -> None:
    if options.port_file:
        listener.write_port_file(options.port_file, port)
    _logger.info("http://%s:%d/v1/models/%s", options.address, port, options.model_name)


def _serve_with_workers(options: server_options.Options, sock: socket.socket) -> int:
    folder = tempfile.mkdtemp(prefix="serving_metrics_")
    os.environ[_METRICS_FOLDER] = folder
    # Not before: it looks for the folder when it is imported.
    from prometheus_client import multiprocess

    shares = acceptor.shares(options.workers)

    def forget(number: int, pid: int) -> None:
        shares[number].leave()
        multiprocess.mark_process_dead(pid)

    try:
        hooks = workers.Hooks(
            on_ready=lambda: _announce(options, sock.getsockname()[1]),
            on_stop=sock.close,  # Connections would be made, and no worker take them.
            on_death=forget,
        )
        work = functools.partial(_work, options, sock, shares)
        workers.supervise(options.workers, work, hooks, workers.Times(_STOP_SECS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _work(
    options: server_options.Options,
    sock: socket.socket,
    shares: List[acceptor.Share],
    channel: workers.Channel,
) -> int:
    """Runs in a worker."""
    signal.signal(signal.SIGTERM, _leave)
    from serving import server_process

    try:
        share = shares[channel.number]
        server_process.serve(options, sock, lambda port: channel.ready(), share)
    except server_process.REFUSALS as error:
        channel.refuse(str(error))
        return 2
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    # Threads may be left that hang in a model: see server_process.serve.
    os._exit(code)
