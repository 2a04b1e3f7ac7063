"""`//launch:local`, as typed by a user: the whole job, and one clear line for wrong input."""

import os
import re
import signal
import subprocess

import pytest

from e2e import programs
from launch import job

SMALL = ["--rows=3000", "--batch_size=256", "--log_steps=5"] + programs.SMALL_MODEL


def _run(*flags):
    return subprocess.run(
        [programs.binary("launch/local")] + list(flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_generated_data_to_a_served_prediction(tmp_path):
    result = _run("--work_dir=%s" % tmp_path, *SMALL)
    assert result.returncode == 0, result.stdout + result.stderr
    for pattern in (
        r"chief     \| step \d+/\d+ \(\d+ %\)  [\d,]+ samples/s  loss 0\.\d+  ETA \d+:\d\d",
        r"evaluator \| step \d+  eval AUC 0\.\d+  log loss 0\.\d+",
        r"ps        \| ps 0 leaves: the chief has finished",
        r"prediction  (label [01] -> 0\.\d{4}\s*){5}",
        r"model       %s/export/saved_model/\d+" % re.escape(str(tmp_path)),
    ):
        assert re.search(pattern, result.stdout), pattern + "\n" + result.stdout
    assert result.stderr == ""


def test_interrupted_run_leaves_no_process(tmp_path):
    log = tmp_path / "out"
    with open(str(log), "wb") as out:
        process = subprocess.Popen(
            [
                programs.binary("launch/local"),
                "--work_dir=%s" % (tmp_path / "w"),
                "--epochs=1000",
            ]
            + SMALL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        assert job.wait_for(lambda: b"chief     | step" in log.read_bytes(), deadline_secs=60)
        process.send_signal(signal.SIGTERM)
        # The runner of this test fails it if a child of a child lives on.
        assert process.wait(timeout=60) == 130
    assert b"interrupted; every process was stopped" in log.read_bytes()


@pytest.mark.parametrize(
    "flags, message",
    [
        pytest.param(["--train_file=x.tsv"], "both --train_file and --eval_file", id="one_file"),
        pytest.param(
            ["--train_file=/no/such", "--eval_file=/no/such"],
            "--train_file: .*/no/such",
            id="missing",
        ),
        pytest.param(
            ["--train_file=EMPTY", "--eval_file=EMPTY"], "--train_file: .*EMPTY", id="empty"
        ),
        pytest.param(
            ["--train_file=OTHER", "--eval_file=OTHER"], r"--train_file: .*OTHER:1", id="not_criteo"
        ),
        pytest.param(["--work_dir=/proc/no"], "--work_dir: expected a folder", id="not_writable"),
        pytest.param(["--num_ps=0"], "expected at least 1, got 0", id="no_ps"),
        pytest.param(
            ["--hidden=a"] + SMALL[:1], "--hidden: expected positive integers", id="hidden"
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, flags, message):
    (tmp_path / "EMPTY").write_bytes(b"")
    (tmp_path / "OTHER").write_bytes(b"hello\n")
    flags = [re.sub("=(EMPTY|OTHER)$", r"=%s/\1" % tmp_path, flag) for flag in flags]
    if not any(flag.startswith("--work_dir") for flag in flags):
        flags = flags + ["--work_dir=%s" % (tmp_path / "w")]
    result = _run(*flags)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert re.search(message, last), result.stderr
    assert not os.path.exists(str(tmp_path / "w"))
