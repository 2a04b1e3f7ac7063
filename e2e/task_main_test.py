"""The mains as programs: wrong TF_CONFIG, flags and taken ports are one line and exit code 2."""

import contextlib
import os
import re
import socket
import subprocess

import pytest

from data_pipeline import generator, text
from e2e import programs
from launch import local_cluster


@pytest.fixture
def flags(tmp_path):
    rows, _ = generator.Generator(3).rows(0, 300)
    (tmp_path / "rows.tsv").write_bytes(text.format(rows))
    names = {"train_file": "rows.tsv", "eval_file": "rows.tsv", "model_dir": "model"}
    return ["--%s=%s" % (flag, tmp_path / name) for flag, name in names.items()]


def _run(program, flags, tf_config):
    env = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    if tf_config is not None:
        env["TF_CONFIG"] = tf_config
    return subprocess.run(
        [programs.binary("launch/" + program)] + flags,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def _tf_config(role, index=0, **cluster):
    cluster = cluster or {"ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]}
    return local_cluster.tf_config(cluster, role, index)


@pytest.mark.parametrize(
    "program, tf_config, message",
    [
        pytest.param("worker", "{", "expected JSON", id="not_json"),
        pytest.param("worker", _tf_config("worker", worker=["h:1"]), "at least one ps", id="no_ps"),
        pytest.param(
            "worker", _tf_config("worker", 3), "index 3: the cluster has 1 task", id="index"
        ),
        pytest.param(
            "ps", _tf_config("judge"), "expected ps, worker, chief or evaluator", id="type"
        ),
        pytest.param("ps", _tf_config("worker"), "ps is for ps, got 'chief'", id="other_main"),
        pytest.param(
            "worker", _tf_config("ps"), "worker is for chief or worker, got 'ps'", id="ps"
        ),
    ],
)
def test_wrong_tf_config(program, flags, tf_config, message):
    result = _run(program, flags, tf_config)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith(program + ": error: ") and re.search(message, last), result.stderr


def test_taken_port_is_named(flags):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        result = _run("ps", flags, _tf_config("ps", ps=[address], worker=["127.0.0.1:2"]))
    assert result.returncode == 2
    assert "expected a free port" in result.stderr.splitlines()[-1]


def test_absent_ps_is_named(flags):
    (worker,) = local_cluster.free_addresses(1)
    config = _tf_config("worker", ps=["127.0.0.1:1"], worker=[worker])
    result = _run("worker", flags + ["--deadline_secs=0"], config)
    assert result.returncode == 2
    assert "ps 0 (127.0.0.1:1): no answer within 0 s" in result.stderr.splitlines()[-1]


def test_evaluator_beside_another_worker_leaves_at_once(flags):
    config = _tf_config("worker", 1, ps=["127.0.0.1:1"], worker=["127.0.0.1:2", "127.0.0.1:3"])
    result = _run("evaluator", flags, config)
    assert result.returncode == 0, result.stderr
    assert "runs beside the chief" in result.stdout


def test_flags_may_come_from_a_file(flags, tmp_path):
    (worker,) = local_cluster.free_addresses(1)
    config = _tf_config("worker", ps=["127.0.0.1:1"], worker=[worker])
    lines = [flag[2:].replace("=", ": ") for flag in flags] + ["deadline_secs: 0", "hidden: [8, 4]"]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    result = _run("worker", ["--config=%s" % (tmp_path / "c.yaml")], config)
    assert result.returncode == 2
    assert "no answer within 0 s" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("program", ["ps", "worker", "evaluator", "local"])
@pytest.mark.parametrize(
    "line, message",
    [
        pytest.param(
            "batchsize: 3",
            r"--config: .*/c\.yaml:2: .*, got 'batchsize'; the nearest is batch_size",
            id="unknown",
        ),
        pytest.param(
            "epochs: many",
            r"--config: .*/c\.yaml:2: epochs: expected an integer of at least 1, got 'many'",
            id="value",
        ),
    ],
)
def test_wrong_file_is_one_line(program, line, message, tmp_path):
    (tmp_path / "c.yaml").write_text("# mine\n%s\n" % line)
    result = _run(program, ["--config=%s" % (tmp_path / "c.yaml")], None)
    assert result.returncode == 2
    (only,) = _own_lines(result)
    assert only.startswith(program + ": error: ") and re.search(message, only), result.stderr


@pytest.mark.parametrize("program", ["ps", "worker", "evaluator", "local"])
def test_unknown_flag_is_one_line(program):
    result = _run(program, ["--batchsize=3"], None)
    assert result.returncode == 2
    assert _own_lines(result) == [
        program
        + ": error: unknown flag --batchsize; the nearest is --batch_size (--help lists all)"
    ]


@pytest.mark.parametrize("program", ["ps", "worker", "evaluator", "local"])
def test_help(program):
    result = _run(program, ["--help"], None)
    assert result.returncode == 0
    assert "usage: " + program in result.stdout
    titles = re.findall("^([a-z-]+):$", result.stdout, re.MULTILINE)
    assert sorted(titles) == sorted(
        ["data", "cluster", "output", "training", "hyper-parameters", "general"]
    )


def _own_lines(result):
    return [line for line in result.stderr.splitlines() if ": error: " in line]
