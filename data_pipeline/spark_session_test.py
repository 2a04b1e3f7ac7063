"""Tests of the session with a real Spark on this machine."""

import os
import signal
import subprocess
import sys
import tempfile

import pyspark
import pytest

from data_pipeline import errors, spark_session

_CHILDREN_DEADLINE_SECS = 20


def _number_and_home(number):
    """What a task got, and the file from which its process imports our modules."""
    return number * 10, spark_session.__file__


def _refuse_3(number):
    if number == 3:
        raise errors.InputError("expected no 3, got %d" % number)
    return number


def _fail_5(number):
    if number == 5:
        raise KeyError("no row %d" % number)
    return number


def _wait_for_no_children():
    """Reaps what was orphaned to this process until nothing is left; SIGALRM ends a long wait."""
    signal.alarm(_CHILDREN_DEADLINE_SECS)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    finally:
        signal.alarm(0)


def test_partitions_are_mapped_in_order_by_our_modules_and_nothing_is_left(
    capfd, monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = {name: os.environ.get(name) for name in ("PYSPARK_PYTHON", "SPARK_LOCAL_IP")}
    with spark_session.open_session("local[2]", "test") as session:
        numbers = session.sparkContext.parallelize(range(8), 8)
        assert numbers.getNumPartitions() == 8
        made = numbers.map(_number_and_home).collect()
    assert [number for number, _ in made] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert {home for _, home in made} == {spark_session.__file__}
    _wait_for_no_children()
    assert os.listdir(str(tmp_path)) == []
    assert {name: os.environ.get(name) for name in before} == before
    assert capfd.readouterr() == ("", "")


def _open_and(do):
    """Runs `do` with a session's context."""
    with spark_session.open_session("local[2]", "test") as session:
        return do(session.sparkContext)


def _collect(function):
    """Runs `function` on 0 to 7, each in a partition of its own."""

    def do(context):
        with spark_session.input_errors():
            return context.parallelize(range(8), 8).map(function).collect()

    return do


@pytest.mark.parametrize(
    "function, error, want",
    [
        pytest.param(_refuse_3, errors.InputError, "^expected no 3, got 3$", id="input"),
        pytest.param(_fail_5, RuntimeError, "KeyError: 'no row 5'", id="other"),
    ],
)
def test_errors_of_tasks_keep_their_text_when_the_jvm_is_gone(function, error, want):
    with pytest.raises(error, match=want):
        _open_and(_collect(function))
    _wait_for_no_children()


def test_settings_of_the_user_and_the_caller_hold(monkeypatch, tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("spark.driver.extraJavaOptions -Dmine=1\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    conf = {"spark.default.parallelism": "3", "spark.driver.host": "localhost"}
    with spark_session.open_session("local[1]", "test", conf) as session:
        assert session.sparkContext._jvm.java.lang.System.getProperty("mine") == "1"
        assert session.sparkContext.parallelize(range(9)).getNumPartitions() == 3
        assert session.conf.get("spark.driver.host") == "localhost"


def _kill_jvm(context):
    context._gateway.proc.kill()
    context._gateway.proc.wait()


def test_a_jvm_that_died_is_named_and_the_next_session_works():
    with pytest.raises(RuntimeError, match="JVM to run to the end of the job, .* exit code -9"):
        _open_and(_kill_jvm)
    assert _open_and(_collect(int)) == [0, 1, 2, 3, 4, 5, 6, 7]
    _wait_for_no_children()


def test_spark_submit_runs_it(tmp_path):
    """Its JVM starts our process, not the other way round."""
    script = tmp_path / "job.py"
    script.write_text(
        "from data_pipeline import spark_session\n"
        'with spark_session.open_session("local[1]", "test") as session:\n'
        "    print('sum', session.sparkContext.parallelize(range(5)).sum())\n"
        "print('closed')\n"
    )
    env = dict(
        os.environ,
        PYSPARK_PYTHON=sys.executable,
        PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
        # Before our code can set them.
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_HOSTNAME="localhost",
    )
    submit = os.path.join(os.path.dirname(pyspark.__file__), "bin", "spark-submit")
    result = subprocess.run(
        [submit, "--master", "local[1]", str(script)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert result.returncode == 0, result.stderr
    # The JVM may write before.
    assert result.stdout.splitlines()[-2:] == ["sum 10", "closed"]


def test_a_refusal_of_the_jvm_is_one_line():
    with pytest.raises(errors.InputError) as caught, spark_session.open_session("local[x]", "test"):
        pass
    assert str(caught.value) == (
        "expected a Spark master that answers, and a Java of 8 to 17, got "
        "org.apache.spark.SparkException: Could not parse Master URL: 'local[x]': local[x]"
    )
    _wait_for_no_children()


@pytest.mark.parametrize("home", ["", "/no/java"])
def test_no_java_is_refused_with_one_line(home, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", home)
    where = "in JAVA_HOME=/no/java" if home else "on PATH, and JAVA_HOME is not set"
    want = "^expected a Java that Spark can run on, got none %s$" % where
    with pytest.raises(errors.InputError, match=want), spark_session.open_session("local", "test"):
        pass


def test_no_pyspark_is_refused_with_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    want = "^expected PySpark 3 .pip install pyspark, or spark-submit on a cluster., got: .*$"
    with pytest.raises(errors.InputError, match=want), spark_session.open_session("local", "test"):
        pass
