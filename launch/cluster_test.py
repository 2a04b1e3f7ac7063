import contextlib
import os
import socket
from unittest import mock

import pytest
import tensorflow as tf

from data_pipeline import errors
from launch import cluster, job, task_config, termination


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


def test_later_ps_have_what_the_earlier_ones_left_of_the_deadline(monkeypatch):
    left_secs = []

    def wait_for(condition, deadline_secs):
        left_secs.append(deadline_secs)
        return True

    monkeypatch.setattr(job, "wait_for", wait_for)
    addresses = ["127.0.0.1:%d" % _free_port() for _ in range(2)]
    task = task_config.TaskConfig("chief", 0, {"ps": addresses, "chief": ["127.0.0.1:1"]})
    cluster.wait_for_ps(task, 10.0, lambda line: None, termination.Termination())
    assert 10.0 >= left_secs[0] > left_secs[1]


def test_ps_with_an_ipv6_address_is_asked_without_its_brackets(monkeypatch):
    asked = []

    def connect(address, timeout):
        asked.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    task = task_config.TaskConfig("chief", 0, {"ps": ["[::1]:2222"], "chief": ["[::1]:1"]})
    cluster.wait_for_ps(task, 0.0, lambda line: None, termination.Termination())
    assert asked == [("::1", 2222)]


_NO_CUDA = "this TensorFlow is built without CUDA; tensorflow-gpu has it"


def _check_gpu(devices, require_gpu=False, **env):
    """The lines that check_gpu reports, and TF_FORCE_GPU_ALLOW_GROWTH after it."""
    lines = []
    with mock.patch.dict(os.environ, dict(env, CUDA_VISIBLE_DEVICES=devices)):
        cluster.check_gpu(require_gpu, lines.append)
        return lines, os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH")


def test_gpu_that_is_not_there_is_one_warning():
    # The CPU wheel itself, as in an image without a GPU.
    assert _check_gpu("0")[0] == [
        "WARNING: no GPU that TensorFlow can use (CUDA_VISIBLE_DEVICES=0; %s); training on the CPU"
        % _NO_CUDA
    ]


def test_gpu_wheel_without_a_usable_gpu_points_to_its_own_lines(monkeypatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
    ((line,), _) = _check_gpu("0,1")
    assert line == (
        "WARNING: no GPU that TensorFlow can use (CUDA_VISIBLE_DEVICES=0,1; its own lines above"
        " say why); training on the CPU"
    )


@pytest.mark.parametrize(
    "devices, message",
    [
        ("0", "no GPU that TensorFlow can use (CUDA_VISIBLE_DEVICES=0; %s)" % _NO_CUDA),
        ("", "CUDA_VISIBLE_DEVICES= hides every GPU"),
        ("-1", "CUDA_VISIBLE_DEVICES=-1 hides every GPU"),
    ],
)
def test_gpu_that_is_required_is_refused(devices, message):
    with pytest.raises(errors.InputError) as refusal:
        _check_gpu(devices, require_gpu=True)
    assert str(refusal.value) == "--require_gpu: " + message


@pytest.mark.parametrize("devices", ["", "-1"])
def test_cpu_run_says_nothing(devices):
    assert _check_gpu(devices) == ([], None)


@pytest.mark.parametrize("require_gpu", [False, True])
def test_usable_gpu_is_shared_without_a_word(monkeypatch, require_gpu):
    monkeypatch.setattr(cluster, "visible_gpus", lambda: ["/physical_device:GPU:0"])
    assert _check_gpu("0", require_gpu) == ([], "true")
    # What the user says counts.
    assert _check_gpu("0", require_gpu, TF_FORCE_GPU_ALLOW_GROWTH="false") == ([], "false")
