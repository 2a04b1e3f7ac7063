"""Checkpoints that are broken: the job goes on from one that is whole, or is refused."""

import hashlib
import os
import pathlib
import re
import shutil

import pytest

from e2e import fault_job, small_job
from launch import job as job_lib

_PS, _WORKERS = 2, 2


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


@pytest.mark.parametrize("broken", [0, 1], ids=["whole", "newest_truncated"])
def test_job_goes_on_from_the_newest_checkpoint_that_is_whole(interrupted, job, broken):
    shutil.copytree(interrupted.model_dir, job.model_dir)
    found = job.checkpoints()
    for path in found[:broken]:
        _truncate(job, path + job.random.choice([".index", ".data-00000-of-00002"]))
    step = fault_job.step_of(found[broken])
    extra_steps = job.extra_steps(step)
    with job.running(_PS, _WORKERS) as cluster:
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert job.restored_checkpoint() == step
    assert job.extra_steps() == extra_steps


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
    with job.running(_PS, _WORKERS, fault_job.SHORT_DEADLINE) as cluster:
        message = "expected a checkpoint that can be read, got none: "
        lines = dict.fromkeys(
            [task.name for task in cluster.tasks], fault_job.chief_failed(message)
        )
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
