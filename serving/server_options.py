"""The flags of //serving:server, as one checked record."""

import argparse
import math
import os
import re
from typing import List, NamedTuple, Optional

# Beside this file also in a Bazel runfiles tree.
DEFAULT_SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model_service.py")

_EPILOG = """\
A model that cannot be served, a taken port or a wrong flag is one line on stderr and exit code 2.
SIGTERM and SIGINT end the server with 0 after the requests in flight have been answered.
"""


class Options(NamedTuple):
    """What the user asked for; each attribute is the flag of that name."""

    model_dir: str
    service: str
    model_name: str
    reload: bool
    warmup: bool
    address: str
    port: int
    port_file: Optional[str]
    workers: int
    max_body_mib: int
    body_timeout_secs: float
    predict_timeout_secs: float
    max_concurrent: int
    access_log: bool


def parse(argv: Optional[List[str]] = None) -> Options:
    """Reads the flags; a wrong one ends the process with code 2, --help with 0."""
    parser = argparse.ArgumentParser(
        prog="server",
        description="Serves one model on HTTP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_model(parser)
    _add_process(parser)
    _add_limits(parser)
    return Options(**vars(parser.parse_args(argv)))


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model_dir", required=True, help="folder with the SavedModel, any depth")
    group.add_argument(
        "--service",
        default=DEFAULT_SERVICE,
        metavar="FILE",
        help="Python file with a tiinfer.Model; default: the DeepFM's",
    )
    group.add_argument(
        "--model_name",
        type=_model_name,
        default="m",
        metavar="NAME",
        help="of the route /v1/models/NAME:predict; default: %(default)s",
    )
    _add_boolean(
        group,
        "--reload",
        "take a new model as soon as it is complete in model_dir, without dropping a request",
    )
    _add_boolean(
        group, "--warmup", "run one request, if the service offers one, before a model is used"
    )


def _add_process(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("process")
    group.add_argument("--address", default="127.0.0.1", help="default: %(default)s")
    group.add_argument(
        "--port", type=_port, default=8501, help="0 takes a free one; default: %(default)s"
    )
    group.add_argument(
        "--port_file", metavar="FILE", help="written with the port once requests are accepted"
    )
    group.add_argument(
        "--workers",
        type=_count,
        default=1,
        metavar="N",
        help="processes that share the port, each with the whole model; default: %(default)s",
    )
    _add_boolean(
        group,
        "--access_log",
        "log one line a request: id, method, path, status, rows, milliseconds",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits (of each worker)")
    group.add_argument(
        "--max_body_mib",
        type=_count,
        default=32,
        metavar="MIB",
        help="larger request bodies are answered with 413; default: %(default)s",
    )
    group.add_argument(
        "--body_timeout_secs",
        type=_seconds,
        default=10.0,
        metavar="SECS",
        help="for a whole request head, and then for a whole body: later is 408; "
        "default: %(default)g",
    )
    group.add_argument(
        "--predict_timeout_secs",
        type=_seconds,
        default=30.0,
        metavar="SECS",
        help="a prediction that waits and runs longer is answered with 504; default: %(default)g",
    )
    group.add_argument(
        "--max_concurrent",
        type=_count,
        default=256,
        metavar="N",
        help="requests that are received, wait or run; more are answered with 503; "
        "default: %(default)s",
    )


def _add_boolean(group: "argparse._ArgumentGroup", flag: str, text: str) -> None:
    group.add_argument(
        flag,
        type=_boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help=text + "; default: true",
    )


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError("expected 0 to 65535, got %.80r" % text)
    return int(text)


def _model_name(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_.-]+", text):
        raise argparse.ArgumentTypeError("expected letters, digits, _ . and -, got %.80r" % text)
    return text


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError("expected a number from 1 to 999999, got %.80r" % text)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError("expected seconds, above 0 to 86400, got %.80r" % text)
    return seconds


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError("expected true or false, got %.80r" % text)
    return text == "true"
