import contextlib
import socket

import pytest

from data_pipeline import errors
from launch import cluster, task_config, termination


def _free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _task(role, ps_port):
    cluster_spec = {"ps": ["127.0.0.1:%d" % ps_port], "chief": ["127.0.0.1:%d" % _free_port()]}
    return task_config.TaskConfig(role, 0, cluster_spec)


def test_taken_port_is_refused_with_its_number():
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(
            errors.InputError, match="port %d of ps 0 .*expected a free port" % port
        ):
            cluster.start_server(_task("ps", port))


def test_ps_that_does_not_come_up_is_named():
    lines = []
    task = _task("chief", _free_port())
    with pytest.raises(errors.InputError, match=r"ps 0 \(127.0.0.1:\d+\): no answer within 0 s"):
        cluster.wait_for_ps(task, 0.0, lines.append, termination.Termination())
    assert lines == ["waiting for ps 0 (%s)" % task.cluster["ps"][0]]


def test_server_is_found_by_the_tasks_that_wait():
    port = _free_port()
    server = cluster.start_server(_task("ps", port))
    lines = []
    cluster.wait_for_ps(_task("chief", port), 10.0, lines.append, termination.Termination())
    assert server.target.endswith(":%d" % port)
    assert lines == []


class _ToldToEnd:
    def __init__(self, at_look):
        self._looks_left = at_look

    def check(self):
        self._looks_left -= 1
        if self._looks_left <= 0:
            raise termination.TerminatedError()


@pytest.mark.parametrize("at_look", [1, 3], ids=["before_it_waits", "while_it_waits"])
def test_task_that_is_told_to_end_waits_for_no_ps(at_look):
    with pytest.raises(termination.TerminatedError):
        cluster.wait_for_ps(
            _task("chief", _free_port()), 1e6, lambda line: None, _ToldToEnd(at_look)
        )


def test_every_ps_is_waited_for_within_one_deadline():
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        addresses = ["127.0.0.1:%d" % listening.getsockname()[1], "127.0.0.1:%d" % _free_port()]
        task = task_config.TaskConfig("chief", 0, {"ps": addresses, "chief": ["127.0.0.1:1"]})
        with pytest.raises(errors.InputError, match=r"^ps 1 \(%s\): no answer" % addresses[1]):
            cluster.wait_for_ps(task, 0.0, lambda line: None, termination.Termination())


def test_ps_with_an_ipv6_address_is_asked_without_its_brackets(monkeypatch):
    asked = []

    def connect(address, timeout):
        asked.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    task = task_config.TaskConfig("chief", 0, {"ps": ["[::1]:2222"], "chief": ["[::1]:1"]})
    cluster.wait_for_ps(task, 0.0, lambda line: None, termination.Termination())
    assert asked == [("::1", 2222)]


def test_gpu_that_is_not_there_is_one_warning(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(cluster, "visible_gpus", lambda: [])
    lines = []
    cluster.check_gpu(False, lines.append)
    (line,) = lines
    assert (
        line.startswith("WARNING: no GPU that TensorFlow can use") and "training on the CPU" in line
    )


@pytest.mark.parametrize("devices, message", [("0", "no GPU that"), ("", "hides every GPU")])
def test_gpu_that_is_required_is_refused(monkeypatch, devices, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    monkeypatch.setattr(cluster, "visible_gpus", lambda: [])
    with pytest.raises(errors.InputError, match="--require_gpu: .*" + message):
        cluster.check_gpu(True, lambda line: None)


def test_cpu_run_says_nothing(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    lines = []
    cluster.check_gpu(False, lines.append)
    assert lines == []
