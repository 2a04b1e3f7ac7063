"""Tasks are killed at random moments and started again, as the platform does; the job ends well."""

import json

import pytest

from e2e import fault_job, small_job


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"), fault_job.ROWS)


@pytest.fixture(name="job")
def _job(data, tmp_path, request):
    return fault_job.FaultJob(data, tmp_path, request.node.name)


@pytest.mark.parametrize(
    "name, trains", [("chief", "chief"), ("worker 1", "worker 1"), ("evaluator", "chief")]
)
def test_killed_task_goes_on_where_it_was(job, name, trains):
    with job.running(2, 2) as cluster:
        job.wait_for_a_moment(cluster, trains)
        fault_job.kill(cluster, name)
        cluster.restart(name)
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    assert job.said().again == 0
    assert job.restored_checkpoint() is None
    # The update under way may have been applied and not counted: then it comes twice.
    assert 0 <= job.extra_steps() <= (name != "evaluator")
    with open(job.model_dir + "/progress.jsonl") as lines:
        steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)


@pytest.mark.parametrize("name", ["ps 0", "ps 1"])
def test_killed_ps_costs_what_came_after_the_last_checkpoint(job, name):
    with job.running(2, 2) as cluster:
        job.wait_for_a_moment(cluster)
        before = job.last_checkpoint()
        fault_job.kill(cluster, name)
        cluster.restart(name)
        cluster.wait(fault_job.DEADLINE_SECS)
    job.check_result()
    restored = job.restored_checkpoint()
    assert restored >= before
    # What was under way on the other ps is as lost as what the killed one had.
    assert job.extra_steps() == job.extra_steps(restored)
