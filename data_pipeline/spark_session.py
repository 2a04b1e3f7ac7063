"""A Spark session whose executors can run this package, and which leaves nothing behind.

Source: Spark's configuration page, 3.0 to 3.4; PySpark's java_gateway.py.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from typing import Any, Dict, Iterator, List, Mapping, Optional

from data_pipeline import errors

# In a Python executor's working folder, where Spark unpacks the archive.
_ARCHIVE_FOLDER = "criteo_sources"

_PACKAGE = "data_pipeline"
_EPOCH = (1980, 1, 1, 0, 0, 0)

# Log4j 2 of Spark 3.3 and later, then Log4j 1 of those before; each leaves the other's lines alone.
# Without a level for the gateway, Spark takes the root's up to WARN and says so.
_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %m%n%ex{none}
log4j.rootLogger = ERROR, stderr
log4j.logger.org.apache.spark.api.python.PythonGatewayServer = ERROR
log4j.appender.stderr = org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target = System.err
log4j.appender.stderr.layout = org.apache.log4j.EnhancedPatternLayout
log4j.appender.stderr.layout.ConversionPattern = spark: %m%n%throwable{none}
"""

# Its file in /tmp can be that of the same pid in another container: a warning on stdout.
_JAVA_OPTION = "-XX:-UsePerfData"

_REASON = re.compile(r"InputError: (.*)")


@contextlib.contextmanager
def open_session(master: str, name: str, conf: Optional[Mapping[str, str]] = None) -> Iterator[Any]:
    """Yields a SparkSession; at the end Spark is gone, and the JVM if it was started here.

    Args:
      master: Spark's master URL.
      name: Of the application.
      conf: More of Spark's settings; they win over those made here.

    Raises:
      InputError: There is no PySpark, no Java that it runs on, or no such master.
      RuntimeError: A job failed; the text is what Spark says, the task's own error in it. Or the
        JVM ended before the block did.
    """
    sql = _pyspark_sql()
    _check_java()
    folder = tempfile.mkdtemp(prefix="criteo_spark_")
    try:
        options = _options(master, folder)
        options.update(conf or {})
        with _environment(_variables(_is_local(master), folder)), _jvm_ended():
            session = _start(sql.SparkSession.builder.master(master).appName(name), options, master)
            try:
                with _texts_kept():
                    yield session
            finally:
                _stop(session)
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
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return  # spark-submit's JVM started this process
    home = os.environ.get("JAVA_HOME")
    if home and os.access(os.path.join(home, "bin", "java"), os.X_OK):
        return
    if home or not shutil.which("java"):
        raise errors.InputError(
            "expected a Java that Spark can run on, got none %s"
            % ("in JAVA_HOME=%s" % home if home else "on PATH, and JAVA_HOME is not set")
        )


def _start(builder: Any, options: Mapping[str, str], master: str) -> Any:
    for key, value in options.items():
        builder = builder.config(key, value)
    try:
        # 3.4 warns each time that Python 3.7 is old, past filters; a list nobody reads gets it.
        with warnings.catch_warnings(record=True):
            return builder.getOrCreate()
    except Exception as e:  # whatever the JVM says, one line of it is for people
        # From None, since the cause has no text once its JVM is gone.
        raise errors.InputError(
            "expected a Spark master that answers, and a Java of 8 to 17, got %s: %s"
            % (_first_line(e), master)
        ) from None


def _first_line(error: Exception) -> str:
    """What the JVM says: after ": ", where Py4J's line of which call failed goes before it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line[2:] for line in lines if line.startswith(": ")), lines[0])


@contextlib.contextmanager
def _texts_kept() -> Iterator[None]:
    """Reads the text of an error of the JVM while it is there to tell it."""
    from py4j import protocol

    try:
        yield
    except protocol.Py4JJavaError as e:
        raise RuntimeError(str(e)).with_traceback(e.__traceback__) from None


def _stop(session: Any) -> None:
    context = session.sparkContext
    process = context._gateway.proc
    if process is not None and process.poll() is not None:
        # Without the JVM's half there is only PySpark's to stop, or the next session would get it.
        context._jsc = None
        context.stop()
        raise RuntimeError(
            "expected Spark's JVM to run to the end of the job, it ended with exit code %d"
            % process.returncode
        )
    session.stop()


def _variables(local: bool, folder: str) -> Dict[str, str]:
    """What the JVM, and Python workers of a local one, take from the environment."""
    variables = {
        "SPARK_LAUNCHER_OPTS": _added("SPARK_LAUNCHER_OPTS", _JAVA_OPTION),
        # Not spark.driver.extraJavaOptions, which the user may have set for the cluster.
        "SPARK_SUBMIT_OPTS": _added("SPARK_SUBMIT_OPTS", _JAVA_OPTION, *_logging_options(folder)),
    }
    if local:
        variables.update(
            PYSPARK_PYTHON=sys.executable,
            # Also where the machine's own name cannot be resolved.
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_HOSTNAME="localhost",
            PYTHONPATH=os.pathsep.join(path for path in sys.path if path),
        )
    else:
        # A cluster has its own interpreter; what the user has set stays.
        variables["PYSPARK_PYTHON"] = os.environ.get("PYSPARK_PYTHON", "python3")
    return variables


def _added(name: str, *options: str) -> str:
    return " ".join([os.environ.get(name, "")] + list(options)).strip()


def _logging_options(folder: str) -> List[str]:
    """Only what goes wrong is shown; progress is the engine's."""
    path = pathlib.Path(folder, "log4j.properties")
    path.write_text(_LOGGING)
    place = path.as_uri()
    return ["-Dlog4j2.configurationFile=" + place, "-Dlog4j.configuration=" + place]


def _is_local(master: str) -> bool:
    return master.startswith("local")


def _options(master: str, folder: str) -> Dict[str, str]:
    local = _is_local(master)
    options = {"spark.ui.showConsoleProgress": "false"}
    options.update(_local_options(folder) if local else {})
    if not _in_one_process(master):
        options.update(_shipping_options(folder, local))
    return options


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


@contextlib.contextmanager
def _jvm_ended() -> Iterator[None]:
    """After the block, ends the JVM that PySpark started: it lives as long as this process else."""
    from pyspark import SparkContext

    try:
        yield
    finally:
        gateway = SparkContext._gateway
        # The JVM that spark-submit runs this process from has no process here, and lives on.
        if gateway is not None and gateway.proc is not None:
            gateway.shutdown()
            # It ends when its standard input does.
            gateway.proc.stdin.close()
            gateway.proc.wait()
            SparkContext._gateway = SparkContext._jvm = None
