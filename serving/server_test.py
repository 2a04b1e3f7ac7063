"""The server as a process: what it answers, how it ends, what it refuses, what it survives."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from serving import metrics_text, running_app, sample_model

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

# Its model is a text; an answer takes it twice, with work between that lets other threads run.
_TEXT_SERVICE = """
import glob
import os
import tiinfer

class Text(tiinfer.Model):
    def load(self):
        newest = sorted(glob.glob(os.path.join(self.model_dir, "*", "saved_model.pb")))[-1]
        with open(newest) as stream:
            self.text = stream.read()
        if self.text == "broken":
            raise ValueError("cannot read it")
        return True

    def preprocess(self, request):
        return [os.getpid(), self.text]

    def predict(self, request):
        sum(range(100000))
        return request + [self.text]
"""


@contextlib.contextmanager
def started(tmp_path, *flags):
    # What a killed server leaves behind goes with the test.
    env = dict(os.environ, TMPDIR=str(tmp_path))
    with open(str(tmp_path / "log"), "wb") as log:
        process = subprocess.Popen([_SERVER] + list(flags), stderr=log, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print("\n".join((tmp_path / "log").read_text().splitlines()[-50:]))


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


def waiting_service(tmp_path, load="pass"):
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
    with serving(tmp_path, "--model_dir=%s" % tmp_path, waiting_service(tmp_path)) as (
        process,
        port,
    ):
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
    flags = ["--model_dir=%s" % tmp_path, waiting_service(tmp_path, load), "--port=0"]
    with started(tmp_path, *flags) as process:
        gate.accept()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_DEADLINE_SECS) == 0


def test_a_taken_port_is_refused_before_the_model_is_loaded(tmp_path, gate):
    port = gate.getsockname()[1]
    flags = ["--port=%d" % port, "--model_dir=%s" % tmp_path, waiting_service(tmp_path, "1 / 0")]
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
        (["--model_dir=.", "--port=70000"], "--port: expected 0 to 65535, got '70000'"),
        (["--model_dir=/none", "--port=0"], "error: model_dir: expected a folder, got '/none'"),
        (
            ["--model_dir=.", "--port=0", "--service=/none.py"],
            "error: service: expected a Python file, got '/none.py'",
        ),
    ],
)
def test_bad_flags_are_refused(tmp_path, flags, message):
    assert message in refusal(tmp_path, *flags)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_file_that_cannot_be_written_is_refused(tmp_path, workers):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=%d" % workers]
    line = refusal(tmp_path, *flags, "--port=0", "--port_file=/none/p")
    assert line.startswith("error: port_file: cannot write /none/p: ")


def text_service(tmp_path):
    path = tmp_path / "text_service.py"
    path.write_text(_TEXT_SERVICE)
    return "--service=%s" % path


def publish(tmp_path, version, text):
    """Writes a model as its last step, as an export does."""
    folder = tmp_path / "models" / version
    folder.mkdir(parents=True)
    (folder / "variables").write_text("x")
    (folder / "saved_model.pb").write_text(text)
    return "--model_dir=%s" % folder.parent


class Load:
    """Clients that ask one request after the other, until stop() or until nobody listens.

    Attributes:
      answers: What came back, decoded.
      failures: What did not: any error but a refused connection.
    """

    def __init__(self, port, clients=4):
        self.answers = []
        self.failures = []
        self._port = port
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_DEADLINE_SECS)
        while not self._stopped.is_set():
            try:
                connection.request("POST", "/v1/models/m:predict", b"1")
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, (response.status, body)
                self.answers.append(json.loads(body.decode()))
            except ConnectionRefusedError:
                break
            except Exception as error:
                self.failures.append(error)
                connection.close()
        connection.close()

    def stop(self):
        self._stopped.set()
        self.join()

    def join(self):
        for thread in self._threads:
            thread.join(timeout=_DEADLINE_SECS)
            assert not thread.is_alive()

    def has_more(self, count=50):
        """Returns a condition: whether that many more answers have come since now."""
        wanted = len(self.answers) + count
        return lambda: len(self.answers) >= wanted

    def has_text(self, text):
        return lambda: self.answers and self.answers[-1][1] == text


@pytest.mark.parametrize("workers", [1, 2])
def test_reload_under_load_drops_no_request_and_mixes_no_models(tmp_path, workers):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=%d" % workers]
    with serving(tmp_path, *flags, "--access_log=false") as (process, port):
        load = Load(port)
        wait_until(load.has_more(), process)
        publish(tmp_path, "2", "two")
        wait_until(load.has_text("two"), process)
        publish(tmp_path, "3", "broken")
        wait_until(log_has(tmp_path, "model 2 stays: Text.load failed: cannot read it"), process)
        wait_until(load.has_more(), process)
        publish(tmp_path, "4", "four")
        wait_until(load.has_text("four"), process)
        load.stop()
        assert not load.failures
    assert {(first, second) for _, first, second in load.answers} == {
        ("one", "one"),
        ("two", "two"),
        ("four", "four"),
    }


def log_has(tmp_path, text):
    return lambda: text in (tmp_path / "log").read_text()


def test_reload_takes_a_saved_model_that_was_replaced(tmp_path):
    model_dir = tmp_path / "models"
    sample_model.export(str(model_dir / "model" / "1662111628"))
    sample_model.export(str(tmp_path / "1662111629"))
    with serving(tmp_path, "--model_dir=%s" % model_dir) as (process, port):
        shutil.move(str(model_dir / "model" / "1662111628"), str(tmp_path))
        shutil.move(str(tmp_path / "1662111629"), str(model_dir / "model"))
        wait_until(log_has(tmp_path, "model 1662111629 answers, instead of 166211162"), process)
        samples = metrics(port)
        assert samples["serving_model_version{version=1662111628}"] == 0
        assert samples["serving_model_version{version=1662111629}"] == 1
        response = requests.post(predict_url(port), json={"instances": [{"I1": 3}]})
        assert response.status_code == 200


def test_reload_can_be_turned_off(tmp_path):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path)]
    with serving(tmp_path, *flags, "--reload=false") as (process, port):
        threads = os.listdir("/proc/%d/task" % process.pid)
        names = [open("/proc/%d/task/%s/comm" % (process.pid, t)).read() for t in threads]
        assert "reload\n" not in names


def predict_url(port):
    return "http://127.0.0.1:%d/v1/models/m:predict" % port


def metrics(port):
    return metrics_text.samples(requests.get("http://127.0.0.1:%d/metrics" % port).content)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_answers_every_request_that_began(tmp_path, workers):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=%d" % workers]
    with serving(tmp_path, *flags) as (process, port):
        load = Load(port)
        wait_until(load.has_more(), process)
        process.send_signal(signal.SIGTERM)
        load.join()
        assert process.wait(timeout=_DEADLINE_SECS) == 0
    assert not load.failures
    answers = re.findall("POST /v1/models/m:predict 200 ", (tmp_path / "log").read_text())
    assert len(answers) == len(load.answers)


def test_a_killed_worker_is_replaced_under_load(tmp_path):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=2"]
    with serving(tmp_path, *flags) as (process, port):
        load = Load(port)
        wait_until(lambda: len({pid for pid, _, _ in load.answers}) == 2, process)
        pids = {pid for pid, _, _ in load.answers}
        killed = load.answers[-1][0]
        os.kill(killed, signal.SIGKILL)
        # Those that were on it are lost, the next ones are answered.
        wait_until(log_has(tmp_path, "(pid %d) was killed by signal 9" % killed), process)
        wait_until(load.has_more(), process)
        wait_until(lambda: requests.post(predict_url(port), json=1).json()[0] not in pids, process)
        load.stop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_DEADLINE_SECS) == 0
    assert len(load.failures) <= 4  # One of each client.


def test_workers_end_with_a_killed_parent(tmp_path):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=2"]
    with serving(tmp_path, *flags) as (process, port):
        process.kill()
        process.wait()
        deadline = time.monotonic() + _DEADLINE_SECS
        while accepts(port):
            assert time.monotonic() < deadline


def test_metrics_are_those_of_all_workers(tmp_path):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--workers=2"]
    with serving(tmp_path, *flags) as (process, port):
        load = Load(port)
        wait_until(lambda: len({pid for pid, _, _ in load.answers}) == 2, process)
        load.stop()
        samples = metrics(port)
        assert list(tmp_path.glob("serving_metrics_*/*.db"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_DEADLINE_SECS) == 0
    name = "serving_request_duration_seconds_count{route=/v1/models/m:predict,status=200}"
    assert samples[name] == len(load.answers)
    assert samples["serving_model_version{version=1}"] == 2
    assert not list(tmp_path.glob("serving_metrics_*"))


def test_workers_refuse_as_one_process_does(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    line = refusal(tmp_path, "--model_dir=%s" % folder, "--port=0", "--workers=2")
    assert line.startswith("error: DeepFMService.load did not succeed for %s" % folder)
    assert (tmp_path / "log").read_text().count("error: ") == 1


def test_limits_are_those_of_the_flags(tmp_path, gate):
    flags = ["--model_dir=%s" % tmp_path, waiting_service(tmp_path), "--max_body_mib=1"]
    flags += ["--body_timeout_secs=0.5", "--predict_timeout_secs=0.5", "--max_concurrent=1"]
    with serving(tmp_path, *flags) as (_, port):
        request = {"port": gate.getsockname()[1]}
        too_late = requests.post(predict_url(port), json=request)
        entered, _ = gate.accept()
        # TensorFlow could not be interrupted: the thread is still at it.
        too_many = requests.post(predict_url(port), json=request)
        entered.close()
        head = b"POST /v1/models/m:predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n"
        wait_until(lambda: metrics(port) and exchange(port, head % (2 << 20)).status == 413, _)
        assert exchange(port, head % 9).status == 408
        assert exchange(port, head[:20]).status == 408
        assert exchange(port, b"\x16\x03\x01\r\n\r\n").status == 400
    assert (too_late.status_code, too_many.status_code) == (504, 503)
    assert too_many.headers["retry-after"] == "1"


def exchange(port, data):
    return running_app.parse(running_app.Running(port, None, None).exchange(data))


def test_each_request_is_a_line_in_the_log(tmp_path):
    sample_model.export(str(tmp_path / "model"))
    with serving(tmp_path, "--model_dir=%s" % tmp_path) as (process, port):
        request = {"instances": [{"I1": 3}, {"I1": 4}]}
        requests.post(predict_url(port), json=request, headers={"X-Request-Id": "id-1"})
        line = r"INFO id-1 POST /v1/models/m:predict 200 2 rows [0-9.]+ ms\n"
        assert re.search(line, (tmp_path / "log").read_text())


def test_the_lines_can_be_left_out(tmp_path):
    flags = [publish(tmp_path, "1", "one"), text_service(tmp_path), "--access_log=false"]
    with serving(tmp_path, *flags) as (process, port):
        assert requests.post(predict_url(port), json=1).status_code == 200
        assert "POST" not in (tmp_path / "log").read_text()
