"""Serves one model on HTTP: the main of //serving:server.

Exits with 0 after SIGTERM or SIGINT, and with 2 and one line on stderr when it cannot start.
"""

import argparse
import logging
import os
import re
import signal
import sys
from typing import Any, List, Optional

from data_pipeline import command_line
from serving import app, listener, service_loader

# Beside this file also in a Bazel runfiles tree.
_DEFAULT_SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model_service.py")

_logger = logging.getLogger(__name__)


def main(argv: Optional[List[str]] = None) -> int:
    """Runs the server until it is told to stop; returns the exit code."""
    command_line.enter_users_folder()
    options = _parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # While the model loads there is nothing to drain; later the HTTP server takes over.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _serve(options)
    except (listener.ListenError, service_loader.ServiceError) as error:
        print("error: %s" % error, file=sys.stderr)
        return 2
    return 0


def _parse(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="server", description="Serves one model on HTTP.")
    parser.add_argument("--model_dir", required=True, help="folder with the SavedModel, any depth")
    parser.add_argument(
        "--service", default=_DEFAULT_SERVICE, metavar="FILE", help="file with a tiinfer.Model"
    )
    parser.add_argument("--address", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=_port, default=8501, help="0 takes a free one; default: %(default)s"
    )
    parser.add_argument(
        "--port_file", metavar="FILE", help="written with the port once requests are accepted"
    )
    parser.add_argument("--model_name", type=_model_name, default="m", help="default: %(default)s")
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError("expected 0 to 65535, got %r" % text)
    return int(text)


def _model_name(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_.-]+", text):
        raise argparse.ArgumentTypeError("expected letters, digits, _ . and -, got %r" % text)
    return text


def _serve(options: Any) -> None:
    # The port first: loading a model takes seconds, a taken port shows at once.
    with listener.bind(options.address, options.port) as sock:
        service = service_loader.load_service(options.service, options.model_dir)
        port = listener.listen(sock)
        if options.port_file:
            listener.write_port_file(options.port_file, port)
        _logger.info("http://%s:%d/v1/models/%s", options.address, port, options.model_name)
        server = listener.http_server(app.create_app(service, options.model_name))
        server.run([sock])


if __name__ == "__main__":
    sys.exit(main())
