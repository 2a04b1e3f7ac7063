"""`//launch:local`, as typed by a user: the whole job, and one clear line for wrong input."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess

import pytest

from e2e import programs
from launch import job

SMALL = ["--rows=3000", "--batch_size=256", "--log_steps=5"] + programs.SMALL_MODEL
ENDLESS = SMALL + ["--epochs=1000000"]  # of equal flags the last counts


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
        r"ps 0      \| ps 0 leaves: the chief has finished",
        r"chief +0 +3,000 +\S+ +\d+ MiB +0:\d\d",
        r"prediction  (label [01] -> 0\.\d{4}\s*){5}",
        r"model       %s/export/saved_model/\d+" % re.escape(str(tmp_path)),
        r"report      %s/report.html" % re.escape(str(tmp_path)),
        r"curves      tensorboard --logdir=%s/model" % re.escape(str(tmp_path)),
    ):
        assert re.search(pattern, result.stdout), pattern + "\n" + result.stdout
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert "</html>" in (tmp_path / "report.html").read_text()
    # TensorFlow's words, which are on stderr, and ours.
    log = (tmp_path / "logs" / "all.log").read_text()
    for line in (
        r"chief     \| .*tensorflow",
        r"evaluator \| .*tensorflow",
        r"chief     \| step \d+/",
        r"ps 0      \| ps 0 serves on ",
    ):
        assert re.search(r"^ +\d+\.\d{3} " + line, log, re.MULTILINE), line


@contextlib.contextmanager
def _started(flags, **streams):
    process = subprocess.Popen([programs.binary("launch/local")] + flags, **streams)
    try:
        yield process
    finally:
        process.terminate()  # unless it has ended
        process.wait(timeout=60)


def test_interrupted_run_leaves_no_process(tmp_path):
    log = tmp_path / "out"
    flags = ["--work_dir=%s" % (tmp_path / "w")] + ENDLESS
    with open(str(log), "wb") as out, _started(flags, stdout=out, stderr=out) as process:
        assert job.wait_for(lambda: b"chief     | step" in log.read_bytes(), deadline_secs=120)
        process.send_signal(signal.SIGTERM)
        # The runner of this test fails it if a child of a child lives on.
        assert process.wait(timeout=60) == 130
    assert b"interrupted; every process was stopped" in log.read_bytes()


def test_interrupted_terminal_had_a_table_of_all_tasks_and_has_none(tmp_path):
    flags = ["--work_dir=%s" % tmp_path, "--ps=2", "--workers=2"] + ENDLESS
    environ = dict(os.environ, TERM="xterm", NO_COLOR="1")
    terminal, stdout = pty.openpty()
    with _started(flags, stdout=stdout, stderr=stdout, env=environ) as process:
        os.close(stdout)
        text = ""
        is_interrupted = False
        for chunk in _chunks(terminal):
            text += chunk
            if not is_interrupted and re.search(r"worker 1 +\d+  training", text):
                process.send_signal(signal.SIGINT)
                is_interrupted = True
        assert process.wait(timeout=60) == 130
    for name in ("ps 0", "ps 1", "chief", "worker 1", "evaluator"):
        line = r"^%-9s +\d+  [a-z ]+ +\S+ +\S+ +\d+ MiB" % name
        assert re.search(line, text, re.MULTILINE), text
    # Every table was erased; what follows the last is plain.
    assert text.count("\x1b[7A") == text.count("\x1b[J") >= 2
    _, _, end = text.rpartition("\x1b[J")
    assert "\x1b" not in end and end.startswith("stopping all tasks")
    assert end.endswith("local: interrupted; every process was stopped\r\n")


def _chunks(terminal):
    """What is written to a terminal until all have closed it."""
    try:
        while True:
            yield os.read(terminal, 1 << 16).decode("utf-8", "replace")
    except OSError:  # Linux: EIO
        os.close(terminal)


def test_killed_task_is_named_and_the_others_save(tmp_path):
    flags = ["--work_dir=%s" % tmp_path] + ENDLESS
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    with _started(flags, **pipes) as process:
        assert any(line.startswith("evaluator | step") for line in process.stdout)
        (note,) = (tmp_path / "model" / "job").glob("*/alive/evaluator_0.json")
        os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 1
    log = tmp_path / "logs" / "evaluator.log"
    first, *last_lines = errors.splitlines()
    assert first == (
        "local: error: evaluator ended with exit code -9 (SIGKILL); its log %s ends with:" % log
    )
    assert last_lines == log.read_text().splitlines()[-20:]
    assert (tmp_path / "model" / "checkpoint").exists()


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
        pytest.param(["--ps=0"], "expected at least 1, got 0", id="no_ps"),
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
