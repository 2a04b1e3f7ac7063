"""Tests of the Spark engine with a real Spark, in its local modes."""

import hashlib
import os
import zipfile

import pyspark
import pytest

from data_pipeline import (
    encode,
    errors,
    generator,
    local_engine,
    manifest,
    spark_engine,
    spark_session,
    text,
)


def _quiet(line):
    del line


@pytest.fixture(name="paths")
def _paths(tmp_path):
    """Files of rows and some malformed lines; the second has no newline at its end."""
    rows, _ = generator.Generator(5).rows(0, 9000)
    data = text.format(rows).splitlines(True)
    (tmp_path / "a").write_bytes(b"".join(data[:5000]) + b"bad\n" + b"".join(data[5000:]))
    (tmp_path / "b").write_bytes(b"worse\r\n" + b"".join(data[:700])[:-1])
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def _encode(paths, folder, engine, piece_bytes=200_000):
    return encode.run(paths, str(folder), engine, _quiet, 0.01, piece_bytes)


def _digests(folder):
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in os.listdir(str(folder))
        if name[0] not in "._"
    }


def test_spark_writes_the_same_bytes(paths, tmp_path):
    made = _encode(paths, tmp_path / "spark", spark_engine.Engine("local[2]"))
    _encode(paths, tmp_path / "local", local_engine.Engine(2))
    assert made.rows == 9700 and len(made.shards) > 8
    assert _digests(tmp_path / "spark") == _digests(tmp_path / "local")


def test_executors_of_their_own_get_the_sources(paths, tmp_path, monkeypatch):
    """Executors are processes that share nothing with this one but the disk."""
    # Their working folders lie in Spark's own, which cannot be written here.
    home = tmp_path / "home"
    home.mkdir()
    installed = os.path.dirname(pyspark.__file__)
    for name in os.listdir(installed):
        (home / name).symlink_to(os.path.join(installed, name))
    monkeypatch.setenv("SPARK_HOME", str(home))
    engine = spark_engine.Engine("local-cluster[2,1,1024]")
    _encode(paths, tmp_path / "spark", engine)
    _encode(paths, tmp_path / "local", local_engine.Engine(2))
    assert _digests(tmp_path / "spark") == _digests(tmp_path / "local")


def test_the_error_of_a_task_is_the_users(paths, tmp_path):
    job = encode.Job([], str(tmp_path), 1, 1.0, 1, _quiet)
    found = encode.sources.find(paths)
    os.remove(paths[0])
    job = job._replace(tasks=encode.sources.tasks(found, 1 << 20))
    os.makedirs(str(tmp_path / "_work"))
    with pytest.raises(errors.InputError, match="expected a readable file, got No such .*: .*/a$"):
        spark_engine.Engine("local[1]")(job)
    assert not (tmp_path / manifest.NAME).exists()


def test_too_many_rejects_are_refused(paths, tmp_path):
    with pytest.raises(errors.InputError, match=r"at most 0 % malformed lines, got 2 of the 9702"):
        encode.run(paths, str(tmp_path / "o"), spark_engine.Engine("local[1]"), _quiet, 0.0)


def test_an_unknown_master_is_refused_with_one_line():
    with pytest.raises(errors.InputError, match="expected a Spark master that answers.*: nowhere$"):
        spark_engine.Engine("nowhere")(encode.Job([], "", 1, 1.0, 1, _quiet))


def test_the_archive_is_the_same_each_time_and_holds_no_test(tmp_path):
    archive = spark_session.source_archive()
    assert archive == spark_session.source_archive()
    (tmp_path / "a.zip").write_bytes(archive)
    names = zipfile.ZipFile(str(tmp_path / "a.zip")).namelist()
    assert {"data_pipeline/encoder.py", "data_pipeline/criteo_kernel.so"} <= set(names)
    assert [name for name in names if name.endswith("_test.py")] == []
