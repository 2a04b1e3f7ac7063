"""The in-process gRPC server of a task, and waiting for the servers of others."""

import contextlib
import functools
import os
import socket
import time
from typing import Callable, List

import tensorflow as tf

from data_pipeline import errors
from launch import job as job_lib
from launch import task_config
from launch import termination as termination_lib


def start_server(task: task_config.TaskConfig) -> tf.distribute.Server:
    """Starts the task's server.

    Raises:
      InputError: Its port is taken, or its address is not of this machine.
    """
    host, _, port = task.address.rpartition(":")
    # gRPC shares ports (SO_REUSEPORT), so a second job would silently mix with the first.
    with contextlib.closing(socket.socket()) as probe:
        # A restarted task finds its predecessor's connections in TIME_WAIT; they do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(port)))
        except OSError as e:
            raise errors.InputError(
                "port %s of %s %d (%s): expected a free port, got %s; stop the process that listens"
                " there, or change TF_CONFIG"
                % (port, task.role, task.index, task.address, e.strerror)
            ) from e
    try:
        return tf.distribute.Server(
            tf.train.ClusterSpec(task.cluster), job_name=task.role, task_index=task.index
        )
    except tf.errors.OpError as e:
        raise errors.InputError(
            "%s %d could not listen on %s: %s" % (task.role, task.index, host, e)
        ) from e


def wait_for_ps(
    task: task_config.TaskConfig,
    deadline_secs: float,
    report: Callable[[str], None],
    termination: termination_lib.Termination,
) -> None:
    """Returns once every ps accepts connections; says for whom it waits.

    Raises:
      InputError: One did not within `deadline_secs`.
      TerminatedError: The process was told to end.
    """
    end = time.monotonic() + deadline_secs
    for index, address in enumerate(task.cluster[task_config.PS]):
        accepts = functools.partial(_accepts, address, termination)
        if accepts():
            continue
        name = "ps %d (%s)" % (index, address)
        report("waiting for " + name)
        if not job_lib.wait_for(accepts, max(0.0, end - time.monotonic())):
            raise errors.InputError(
                "%s: no answer within %d s; is it running, and does TF_CONFIG name it rightly?"
                % (name, deadline_secs)
            )


def visible_gpus() -> List[str]:
    """Names of the GPUs that TensorFlow can use here."""
    return [device.name for device in tf.config.experimental.list_physical_devices("GPU")]


def check_gpu(require_gpu: bool, report: Callable[[str], None]) -> None:
    """Warns in one line, or refuses, when a GPU was asked for and none is usable.

    TensorFlow says on stderr, before that line, which library or driver it misses. Tasks on one
    node may share a GPU afterwards.

    Raises:
      InputError: `require_gpu` and no GPU.
    """
    asked_for = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if asked_for in ("", "-1"):  # CUDA's own ways to say none
        if require_gpu:
            raise errors.InputError(
                "--require_gpu: CUDA_VISIBLE_DEVICES=%s hides every GPU" % asked_for
            )
        return
    if visible_gpus():
        # The worker and the evaluator of a node have the same one, all of whose memory TensorFlow
        # would take for the first of them. Source: TF 1.15, gpu_bfc_allocator.cc.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        return
    problem = "no GPU that TensorFlow can use (CUDA_VISIBLE_DEVICES=%s; %s)" % (
        asked_for,
        "its own lines above say why"
        if tf.test.is_built_with_cuda()
        else "this TensorFlow is built without CUDA; tensorflow-gpu has it",
    )
    if require_gpu:
        raise errors.InputError("--require_gpu: " + problem)
    report("WARNING: %s; training on the CPU" % problem)


def _accepts(address: str, termination: termination_lib.Termination) -> bool:
    termination.check()
    peer = task_config.host_and_port(address)
    try:
        with contextlib.closing(socket.create_connection(peer, timeout=2.0)):
            return True
    except OSError:
        return False
