"""A Spark session whose executors can run this package, and which leaves nothing behind.

Source: Spark's configuration page, 3.0 to 3.4; PySpark's java_gateway.py.
"""

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
import zipfile
from typing import Any, Dict, Iterator

from data_pipeline import errors

# In a Python executor's working folder, where Spark unpacks the archive.
_ARCHIVE_FOLDER = "criteo_sources"

_PACKAGE = "data_pipeline"
_EPOCH = (1980, 1, 1, 0, 0, 0)

_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %m%n%ex{none}
"""

_REASON = re.compile(r"InputError: (.*)")


@contextlib.contextmanager
def open_session(master: str, name: str) -> Iterator[Any]:
    """Yields a SparkSession; at the end Spark and its JVM are gone.

    Args:
      master: Spark's master URL.
      name: Of the application.

    Raises:
      InputError: There is no PySpark, no Java, or no such master.
    """
    sql = _pyspark_sql()
    _check_java()
    local = master.startswith("local")
    folder = tempfile.mkdtemp(prefix="criteo_spark_")
    try:
        with _environment(_variables(local)):
            options = _quiet_options(folder)
            options.update(_local_options(folder) if local else {})
            if not _in_one_process(master):
                options.update(_shipping_options(folder, local))
            builder = sql.SparkSession.builder.master(master).appName(name)
            for key, value in options.items():
                builder = builder.config(key, value)
            try:
                session = builder.getOrCreate()
            except Exception as e:  # whatever the JVM says, its first line is for people
                _end_jvm()
                first = str(e).strip().splitlines()[0]
                raise errors.InputError(
                    "expected a Spark master that answers, got %s: %s" % (first, master)
                ) from e
            try:
                yield session
            finally:
                session.stop()
                _end_jvm()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Turns the failure of a Spark job by an InputError of a task into that InputError."""
    try:
        yield
    except Exception as e:
        reason = _REASON.search(str(e))
        if not reason:
            raise
        raise errors.InputError(reason.group(1)) from e


def source_archive() -> bytes:
    """Returns this package's modules and native libraries as a zip; the same files, same bytes."""
    folder = os.path.dirname(os.path.abspath(__file__))
    names = [name for name in sorted(os.listdir(folder)) if _is_shipped(name)]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        # A regular package wins over any other of the same name.
        target.writestr(zipfile.ZipInfo(_PACKAGE + "/__init__.py", _EPOCH), b"")
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                target.writestr(zipfile.ZipInfo("%s/%s" % (_PACKAGE, name), _EPOCH), file.read())
    return archive.getvalue()


def _is_shipped(name: str) -> bool:
    if name == "__init__.py" or name.endswith("_test.py"):
        return False
    return name.endswith((".py", ".so"))


def _pyspark_sql() -> Any:
    try:
        from pyspark import sql
    except ImportError as e:
        raise errors.InputError(
            "expected PySpark 3 (pip install pyspark, or spark-submit on a cluster), got: %s" % e
        ) from e
    return sql


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home and os.access(os.path.join(home, "bin", "java"), os.X_OK):
        return
    if home or not shutil.which("java"):
        raise errors.InputError(
            "expected a Java that Spark can run on, got none %s"
            % ("in JAVA_HOME=%s" % home if home else "on PATH, and JAVA_HOME is not set")
        )


def _variables(local: bool) -> Dict[str, str]:
    """What the JVM, and Python workers of a local one, take from the environment."""
    variables = {"PYSPARK_PYTHON": sys.executable}
    if local:
        # Also where the machine's own name cannot be resolved.
        variables.update(
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_HOSTNAME="localhost",
            PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
        )
    else:
        # A cluster has its own interpreter; what the user has set stays.
        variables["PYSPARK_PYTHON"] = os.environ.get("PYSPARK_PYTHON", "python3")
    return variables


def _quiet_options(folder: str) -> Dict[str, str]:
    """Only what goes wrong is shown; progress is the engine's."""
    path = os.path.join(folder, "log4j2.properties")
    with open(path, "w") as file:
        file.write(_LOGGING)
    return {
        "spark.driver.extraJavaOptions": "-Dlog4j2.configurationFile=file:" + path,
        "spark.ui.showConsoleProgress": "false",
    }


def _local_options(folder: str) -> Dict[str, str]:
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": os.path.join(folder, "warehouse"),
        "spark.ui.enabled": "false",
    }


def _in_one_process(master: str) -> bool:
    """Whether driver and executors are one JVM: not "local-cluster[2,1,1024]"."""
    return master == "local" or master.startswith("local[")


def _shipping_options(folder: str, local: bool) -> Dict[str, str]:
    """Sends the sources to executors that do not share this process's files."""
    path = os.path.join(folder, _ARCHIVE_FOLDER + ".zip")
    with open(path, "wb") as file:
        file.write(source_archive())
    # Executors on this machine need this interpreter's packages; a cluster has its own.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    others = [entry for entry in sys.path if entry and os.path.abspath(entry) != root]
    others = others if local else []
    return {
        # Spark 3.0 knows it for YARN only, under the other name.
        "spark.archives": "%s#%s" % (path, _ARCHIVE_FOLDER),
        "spark.yarn.dist.archives": "%s#%s" % (path, _ARCHIVE_FOLDER),
        "spark.executorEnv.PYTHONPATH": os.pathsep.join([_ARCHIVE_FOLDER] + others),
    }


@contextlib.contextmanager
def _environment(variables: Dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_jvm() -> None:
    """Ends the JVM that PySpark started, which otherwise lives as long as this process."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None:
        return
    gateway.shutdown()
    # It ends when its standard input does.
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None
