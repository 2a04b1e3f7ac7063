"""The program as users start it, on a tiny model."""

import json
import os
import signal
import subprocess

import pytest

_PROGRAM = os.path.join(os.path.dirname(__file__), "predict_benchmark")
_DEADLINE_SECS = 200
_KEYS = ["name", "value", "unit", "peer", "peer_value", "ratio", "goal", "detail"]


@pytest.fixture
def start(tmp_path):
    started = []

    def start(*flags):
        with open(str(tmp_path / "stderr"), "wb") as stderr:
            process = subprocess.Popen(
                [_PROGRAM, *flags],
                env=dict(os.environ, TMPDIR=str(tmp_path)),
                stdout=subprocess.PIPE,
                stderr=stderr,
                universal_newlines=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
    print((tmp_path / "stderr").read_text())


def _left(tmp_path):
    return [path.name for path in tmp_path.iterdir() if path.name != "stderr"]


def test_quick_prints_every_measurement_and_leaves_nothing(start, tmp_path):
    process = start("--quick")
    out, _ = process.communicate(timeout=_DEADLINE_SECS)
    assert process.returncode == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [line["name"] for line in found] == [
        "predict_start",
        "predict_memory",
        "predict_512",
        "predict_tail",
        "predict_throughput",
    ]
    goals = [line["goal"] for line in found]
    assert goals == [1.0, 1.0, 0.6667, 1.0, 3.0]
    for line in found:
        assert list(line) == _KEYS
        assert line["peer_value"] > 0 and line["ratio"] > 0
        assert line["detail"]["workers"] == 1
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    "sig, code", [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signal_ends_it_with_its_servers(start, tmp_path, sig, code):
    process = start("--quick")
    # The next server runs, or is just started.
    assert json.loads(process.stdout.readline())["name"] == "predict_start"
    process.send_signal(sig)
    process.communicate(timeout=_DEADLINE_SECS)
    assert process.returncode == code
    # Of servers that still run, the test's main would tell: it adopts them.
    assert _left(tmp_path) == []


def test_server_that_fails_is_an_error(start, tmp_path):
    process = start("--quick", "--server=/bin/false")
    out, _ = process.communicate(timeout=_DEADLINE_SECS)
    assert (process.returncode, out) == (1, "")
    message = "predict_benchmark: error: /bin/false --model_dir="
    line = (tmp_path / "stderr").read_text().splitlines()[-2]
    assert line.startswith(message) and "ended with exit code 1 before it was ready" in line
