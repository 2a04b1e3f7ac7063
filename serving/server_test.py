"""The server as a process: what it answers, how it ends, what it refuses."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from serving import sample_model

_SERVER = os.path.join(os.path.dirname(__file__), "server")
_DEADLINE_SECS = 50

# Says on a socket when it has entered, and goes on when that is closed.
_WAITING_SERVICE = """
import socket
import tiinfer

def wait(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(1)

class Waiting(tiinfer.Model):
    def load(self):
        {load}
        return True

    def predict(self, request):
        wait(request["port"])
        return {{"done": True}}
"""


@contextlib.contextmanager
def started(tmp_path, *flags):
    with open(str(tmp_path / "log"), "wb") as log:
        process = subprocess.Popen([_SERVER] + list(flags), stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print((tmp_path / "log").read_text())


@contextlib.contextmanager
def serving(tmp_path, *flags):
    port_file = tmp_path / "port"
    flags += ("--port=0", "--port_file=%s" % port_file)
    with started(tmp_path, *flags) as process:
        wait_until(port_file.exists, process)
        yield process, int(port_file.read_text())


def wait_until(condition, process):
    deadline = time.monotonic() + _DEADLINE_SECS
    while not condition():
        assert time.monotonic() < deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
            raise AssertionError("the server ended early with %d" % process.returncode)


@pytest.fixture
def gate():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1)
        sock.settimeout(_DEADLINE_SECS)
        yield sock


def service_file(tmp_path, load="pass"):
    path = tmp_path / "service.py"
    path.write_text(_WAITING_SERVICE.format(load=load))
    return "--service=%s" % path


def refusal(tmp_path, *flags):
    with started(tmp_path, *flags) as process:
        assert process.wait(timeout=_DEADLINE_SECS) == 2
    lines = (tmp_path / "log").read_text().splitlines()
    return [line for line in lines if "error: " in line][-1]


def test_serves_a_model_in_every_form(tmp_path):
    sample_model.export(str(tmp_path / "model" / "1662111628"))
    instance = {"I1": 3, "C1": "68fd1e64"}
    forms = [
        {"indexes": [[0, 0, 0], [0, 13, 0]], "values": [4294967298, 0x68FD1E64], "samples": 1},
        {"rows": ["3" + "\t" * 13 + "68fd1e64" + "\t" * 25]},
        {"instances": [instance]},
    ]
    with serving(tmp_path, "--model_dir=%s" % tmp_path, "--model_name=ctr") as (process, port):
        url = "http://127.0.0.1:%d/v1/models/ctr" % port
        assert requests.get(url).json() == {"name": "ctr", "ready": True}
        answers = [requests.post(url + ":predict", json=form).json() for form in forms]
        refused = requests.post(url + ":predict", json={"rows": ["x"]})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_DEADLINE_SECS) == 0
    ((probability,),) = answers[0]["prediction"]
    assert abs(probability - 0.8693795) < 1e-6  # sigmoid(1.8954831), see model_service_test
    wanted = {"auc": None, "prediction": [[probability]]}
    assert answers == [wanted, wanted, dict(wanted, predictions=[[probability]])]
    assert refused.status_code == 400
    wanted_error = "rows[0]: expected a line of 39 columns, or 40 with the label, got 1 columns"
    assert refused.json() == {"error": wanted_error}


def test_sigterm_lets_running_requests_finish(tmp_path, gate):
    answers = []
    with serving(tmp_path, "--model_dir=%s" % tmp_path, service_file(tmp_path)) as (process, port):
        url = "http://127.0.0.1:%d/v1/models/m:predict" % port
        request = {"port": gate.getsockname()[1]}
        client = threading.Thread(
            target=lambda: answers.append(requests.post(url, json=request).json())
        )
        client.start()
        entered, _ = gate.accept()
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(port), process)
        entered.close()
        assert process.wait(timeout=_DEADLINE_SECS) == 0
        client.join(timeout=_DEADLINE_SECS)
    assert answers == [{"done": True}]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_sigterm_while_loading_ends_with_0(tmp_path, gate):
    load = "wait(%d)" % gate.getsockname()[1]
    flags = ["--model_dir=%s" % tmp_path, service_file(tmp_path, load), "--port=0"]
    with started(tmp_path, *flags) as process:
        gate.accept()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_DEADLINE_SECS) == 0


def test_a_taken_port_is_refused_before_the_model_is_loaded(tmp_path, gate):
    port = gate.getsockname()[1]
    flags = ["--port=%d" % port, "--model_dir=%s" % tmp_path, service_file(tmp_path, "1 / 0")]
    line = refusal(tmp_path, *flags)
    assert line.startswith("error: cannot listen on 127.0.0.1:%d: " % port)
    assert "in use" in line


def test_a_folder_without_a_model_is_refused(tmp_path):
    line = refusal(tmp_path, "--model_dir=%s" % tmp_path, "--port=0")
    assert line.startswith("error: DeepFMService.load did not succeed for %s" % tmp_path)
    assert "expected exactly one SavedModel below" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "the following arguments are required: --model_dir"),
        (["--model_dir=.", "--port=70000"], "--port: expected 0 to 65535, got '70000'"),
        (["--model_dir=.", "--model_name=a/b"], "--model_name: expected letters, digits, _ . and"),
        (["--model_dir=/none", "--port=0"], "error: model_dir: expected a folder, got '/none'"),
        (
            ["--model_dir=.", "--port=0", "--service=/none.py"],
            "error: service: expected a Python file, got '/none.py'",
        ),
    ],
)
def test_bad_flags_are_refused(tmp_path, flags, message):
    assert message in refusal(tmp_path, *flags)
