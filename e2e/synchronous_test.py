"""Workers that make each step together, one of which is killed."""

import pytest

from e2e import fault_job, small_job


@pytest.fixture(name="job")
def _job(tmp_path, request):
    data = small_job.write_data(tmp_path, fault_job.ROWS)
    return fault_job.FaultJob(data, tmp_path, request.node.name)


_WORKERS = 2


@pytest.mark.parametrize("backup_workers, killed", [(0, "worker 1"), (1, "chief")])
def test_synchronous_steps_are_as_many_as_the_rows_ask_for(job, backup_workers, killed):
    with job.running(1, _WORKERS, "--sync", "--backup_workers=%d" % backup_workers) as cluster:
        # Who is early makes several gradients of a step; the chief is never late.
        job.wait_for_a_moment(cluster, below=fault_job.ROWS // 10)
        fault_job.kill(cluster, killed)
        cluster.restart(killed)
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_model()
    steps = job.last_checkpoint()
    gradients = _WORKERS - backup_workers
    # Their number follows from the size of the text, which is not quite that of the rows.
    assert abs(steps - fault_job.ROWS / (gradients * fault_job.BATCH)) <= 2
    # A step lets each worker make a gradient of the next one, and a start of the chief lets them
    # make those of a step. Of the killed task's last one the count may be lost.
    starts = 1 + (killed == "chief")
    batches = sum(batches for batches, _ in job.positions(steps))
    assert gradients * steps - 1 <= batches <= _WORKERS * steps + starts * gradients
