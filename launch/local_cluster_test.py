import json

import pytest

from launch import local_cluster, processes

# Stands for the task programs: shows its TF_CONFIG, and leaves.
_SHOW = '#!/bin/sh\necho "$TF_CONFIG" $1\n'


@pytest.fixture
def programs(tmp_path):
    for name in ("ps", "worker", "evaluator"):
        (tmp_path / name).write_text(_SHOW)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def _shown(programs, num_ps, num_workers):
    lines = []
    with local_cluster.running(
        str(programs), num_ps, num_workers, ["--x"], str(programs), lines.append
    ) as cluster:
        cluster.wait(60)
    return {line.split("|")[0].strip(): line.split("|")[1].strip() for line in lines}


def test_every_task_gets_its_config_and_the_flags(programs):
    shown = _shown(programs, 2, 2)
    assert sorted(shown) == ["chief", "evaluator", "ps 0", "ps 1", "worker 1"]
    assert {text.rsplit(" ", 1)[1] for text in shown.values()} == {"--x"}
    configs = {name: json.loads(text.rsplit(" ", 1)[0]) for name, text in shown.items()}
    clusters = [config["cluster"] for config in configs.values()]
    assert all(cluster == clusters[0] for cluster in clusters)
    assert [len(clusters[0][job]) for job in ("ps", "worker")] == [2, 2]
    assert configs["ps 1"]["task"] == {"type": "ps", "index": 1}
    assert configs["worker 1"]["task"] == {"type": "worker", "index": 1}
    assert (
        configs["chief"]["task"] == configs["evaluator"]["task"] == {"type": "worker", "index": 0}
    )


def test_task_that_fails_is_named_and_the_others_are_stopped(programs):
    (programs / "ps").write_text("#!/bin/sh\nexec sleep 1000\n")
    (programs / "evaluator").write_text("#!/bin/sh\necho the reason >&2; exit 7\n")
    with pytest.raises(
        processes.ProcessError, match="(?s)evaluator ended with exit code 7.*reason"
    ):
        _shown(programs, 1, 1)


def test_addresses_differ():
    assert len(set(local_cluster.free_addresses(20))) == 20
