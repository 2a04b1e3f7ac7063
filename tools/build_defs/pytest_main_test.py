"""The runner of all tests: what it collects, returns, and refuses to overlook."""

import importlib.util
import os
import subprocess
import sys

import pytest

MAIN = "tools/build_defs/pytest_main.py"


def _run(tmp_path, source, **env):
    path = tmp_path / "case_test.py"
    path.write_text(source)
    command = [sys.executable, MAIN, str(path)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), TEST_TMPDIR=str(tmp_path))
    environment.pop("TESTBRIDGE_TEST_ONLY", None)
    environment.update(env)
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )


def test_passing_test_gives_zero(tmp_path):
    assert _run(tmp_path, "def test_ok(): pass").returncode == 0


def test_failing_test_gives_one(tmp_path):
    assert _run(tmp_path, "def test_bad(): assert False").returncode == 1


def test_nothing_collected_fails(tmp_path):
    assert _run(tmp_path, "x = 1").returncode == 5


def test_filter_selects_by_name(tmp_path):
    source = "def test_good(): pass\ndef test_bad(): assert False"
    assert _run(tmp_path, source, TESTBRIDGE_TEST_ONLY="good").returncode == 0


def test_leaked_child_fails_and_is_named(tmp_path):
    source = "import subprocess\ndef test_leaks(): subprocess.Popen(['sleep', '600'])"
    result = _run(tmp_path, source)
    _kill_children_of_the_runner()
    assert result.returncode == 1
    assert b"leaked process" in result.stdout and b"sleep 600" in result.stdout


def test_leaked_grandchild_fails_too(tmp_path):
    source = "import os\ndef test_leaks(): os.system('sleep 601 >/dev/null 2>&1 &')"
    result = _run(tmp_path, source)
    _kill_children_of_the_runner()
    assert result.returncode == 1
    assert b"sleep 601" in result.stdout


@pytest.mark.parametrize(
    "stat, want",
    [
        pytest.param("38 (a) S 7 38 38 0 -1 4194304 0", True, id="running"),
        pytest.param("38 (a) b) R 7 38 38 0 -1 4194304 0", True, id="odd_name"),
        pytest.param("38 (a) S 8 38 38 0 -1 4194304 0", False, id="of_another_process"),
        pytest.param("38 (a) Z 7 38 38 0 -1 4194304 0", False, id="ended"),
        pytest.param("38 (a) R 7 38 38 0 -1 4194308 0", False, id="about_to_end"),
    ],
)
def test_running_child_is_told_from_one_that_ends(stat, want):
    spec = importlib.util.spec_from_file_location("runner", MAIN)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    assert runner.is_running_child(stat, 7) == want


def _kill_children_of_the_runner():
    # The inner runner is gone, so its leaked children are ours (we are a subreaper as well).
    subprocess.run(["pkill", "-P", str(os.getpid()), "sleep"], check=True)
