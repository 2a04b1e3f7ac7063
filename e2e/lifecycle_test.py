"""Jobs of several workers: how they begin, share the data, and end when they are told to."""

import signal

import pytest

from e2e import fault_job, small_job
from launch import job as job_lib

# Platforms kill a task that has not left by then.
_LEAVE_SECS = 10.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"), fault_job.ROWS)


@pytest.fixture(name="job")
def _job(data, tmp_path, request):
    return fault_job.FaultJob(data, tmp_path, request.node.name)


def _terminate(cluster, *names):
    """Tells tasks to end, and asserts that they do so in time, and in order."""
    for name in names:
        cluster.process(name).send(signal.SIGTERM)
    for name in names:
        process = cluster.process(name)
        assert process.wait(_LEAVE_SECS) == 128 + signal.SIGTERM, process.error("did not leave")
        assert "no time left" not in process.last_lines(), process.error("was cut off")


def test_every_row_is_in_the_share_of_one_worker(job):
    with job.running(2, 3) as cluster:
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert (job.said().again, job.extra_steps()) == (0, 0)
    shares = [rows for _, rows in job.positions(job.last_checkpoint())]
    assert min(shares) > fault_job.ROWS // 4


def test_all_workers_train_at_the_same_time_and_leave_when_told(job):
    with job.running(1, 3, "--epochs=1000000") as cluster:
        assert job_lib.wait_for(
            lambda: all(
                job.note(name).get("state") == "training"
                for name in ("chief", "worker 1", "worker 2")
            ),
            fault_job.DEADLINE_SECS,
        )
        assert cluster.process("chief").poll() is None
        _terminate(cluster, *[task.name for task in cluster.tasks])


def test_workers_that_are_told_to_end_go_on_where_they_were(job):
    with job.running(1, 2) as cluster:
        # In this order: the chief, if it is through, waits for the worker.
        for name in ("worker 1", "chief"):
            job.wait_for_a_moment(cluster, name)
            _terminate(cluster, name)
            cluster.restart(name)
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert (job.said().again, job.extra_steps()) == (0, 0)
    assert job.restored_checkpoint() is None


def test_ps_that_is_told_to_end_costs_what_came_after_the_save_that_it_asks_for(job):
    with job.running(2, 2) as cluster:
        job.wait_for_a_moment(cluster)
        step = job.note("chief")["step"]
        _terminate(cluster, "ps 1")
        cluster.restart("ps 1")
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    restored = job.restored_checkpoint()
    assert restored >= job.step_saved_for_ps() >= step
    assert job.extra_steps() == job.extra_steps(restored)


def test_job_that_is_told_to_end_goes_on_when_started_again(job):
    with job.running(2, 2) as cluster:
        job.wait_for_a_moment(cluster)
        step = job.note("chief")["step"]
        _terminate(cluster, *[task.name for task in cluster.tasks])
        saved = job.last_checkpoint()
        assert saved >= step
        cluster.start()
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert job.restored_checkpoint() == saved
    assert job.extra_steps() == job.extra_steps(saved)
