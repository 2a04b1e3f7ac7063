import json
import re
import signal

import pytest

from launch import job, local_cluster, processes

# Stands for the task programs: shows its TF_CONFIG, and leaves.
_SHOW = '#!/bin/sh\necho "$TF_CONFIG" $1\n'


@pytest.fixture
def programs(tmp_path):
    for name in ("ps", "worker", "evaluator"):
        (tmp_path / name).write_text(_SHOW)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def _running(programs, num_ps, num_workers, report, **options):
    return local_cluster.running(
        str(programs), num_ps, num_workers, ["--x"], str(programs), report, **options
    )


def _shown(programs, num_ps, num_workers, **options):
    lines = []
    with _running(programs, num_ps, num_workers, lines.append, **options) as cluster:
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


def test_caller_may_give_a_task_other_addresses(programs):
    def tf_config_for(cluster, role, index):
        if role == "ps":
            return local_cluster.tf_config(cluster, role, index)
        return "%s %d behind %s" % (role, index, cluster["ps"][0])

    with _running(programs, 1, 2, [].append, tf_config_for=tf_config_for) as cluster:
        cluster.wait(60)
        addresses = cluster.addresses
    assert sorted(addresses) == ["ps", "worker"]
    assert [len(addresses[role]) for role in ("ps", "worker")] == [1, 2]
    shown = (programs / "worker_1.log").read_text()
    assert shown == "worker 1 behind %s --x\n" % addresses["ps"][0]
    assert json.loads((programs / "ps_0.log").read_text()[:-5])["cluster"] == addresses


def test_one_task_starts_again_while_the_others_run(programs):
    (programs / "worker").write_text(_WAIT)
    with _running(programs, 1, 2, [].append) as cluster:
        killed, other = cluster.process("worker 1"), cluster.process("chief")
        assert job.wait_for(lambda: _lines(programs / "worker_1.log") == 1, 20)
        killed.send(signal.SIGKILL)
        killed.wait(20)
        again = cluster.restart("worker 1")
        assert cluster.process("worker 1") is again
        assert job.wait_for(lambda: _lines(programs / "worker_1.log") == 2, 20)
        assert again.pid != killed.pid
        assert cluster.process("chief") is other and other.poll() is None
    first, second = (programs / "worker_1.log").read_text().splitlines()
    assert first == second  # the same environment and flags


# Stands for a task that does not leave by itself.
_WAIT = '#!/bin/sh\necho "$TF_CONFIG" $1\nexec sleep 1000\n'


def test_restart_stops_the_old_process(programs):
    (programs / "ps").write_text(_WAIT)
    with _running(programs, 1, 1, [].append) as cluster:
        old = cluster.process("ps 0")
        new = cluster.restart("ps 0")
        assert old.poll() == -signal.SIGTERM and new.poll() is None


def test_unknown_task_is_refused(programs):
    with _running(programs, 1, 1, [].append) as cluster:
        message = "task: expected one of ps 0, chief, evaluator, got 'ps'"
        with pytest.raises(ValueError, match=message):
            cluster.process("ps")
        with pytest.raises(ValueError, match=message):
            cluster.restart("ps")


def test_all_lines_are_in_one_log(programs):
    _shown(programs, 1, 1)
    lines = (programs / "all.log").read_text().splitlines()
    assert all(re.match(r" +\d+\.\d{3} (ps 0|chief|evaluator) +\| {", line) for line in lines)
    assert len(lines) == 3


def test_ps_are_stopped_last(programs):
    for name in ("ps", "worker", "evaluator"):
        (programs / name).write_text(_SLOW_END % name)
    lines = []
    with _running(programs, 2, 2, lines.append):
        assert job.wait_for(lambda: len(lines) == 5, 20)
    ends = [line.split("| ")[1] for line in lines[5:]]
    assert sorted(ends[:3]) == ["evaluator ends", "worker ends", "worker ends"]
    assert ends[3:] == ["ps ends", "ps ends"]


_SLOW_END = """#!/bin/sh
trap 'echo %s ends; exit 0' TERM
echo up
while :; do sleep 0.1; done
"""


def _lines(path):
    return path.exists() and path.read_text().count("\n")


def test_task_that_fails_is_named_and_the_others_are_stopped(programs):
    (programs / "ps").write_text("#!/bin/sh\nexec sleep 1000\n")
    (programs / "evaluator").write_text("#!/bin/sh\necho the reason >&2; exit 7\n")
    with pytest.raises(
        processes.ProcessError, match="(?s)evaluator ended with exit code 7.*reason"
    ):
        _shown(programs, 1, 1)


def test_addresses_differ():
    assert len(set(local_cluster.free_addresses(20))) == 20
