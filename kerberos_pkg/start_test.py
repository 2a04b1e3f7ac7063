"""The start scripts under each shell of this machine; e2e/code_package_test.py trains by them."""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess

import pytest

_START = pathlib.Path(__file__).absolute().parent / "start"

# The platform's images have dash (Debian, Ubuntu) or bash (CentOS) as sh, small ones busybox.
_SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]

# Stands in for python3: writes down how it was called, then does what the test wants of its role.
_PYTHON3 = """#!/bin/sh
role=${3#launch.}
printf '%s\\n' "$CUDA_VISIBLE_DEVICES" "$BUILD_WORKING_DIRECTORY" "$(pwd)" "$@" >"$RECORDS/$role"
echo "$$" >"$RECORDS/$role.pid"
eval "does=\\$${role}_does"
eval "$does"
"""

# Reads a pipe into which the test writes nothing: blocks until a signal comes.
_BLOCK = 'echo >"$RECORDS/started"; read -r never <"$RECORDS/never"'

# Runs until told to stop; then says so and goes on until the test writes, as a chief that saves.
_SAVE_ON_TERM = """
save() {
  kill "$reader"
  wait
  echo >"$RECORDS/started"
  read -r code <"$RECORDS/${role}_saved"
  exit "$code"
}
cat <"$RECORDS/never" & reader=$!
trap save TERM
echo >"$RECORDS/started"
wait
"""


@pytest.fixture(name="scripts", params=_SHELLS)
def _scripts(request, tmp_path):
    # With a space, since users' folders have them.
    shutil.copytree(str(_START), str(tmp_path / "my code"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to(shutil.which(request.param))
    for tool in ("cat", "cmp", "dirname"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    (tmp_path / "bin/python3").write_text(_PYTHON3)
    (tmp_path / "bin/python3").chmod(0o755)
    (tmp_path / "records").mkdir()
    # Where `cd` would go if a script let CDPATH lead it.
    (tmp_path / "other/my code").mkdir(parents=True)
    pipes = {}
    for name in ("started", "never", "ps_saved", "worker_saved", "evaluator_saved"):
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
        self.code = folder / "my code"
        self.pipes = pipes
        self.records = folder / "records"

    @contextlib.contextmanager
    def start(self, script, *flags, options=(), ps="", worker="", evaluator="", tf_config="{}"):
        env = {
            "PATH": str(self.folder / "bin"),
            "CDPATH": str(self.folder / "other"),
            "RECORDS": str(self.records),
            "ps_does": ps,
            "worker_does": worker,
            "evaluator_does": evaluator,
        }
        if tf_config is not None:
            env["TF_CONFIG"] = tf_config
        # From another folder, by a relative path, as a user may.
        command = [env["PATH"] + "/sh"] + list(options) + ["my code/" + script] + list(flags)
        process = subprocess.Popen(
            command,
            cwd=str(self.folder),
            env=env,
            stderr=subprocess.PIPE,
            # A group of its own, so that nothing survives a test that fails.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def run(self, script, *flags, **kwargs):
        with self.start(script, *flags, **kwargs) as process:
            self.stderr = process.communicate(timeout=30)[1].decode()
        return process.returncode

    def record(self, role):
        return (self.records / role).read_text().splitlines()

    def pid(self, role):
        return int((self.records / (role + ".pid")).read_text())

    def edit(self, old, new):
        path = self.code / "start.sh"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def wait_until_started(self, count):
        lines = b""
        while lines.count(b"\n") < count:
            assert select.select([self.pipes["started"]], [], [], 30)[0], lines
            lines += os.read(self.pipes["started"], 100)

    def assert_ended(self, *roles):
        for role in roles:
            with pytest.raises(ProcessLookupError):
                os.kill(self.pid(role), 0)


def _want(scripts, role, *flags):
    return [
        "",  # CUDA_VISIBLE_DEVICES
        str(scripts.folder),  # BUILD_WORKING_DIRECTORY: where relative paths begin
        str(scripts.code),  # the current folder, where Python looks for modules
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
    assert scripts.stderr == ""


def test_worker_node_runs_worker_and_evaluator(scripts):
    assert scripts.run("start_1worker1eval.sh", "--name=a b") == 0
    assert scripts.record("worker") == _want(scripts, "worker", "--name=a b")
    assert scripts.record("evaluator") == _want(scripts, "evaluator", "--name=a b")
    assert scripts.stderr == ""


def test_start_sh_alone_runs_one_task(scripts):
    assert scripts.run("start.sh", "evaluator", "--name=a b", evaluator="exit 8") == 8
    assert scripts.record("evaluator") == _want(scripts, "evaluator", "--name=a b")


def test_paths_of_the_command_line_come_last_and_so_win(scripts):
    flags = ["--train_file=t", "--eval_file=e", "--model_dir=m", "--export_dir=x"]
    scripts.run("start_1worker1eval.sh", *flags)
    for role in ("worker", "evaluator"):
        assert scripts.record(role)[-4:] == flags


@pytest.mark.parametrize("tf_config", [None, ""], ids=["unset", "empty"])
def test_worker_without_tf_config_evaluates_by_itself(scripts, tf_config):
    does = {"tf_config": tf_config, "worker": "exit 5"}
    assert scripts.run("start_1worker1eval.sh", options=["-eu"], **does) == 5
    assert scripts.record("worker") == _want(scripts, "worker")
    assert not (scripts.records / "evaluator").exists()


def test_gpu_is_one_edit_of_start_sh(scripts):
    scripts.edit('\nCUDA_VISIBLE_DEVICES=""\n', '\nCUDA_VISIBLE_DEVICES="0"\n')
    scripts.run("start_1worker1eval.sh")
    assert scripts.record("worker")[0] == scripts.record("evaluator")[0] == "0"


@pytest.mark.parametrize(
    "flag, path",
    [
        ("--train_file", "/opt/ml/input/data/criteo/train_new.txt"),
        ("--eval_file", "/opt/ml/input/data/criteo/val.txt"),
        ("--model_dir", "/opt/ml/input/data/cfs"),
        ("--export_dir", "/opt/ml/model/export"),
    ],
)
def test_path_is_one_edit_of_start_sh(scripts, flag, path):
    scripts.edit("  %s=%s \\\n" % (flag, path), "  %s=/mnt/other \\\n" % flag)
    scripts.run("start_1ps.sh")
    assert flag + "=/mnt/other" in scripts.record("ps")
    assert flag + "=" + path not in scripts.record("ps")


@pytest.mark.parametrize("options", [(), ("-eu",)], ids=["plain", "eu"])
@pytest.mark.parametrize(
    "worker, evaluator, want",
    [
        pytest.param("exit 3", "exit 0", 3, id="worker_failed"),
        pytest.param("exit 0", "exit 4", 4, id="evaluator_failed"),
        pytest.param("kill -KILL $$", "exit 4", 137, id="worker_killed_evaluator_failed"),
        pytest.param("exit 5", _BLOCK, 5, id="evaluator_waits_for_failed_worker"),
    ],
)
def test_worker_node_exit_code_tells_the_truth(scripts, options, worker, evaluator, want):
    code = scripts.run("start_1worker1eval.sh", options=options, worker=worker, evaluator=evaluator)
    assert code == want


def test_ps_exit_code_is_kept(scripts):
    assert scripts.run("start_1ps.sh", ps="exit 7") == 7


def test_python3_that_is_not_there_is_an_error(scripts):
    (scripts.folder / "bin/python3").unlink()
    assert scripts.run("start_1ps.sh") == 127
    assert scripts.run("start_1worker1eval.sh") == 127
    assert "python3" in scripts.stderr


def test_worker_node_waits_for_the_evaluator(scripts):
    evaluator = 'read -r code <"$RECORDS/evaluator_saved"; exit "$code"'
    with scripts.start("start_1worker1eval.sh", evaluator=evaluator) as process:
        assert process.poll() is None
        os.write(scripts.pipes["evaluator_saved"], b"6\n")
        assert process.wait(timeout=30) == 6


@pytest.mark.parametrize(
    "signum, want",
    [
        pytest.param(signal.SIGTERM, 143, id="TERM"),
        pytest.param(signal.SIGINT, 130, id="INT"),
        pytest.param(signal.SIGHUP, 129, id="HUP"),
    ],
)
def test_signal_ends_worker_and_evaluator(scripts, signum, want):
    with scripts.start(
        "start_1worker1eval.sh", options=["-eu"], worker=_BLOCK, evaluator=_BLOCK
    ) as process:
        scripts.wait_until_started(2)
        process.send_signal(signum)
        assert process.wait(timeout=30) == want
    scripts.assert_ended("worker", "evaluator")


def test_signal_during_the_start_reaches_both(scripts):
    # The worker sends it, so it comes while the evaluator is being started.
    for _ in range(5):
        with scripts.start(
            "start_1worker1eval.sh", worker='kill "$PPID"; ' + _BLOCK, evaluator=_BLOCK
        ) as process:
            assert process.wait(timeout=30) == 143


def test_signal_waits_until_a_child_is_past_its_exec(scripts):
    # Before that, a child still has the script's command line, and a signal to it is lost. Here cmp
    # finds that once for each child.
    (scripts.folder / "bin/cmp").unlink()
    (scripts.folder / "bin/cmp").write_text(
        '#!/bin/sh\nread -r code <"$RECORDS/cmp"\n'
        'echo "$code $*" >>"$RECORDS/compared"\nexit "$code"\n'
    )
    (scripts.folder / "bin/cmp").chmod(0o755)
    os.mkfifo(str(scripts.records / "cmp"))
    answers = os.open(str(scripts.records / "cmp"), os.O_RDWR)
    os.write(answers, b"0\n1\n0\n1\n")
    with scripts.start("start_1worker1eval.sh", worker=_BLOCK, evaluator=_BLOCK) as process:
        scripts.wait_until_started(2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    os.close(answers)
    worker, evaluator = scripts.pid("worker"), scripts.pid("evaluator")
    assert scripts.record("compared") == [
        "%d -s /proc/%d/cmdline /proc/%d/cmdline" % (code, process.pid, child)
        for child in (worker, evaluator)
        for code in (0, 1)
    ]


def test_signal_ends_the_worker_that_has_no_evaluator(scripts):
    with scripts.start("start_1worker1eval.sh", tf_config="", worker=_BLOCK) as process:
        scripts.wait_until_started(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    scripts.assert_ended("worker")


def test_signal_ends_the_evaluator_that_still_works(scripts):
    worker = 'echo >"$RECORDS/started"'
    with scripts.start("start_1worker1eval.sh", worker=worker, evaluator=_BLOCK) as process:
        scripts.wait_until_started(2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    scripts.assert_ended("worker", "evaluator")


def test_signal_leaves_the_chief_the_time_to_save(scripts):
    with scripts.start(
        "start_1worker1eval.sh", worker=_SAVE_ON_TERM, evaluator=_SAVE_ON_TERM
    ) as process:
        scripts.wait_until_started(2)
        process.send_signal(signal.SIGTERM)
        scripts.wait_until_started(2)
        # Some platforms say it more than once.
        process.send_signal(signal.SIGTERM)
        os.write(scripts.pipes["evaluator_saved"], b"0\n")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        os.write(scripts.pipes["worker_saved"], b"0\n")
        assert process.wait(timeout=30) == 143
    scripts.assert_ended("worker", "evaluator")


def test_signal_reaches_the_ps_itself(scripts):
    with scripts.start("start_1ps.sh", ps=_SAVE_ON_TERM) as process:
        scripts.wait_until_started(1)
        process.send_signal(signal.SIGTERM)
        scripts.wait_until_started(1)
        os.write(scripts.pipes["ps_saved"], b"143\n")
        assert process.wait(timeout=30) == 143


@pytest.mark.parametrize("flags", [(), ("chief",), ("--model_dir=m",)])
def test_role_is_required(scripts, flags):
    assert scripts.run("start.sh", *flags, options=["-eu"]) == 2
    assert scripts.stderr == "usage: sh start.sh ps|worker|evaluator [FLAG ...]\n"


@pytest.mark.parametrize("path", sorted(_START.glob("*.sh")), ids=lambda path: path.name)
def test_script_has_none_of_the_old_packages_habits(path):
    code = "\n".join(line.partition("#")[0] for line in path.read_text().splitlines())
    words = code.replace(";", " ").split()
    assert not {"rm", "mv", "sleep", "pkill", "killall", "nohup"} & set(words)
    assert "exit 0" not in code
