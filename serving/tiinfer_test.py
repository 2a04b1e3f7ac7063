"""The service as the platform starts it: python3 -m tiinfer in the folder of the service."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from serving import model_service, sample_model

_DEADLINE_SECS = 50
_INSTANCE = {"label": 1, "I1": 3, "C1": "68fd1e64"}
_REQUEST = {"instances": [_INSTANCE, {"label": 0, "I2": -2, "C26": "0b153874"}]}
_LINES = ["1\t3" + "\t" * 13 + "68fd1e64" + "\t" * 25, "0\t\t-2" + "\t" * 37 + "0b153874"]
_WIRE = {
    "labels": [[1.0], [0.0]],
    "indexes": [[0, 0, 0], [0, 13, 0], [1, 1, 0], [1, 38, 0]],
    "values": [0xFFFFFFFF + 3, 0x68FD1E64, 2 * 0xFFFFFFFF - 2, 0x0B153874],
    "samples": 2,
}
_FORMS = {
    "wire": _WIRE,
    "rows": {"rows": _LINES},
    "many_rows": {"rows": _LINES * 300},
    "instances": _REQUEST,
    "many_instances": {"instances": _REQUEST["instances"] * 300},
}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mv")
    shutil.copy(model_service.__file__, str(folder / "model_service.py"))
    sample_model.export(str(folder / "model" / "1662111628"))
    return str(folder)


@pytest.fixture(scope="module")
def url(model_dir):
    # tiinfer must know its port in advance; the test's network is its own.
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    flags = ["--address", "127.0.0.1", "--port", str(port), "--timeout", str(_DEADLINE_SECS * 1000)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tiinfer"] + flags,
        cwd=model_dir,
        env=dict(os.environ, TI_MODEL_DIR=model_dir, PYTHONPATH=os.pathsep.join(sys.path)),
        start_new_session=True,  # mosec starts several processes; they end together.
    )
    try:
        _wait_until_listening(process, port)
        yield "http://127.0.0.1:%d/inference" % port
    finally:
        _end(process)


def _wait_until_listening(process, port):
    deadline = time.monotonic() + _DEADLINE_SECS
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        assert time.monotonic() < deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            raise AssertionError("tiinfer ended early with %d" % process.returncode)


def _end(process):
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Its orphans become children of this process where it adopts them.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-process.pid, 0)


@pytest.fixture(scope="module")
def service(model_dir):
    service = model_service.DeepFMService(model_dir)
    assert service.load()
    return service


@pytest.mark.parametrize("form", sorted(_FORMS))
def test_answers_with_the_bytes_of_the_service(url, service, form):
    response = requests.post(url, json=_FORMS[form])
    assert response.status_code == 200
    assert response.text == json.dumps(service(_FORMS[form]), indent=2)  # mosec indents its JSON


def test_answers_the_same_in_every_form(url):
    answers = [requests.post(url, json=_FORMS[form]).json() for form in ("wire", "rows")]
    instances = requests.post(url, json=_REQUEST).json()
    assert answers[0] == answers[1]
    assert instances == dict(answers[0], predictions=answers[0]["prediction"])


def test_a_bad_request_does_not_end_the_worker(url):
    refused = requests.post(url, json={"rows": ["x"]})
    assert (refused.status_code, refused.text) == (500, "inference internal error")
    # Logits, see sample_model: 1.895 with the label 1, 1.443 with the label 0.
    assert requests.post(url, json=_REQUEST).json()["auc"] == 1.0
