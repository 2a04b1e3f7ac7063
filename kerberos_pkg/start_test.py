import os
import pathlib
import shutil
import signal
import subprocess

import pytest

_START = pathlib.Path(__file__).absolute().parent / "start"

# Stands in for python3: writes down how it was called, then does what the test wants of its role.
_PYTHON3 = """#!/bin/sh
role=${3#launch.}
printf '%s\\n' "$CUDA_VISIBLE_DEVICES" "$PYTHONPATH" "$@" >"$RECORDS/$role"
echo "$$" >"$RECORDS/$role.pid"
eval "does=\\$${role}_does"
eval "$does"
"""

# Reads a pipe into which the test writes nothing: blocks until a signal comes.
_BLOCK = 'echo >"$RECORDS/started"; read -r never <"$RECORDS/never"'


@pytest.fixture(name="scripts")
def _scripts(tmp_path):
    shutil.copytree(str(_START), str(tmp_path / "code"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(_PYTHON3)
    (tmp_path / "bin/python3").chmod(0o755)
    (tmp_path / "records").mkdir()
    pipes = {}
    for name in ("started", "never"):
        path = str(tmp_path / "records" / name)
        os.mkfifo(path)
        # For reading and writing (Linux): then opening blocks nobody and no reader sees an end.
        pipes[name] = os.open(path, os.O_RDWR)
    yield _Scripts(tmp_path, pipes)
    for pipe in pipes.values():
        os.close(pipe)


class _Scripts:
    def __init__(self, folder, pipes):
        self.folder = folder
        self.pipes = pipes
        self.records = folder / "records"

    def start(self, script, *flags, ps="", worker="", evaluator="", python_path=""):
        env = {
            "PATH": "%s:%s" % (self.folder / "bin", os.environ["PATH"]),
            "RECORDS": str(self.records),
            "ps_does": ps,
            "worker_does": worker,
            "evaluator_does": evaluator,
        }
        if python_path:
            env["PYTHONPATH"] = python_path
        # From another folder, by a relative path, as a user may.
        command = ["sh", "code/" + script] + list(flags)
        return subprocess.Popen(command, cwd=str(self.folder), env=env, stderr=subprocess.PIPE)

    def run(self, script, *flags, **kwargs):
        with self.start(script, *flags, **kwargs) as process:
            self.stderr = process.communicate(timeout=30)[1].decode()
        return process.returncode

    def record(self, role):
        return (self.records / role).read_text().splitlines()


def _want(scripts, role, *flags):
    return [
        "",  # CUDA_VISIBLE_DEVICES
        str(scripts.folder / "code"),  # PYTHONPATH
        "-u",
        "-m",
        "launch." + role,
        "--train_file=/opt/ml/input/data/criteo/train_new.txt",
        "--eval_file=/opt/ml/input/data/criteo/val.txt",
        "--model_dir=/opt/ml/input/data/cfs",
        "--export_dir=/opt/ml/model/export",
    ] + list(flags)


def test_ps_gets_the_guides_defaults_and_more_flags(scripts):
    assert scripts.run("start_1ps.sh", "--batch_size=512", "--name=a b") == 0
    assert scripts.record("ps") == _want(scripts, "ps", "--batch_size=512", "--name=a b")


def test_worker_node_runs_worker_and_evaluator(scripts):
    assert scripts.run("start_1worker1eval.sh", "--name=a b") == 0
    assert scripts.record("worker") == _want(scripts, "worker", "--name=a b")
    assert scripts.record("evaluator") == _want(scripts, "evaluator", "--name=a b")


def test_gpu_is_one_edit_of_start_sh(scripts):
    path = scripts.folder / "code/start.sh"
    text = path.read_text()
    assert text.count('\nCUDA_VISIBLE_DEVICES=""\n') == 1
    path.write_text(text.replace('CUDA_VISIBLE_DEVICES=""', 'CUDA_VISIBLE_DEVICES="0"'))
    scripts.run("start_1ps.sh")
    assert scripts.record("ps")[0] == "0"


def test_python_path_of_the_image_comes_after_our_own(scripts):
    scripts.run("start_1ps.sh", python_path="/image")
    assert scripts.record("ps")[1] == "%s:/image" % (scripts.folder / "code")


def test_ps_exit_code_is_kept(scripts):
    assert scripts.run("start_1ps.sh", ps="exit 7") == 7


@pytest.mark.parametrize(
    "worker, evaluator, want",
    [
        pytest.param("exit 3", "exit 0", 3, id="worker_failed"),
        pytest.param("exit 0", "exit 4", 4, id="evaluator_failed"),
        pytest.param("exit 3", "exit 4", 3, id="both_failed"),
        pytest.param("kill -KILL $$", "exit 0", 137, id="worker_killed"),
        pytest.param("exit 0", "kill -KILL $$", 137, id="evaluator_killed"),
        pytest.param("exit 5", _BLOCK, 5, id="evaluator_waits_for_failed_worker"),
    ],
)
def test_worker_node_exit_code_tells_the_truth(scripts, worker, evaluator, want):
    assert scripts.run("start_1worker1eval.sh", worker=worker, evaluator=evaluator) == want


def test_worker_node_waits_for_the_evaluator(scripts):
    evaluator = 'read -r code <"$RECORDS/never"; exit "$code"'
    with scripts.start("start_1worker1eval.sh", evaluator=evaluator) as process:
        assert process.poll() is None
        os.write(scripts.pipes["never"], b"6\n")
        assert process.wait(timeout=30) == 6


@pytest.mark.parametrize("signum, want", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_worker_and_evaluator(scripts, signum, want):
    with scripts.start("start_1worker1eval.sh", worker=_BLOCK, evaluator=_BLOCK) as process:
        lines = b""
        while lines.count(b"\n") < 2:  # One from each.
            lines += os.read(scripts.pipes["started"], 100)
        process.send_signal(signum)
        assert process.wait(timeout=30) == want
    for role in ("worker", "evaluator"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((scripts.records / (role + ".pid")).read_text()), 0)


def test_role_is_required(scripts):
    assert scripts.run("start.sh") == 2
    assert "usage: sh start.sh ps|worker|evaluator" in scripts.stderr
