"""Row blocks from text in a real HDFS to a real HDFS, on this machine's cores and on Spark."""

import hashlib

import hdfs
import pytest

from data_pipeline import (
    decode,
    encode,
    errors,
    generator,
    local_engine,
    manifest,
    spark_engine,
    split,
    storage,
    text,
    verify,
)
from third_party.hadoop import hdfs_cluster


def _quiet(line):
    del line


@pytest.fixture(scope="module", name="cluster")
def _cluster(tmp_path_factory):
    with hdfs_cluster.running(str(tmp_path_factory.mktemp("hdfs"))) as cluster:
        superuser = hdfs.InsecureClient(
            "http://" + cluster.http_address, user=hdfs_cluster.SUPERUSER
        )
        superuser.makedirs("/criteo")
        superuser.set_owner("/criteo", owner="alice")
        yield cluster


@pytest.fixture(autouse=True)
def _as_alice(cluster, monkeypatch):
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    monkeypatch.setenv("HADOOP_CONF_DIR", cluster.config_dir)


_ROWS, _ = generator.Generator(3).rows(0, 9000)
_LINES = text.format(_ROWS).splitlines(True)


@pytest.fixture(name="raw")
def _raw(cluster, request):
    """A folder in HDFS with two files of rows; three lines are malformed."""
    folder = "hdfs://%s/criteo/%s" % (cluster.rpc_address, request.node.name)
    storage.of(folder).make_folder(folder + "/raw")
    for name, data in _files().items():
        path = "%s/raw/%s" % (folder, name)
        with storage.of(path).create(path) as file:
            file.write(data)
    return folder


def _files():
    first = b"".join(_LINES[:6000]) + b"bad\n" + b"worse\r\n"
    return {"a.tsv": first, "b.tsv": b"\xff\n" + b"".join(_LINES[6000:])[:-1]}


def _encode(inputs, output, engine):
    return encode.run([inputs], output, engine, _quiet, 0.01, piece_bytes=200_000)


def _digests(folder):
    at, digests = storage.of(folder), {}
    for name in at.list(folder):
        if manifest.is_shard_name(name):
            with at.open(storage.join(folder, name)) as file:
                digests[name] = hashlib.sha256(file.read()).hexdigest()
    return digests


def _encoded_locally(tmp_path):
    (tmp_path / "raw").mkdir()
    for name, data in _files().items():
        (tmp_path / "raw" / name).write_bytes(data)
    _encode(str(tmp_path / "raw"), str(tmp_path / "blocks"), local_engine.Engine(2))
    return _digests(str(tmp_path / "blocks"))


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(local_engine.Engine(2), id="local"),
        pytest.param(spark_engine.Engine("local[2]"), id="spark"),
    ],
)
def test_hdfs_gets_the_bytes_that_a_disk_gets(raw, tmp_path, engine):
    made = _encode(raw + "/raw", raw + "/blocks", engine)
    assert (made.rows, made.lines) == (9000, 9003)
    digests = _digests(raw + "/blocks")
    assert len(digests) > 8
    assert digests == _encoded_locally(tmp_path)
    assert verify.run(raw + "/blocks", 2, _quiet) == []
    names = [name for name in storage.of(raw).list(raw + "/blocks") if name not in digests]
    assert names == [".encode.json", "manifest.json", "rejects.jsonl"]


def test_decode_and_split_read_and_write_hdfs(raw, tmp_path):
    _encode(raw + "/raw", raw + "/blocks", local_engine.Engine(2))
    decode.run(raw + "/blocks", str(tmp_path / "back"), 2, _quiet)
    assert (tmp_path / "back").read_bytes() == b"".join(_LINES)[:-1]
    decode.run(raw + "/blocks", raw + "/text/", 2, _quiet)
    assert storage.of(raw).list(raw + "/text") == ["a.tsv", "b.tsv"]
    parts = split.run(raw + "/blocks", raw, split.Rule(split.BY_TIME, 0.1), 2, _quiet)
    assert [part.rows for part in parts] == [8100, 900]


def test_the_same_command_again_goes_on_and_then_does_nothing(raw):
    at = storage.of(raw)
    made = _encode(raw + "/raw", raw + "/blocks", local_engine.Engine(2))
    lines = []
    arguments = [raw + "/raw"], raw + "/blocks", local_engine.Engine(2), lines.append, 0.01, 200_000
    assert encode.run(*arguments) == made
    assert lines == ["%s/blocks: complete already" % raw]
    at.remove(raw + "/blocks/manifest.json")
    assert encode.run(*arguments) == made


def test_another_user_may_not_write_there(raw, monkeypatch):
    monkeypatch.setenv("HADOOP_USER_NAME", "mallory")
    with pytest.raises(errors.InputError, match="Permission denied|permission"):
        _encode(raw + "/raw", raw + "/blocks", local_engine.Engine(2))
