"""A model_dir that fills up, and one that two jobs want: a clear end, and nothing is lost."""

import pathlib
import re

import pytest

from e2e import fault_job, small_folder, small_job
from launch import job as job_lib


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"), fault_job.ROWS)


def test_second_job_is_refused_and_the_first_one_goes_on(data, tmp_path, request):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    job = fault_job.FaultJob(data, tmp_path / "first", request.node.name, "first")
    other = fault_job.FaultJob(data, tmp_path / "second", "", "second", job.model_dir)
    with job.running(1, 1, "--epochs=1000000") as cluster:
        job.wait_for_a_moment(cluster)
        with other.running(1, 1, fault_job.SHORT_DEADLINE) as refused:
            message = (
                "expected a folder in which no other job trains, got .*, in use by job first, "
            )
            failed = fault_job.chief_failed(message)
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
        with job.running(2, 2) as cluster:
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


@pytest.mark.parametrize("left_bytes", [0, 1 << 16], ids=["nothing_fits", "notes_fit"])
def test_job_that_starts_in_a_full_folder_says_so(data, tmp_path, request, left_bytes):
    with small_folder.mounted(tmp_path, size_mib=16) as folder:
        folder.fill(left_bytes)
        job = fault_job.FaultJob(
            data, tmp_path, request.node.name, model_dir=folder.path + "/model"
        )
        with job.running(1, 1, fault_job.SHORT_DEADLINE) as cluster:
            chief = cluster.process("chief")
            assert chief.wait(fault_job.DEADLINE_SECS) == 1
        full = "^worker: error: .*No space left on device"
        assert re.search(full, chief.last_lines(), re.MULTILINE), chief.last_lines()
        assert "Traceback" not in (tmp_path / "chief.log").read_text()
