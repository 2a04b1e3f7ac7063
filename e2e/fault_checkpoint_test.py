"""Checkpoints that are broken, cannot be written, or belong to another job; nothing is lost."""

import hashlib
import os
import pathlib
import re
import shutil

import pytest

from e2e import fault_job, small_folder, small_job
from launch import job as job_lib

_PS, _WORKERS = 2, 2

# A task that comes up after the chief has failed cannot know of which run that was, and waits.
_SHORT_DEADLINE = "--deadline_secs=20"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"), fault_job.ROWS)


@pytest.fixture(name="interrupted", scope="module")
def _interrupted(data, tmp_path_factory):
    """A job whose tasks were all killed at once when it had some checkpoints."""
    job = fault_job.FaultJob(data, tmp_path_factory.mktemp("interrupted"), "interrupted")
    with job.running(_PS, _WORKERS) as cluster:
        job.wait_for_a_moment(cluster)
        assert job_lib.wait_for(lambda: len(job.checkpoints()) > 2, fault_job.DEADLINE_SECS)
        fault_job.kill(cluster, *[task.name for task in cluster.tasks])
    return job


@pytest.fixture(name="job")
def _job(data, tmp_path, request):
    return fault_job.FaultJob(data, tmp_path, request.node.name)


def _truncate(job, path):
    size = job.random.randrange(os.path.getsize(path))
    print("%s has %d bytes left" % (path, size))
    os.truncate(path, size)


@pytest.mark.parametrize(
    "suffix, used",
    [
        pytest.param("", 0, id="whole"),
        pytest.param(".data-00000-of-00002", 1, id="data"),
        pytest.param(".index", 1, id="index"),
    ],
)
def test_job_goes_on_from_the_newest_checkpoint_that_is_whole(interrupted, job, suffix, used):
    shutil.copytree(interrupted.model_dir, job.model_dir)
    whole = job.checkpoints()[used]
    if used:
        _truncate(job, job.checkpoints()[0] + suffix)
    extra_steps = job.extra_steps(fault_job.step_of(whole))
    with job.running(_PS, _WORKERS) as cluster:
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert job.restored_checkpoint() == fault_job.step_of(whole)
    assert job.extra_steps() == extra_steps


def _failed(message):
    """What the others say of a chief that is refused."""
    return "error: the chief (failed: .*%s|gave no sign of life for 20 s)" % message


def _digests(folder):
    """Of the checkpoints and their list."""
    paths = [path for path in pathlib.Path(folder).glob("*") if _OF_CHECKPOINTS.match(path.name)]
    return {str(path): hashlib.sha256(path.read_bytes()).digest() for path in paths}


_OF_CHECKPOINTS = re.compile(r"model\.ckpt-|checkpoint$")


def test_job_whose_checkpoints_are_all_broken_is_refused(interrupted, job):
    shutil.copytree(interrupted.model_dir, job.model_dir)
    for path in job.checkpoints():
        _truncate(job, path + ".data-00001-of-00002")
    before = _digests(job.model_dir)
    with job.running(_PS, _WORKERS, _SHORT_DEADLINE) as cluster:
        message = "expected a checkpoint that can be read, got none: "
        lines = dict.fromkeys([task.name for task in cluster.tasks], _failed(message))
        lines["chief"] = "^worker: error: .*" + message
        job.wait_for_failure(cluster, lines, codes={"chief": 2})
    assert _digests(job.model_dir) == before


def test_job_whose_list_of_checkpoints_is_gone_is_refused(interrupted, job):
    shutil.copytree(interrupted.model_dir, job.model_dir)
    os.remove(job.model_dir + "/checkpoint")
    before = _digests(job.model_dir)
    with job.running(_PS, _WORKERS) as cluster:
        names = [task.name for task in cluster.tasks]
        message = "error: .*/checkpoint: expected TensorFlow's list of checkpoints, got no list, "
        job.wait_for_failure(cluster, dict.fromkeys(names, message), codes=dict.fromkeys(names, 2))
    assert _digests(job.model_dir) == before


def test_second_job_is_refused_and_the_first_one_goes_on(data, job, tmp_path_factory):
    other = fault_job.FaultJob(
        data, tmp_path_factory.mktemp("other"), "other", "other", job.model_dir
    )
    with job.running(1, 1, "--epochs=1000000") as cluster:
        job.wait_for_a_moment(cluster)
        with other.running(1, 1, _SHORT_DEADLINE) as refused:
            message = "expected a folder in which no other job trains, got .*, in use by job job, "
            failed = _failed(message)
            other.wait_for_failure(
                refused,
                {"chief": "^worker: error: .*" + message, "ps 0": failed, "evaluator": failed},
                codes={"chief": 2},
            )
        at_refusal = job.note("chief")["step"]
        assert job_lib.wait_for(lambda: job.last_checkpoint() > at_refusal, fault_job.DEADLINE_SECS)
        for task in cluster.tasks:
            assert cluster.process(task.name).poll() is None
    assert job.restored_checkpoint() is None
    assert "epochs: 1000000" in pathlib.Path(job.model_dir, "config.yaml").read_text()


def test_full_folder_ends_the_job_which_goes_on_when_there_is_room(data, tmp_path, request):
    with small_folder.mounted(tmp_path, size_mib=128) as folder:
        job = fault_job.FaultJob(
            data, tmp_path, request.node.name, model_dir=folder.path + "/model"
        )
        with job.running(_PS, _WORKERS) as cluster:
            job.wait_for_a_moment(cluster)
            # Enough for the notes of tasks, and too little for a checkpoint.
            folder.fill(left_bytes=1 << 20)
            before = job.last_checkpoint()
            message = "the checkpoint of step .* could not be written .*No space left on device"
            failed = "error: the chief failed: .*" + message
            job.wait_for_failure(
                cluster,
                {
                    "chief": "^worker: error: .*" + message,
                    "worker 1": failed,
                    "ps 0": failed,
                    "ps 1": failed,
                    "evaluator": "error: (the chief failed: .*|the model of .*)",
                },
            )
            folder.free()
            cluster.start()
            cluster.wait(fault_job.DEADLINE_SECS)
        job.check_result()
        assert job.restored_checkpoint() >= before
