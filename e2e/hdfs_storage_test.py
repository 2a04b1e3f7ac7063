"""Files in a real HDFS, one NameNode and one DataNode, behave as files on a disk do."""

import gzip
import multiprocessing
import random
import re

import hdfs
import pytest

from data_pipeline import errors, storage
from third_party.hadoop import hdfs_cluster

_BLOCK = hdfs_cluster.BLOCK_BYTES
_SIZES = [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 3 * _BLOCK + 12345]


@pytest.fixture(scope="module", name="cluster")
def _cluster(tmp_path_factory):
    with hdfs_cluster.running(str(tmp_path_factory.mktemp("hdfs"))) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _as_alice(monkeypatch):
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    monkeypatch.delenv("HADOOP_DELEGATION_TOKEN", raising=False)


@pytest.fixture(name="folder")
def _folder(cluster, request):
    """A folder of alice's for one test."""
    return _make_folder(cluster, request)


def _make_folder(cluster, request, owner="alice", permission="755"):
    name = re.sub(r"\W", "_", request.node.name)
    client = _superuser(cluster)
    client.makedirs("/" + name)
    client.set_owner("/" + name, owner=owner)
    client.set_permission("/" + name, permission)
    return "webhdfs://%s/%s" % (cluster.http_address, name)


def _superuser(cluster):
    return hdfs.InsecureClient("http://" + cluster.http_address, user=hdfs_cluster.SUPERUSER)


def _bytes(size, seed=1):
    return random.Random(seed).getrandbits(8 * size or 1).to_bytes(size or 1, "big")[:size]


def _write(path, data, error=None):
    with storage.of(path).create(path) as file:
        file.write(data)
        if error:
            raise error


def _read(path, start=0, end=None):
    with storage.of(path).open(path, start, end) as file:
        return file.read()


def _names(folder):
    return storage.of(folder).list(folder)


@pytest.mark.parametrize("size", _SIZES)
def test_what_create_wrote_is_read_from_any_byte_to_any(folder, size):
    path, data = folder + "/f", _bytes(size)
    _write(path, data)
    assert storage.of(path).size(path) == size
    assert _read(path) == data
    rng = random.Random(size)
    edges = [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, size - 1, size, size + 1]
    for _ in range(12):
        start, end = (max(rng.choice([rng.randint(0, size)] + edges), 0) for _ in range(2))
        assert _read(path, start, end) == data[start:end], (start, end)


def test_pieces_of_all_sizes_arrive_in_order(folder):
    path, data, rng = folder + "/f", _bytes(3 * _BLOCK), random.Random(1)
    with storage.of(path).create(path) as file:
        while file.tell() < len(data):
            most = rng.choice([1, 1000, 100000, 2 * _BLOCK])
            file.write(memoryview(data)[file.tell() : file.tell() + rng.randint(0, most)])
    assert _read(path) == data


def test_reading_in_order(folder):
    path, data, got = folder + "/f", _bytes(2 * _BLOCK), []
    _write(path, data)
    buffer = bytearray(100000)
    with storage.of(path).open(path, 7) as file:
        count = file.readinto(buffer)
        while count:
            got.append(bytes(buffer[:count]))
            assert file.tell() == 7 + sum(map(len, got))
            count = file.readinto(buffer)
    assert b"".join(got) == data[7:]


def test_gzip_is_read_as_it_comes(folder):
    path, text = folder + "/f.gz", b"line\n" * 100000
    _write(path, gzip.compress(text))
    with storage.of(path).open(path) as file, gzip.GzipFile(fileobj=file) as plain:
        assert plain.read() == text


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("size", [0, 1, 20 * _BLOCK])
def test_what_is_not_finished_does_not_appear(folder, error, size):
    path = folder + "/f"
    _write(path, b"old")
    with pytest.raises(error):
        _write(path, bytes(size), error)
    assert (_read(path), _names(folder)) == (b"old", ["f"])


def test_until_the_end_the_bytes_are_in_a_hidden_file_of_the_same_folder(cluster, folder):
    path = folder + "/new/f"
    with storage.of(path).create(path) as file:
        file.write(b"x")
        (name,) = _names(folder + "/new")
        assert name.startswith(".f.")
    status = _superuser(cluster).status(path.partition(cluster.http_address)[2])
    assert (_names(folder + "/new"), status["permission"]) == (["f"], "644")
    assert storage.of(path).modified(path) == status["modificationTime"] / 1000.0


def test_rename_replaces(folder):
    old, new = folder + "/old", folder + "/new"
    _write(old, b"1")
    _write(new, b"2")
    storage.of(old).rename(old, new)
    assert (_read(new), _names(folder)) == (b"1", ["new"])


def test_folders(folder):
    at, inner = storage.of(folder), folder + "/a/b"
    at.make_folder(inner)
    at.make_folder(inner)
    names = ["#LATEST", ".1", "2 b", "c+d", "e#f?g=h&i", "ä中"]
    for name in names:
        _write(storage.join(inner, name), name.encode())
    assert at.list(inner) == names
    assert [_read(storage.join(inner, name)).decode() for name in names] == names
    assert at.is_folder(inner) and storage.exists(inner)
    assert not at.is_folder(storage.join(inner, ".1"))
    at.remove(storage.join(inner, ".1"))
    at.remove(storage.join(inner, ".1"))
    assert at.list(inner) == [name for name in names if name != ".1"]
    at.remove_folder(folder + "/a")
    at.remove_folder(folder + "/a")
    assert not storage.exists(folder + "/a") and at.list(folder) == []


def test_hdfs_urls_lead_through_the_configuration(cluster, folder, monkeypatch):
    _write(folder + "/f", b"x")
    monkeypatch.setenv("HADOOP_CONF_DIR", cluster.config_dir)
    path = folder.partition(cluster.http_address)[2] + "/f"
    assert _read("hdfs://%s%s" % (cluster.rpc_address, path)) == b"x"
    assert _read("hdfs://" + path) == b"x"


def test_storage_goes_to_other_processes(folder):
    paths = [folder + "/%d" % i for i in range(4)]
    at = storage.of(folder)
    for i, path in enumerate(paths):
        _write(path, bytes(i))
    assert at.size(paths[3]) == 3
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(at.size, paths) == [0, 1, 2, 3]
        pool.close()
        pool.join()


@pytest.mark.parametrize(
    "call, match",
    [
        pytest.param(lambda at, to: at.open(to + "/n"), "a readable file, got No such", id="open"),
        pytest.param(lambda at, to: at.open(to), "a readable file, got a folder", id="open_folder"),
        pytest.param(lambda at, to: at.size(to + "/n"), "a file, got No such file", id="size"),
        pytest.param(lambda at, to: at.size(to), "a file, got a folder", id="size_of_folder"),
        pytest.param(lambda at, to: at.modified(to + "/n"), "a file, got No such", id="modified"),
        pytest.param(lambda at, to: at.list(to + "/n"), "a folder, got No such file", id="list"),
        pytest.param(
            lambda at, to: at.list(to + "/f"), "a folder, got .* is not a", id="list_file"
        ),
        pytest.param(
            lambda at, to: at.rename(to + "/n", to + "/m"), "got rename source .* not", id="rename"
        ),
        pytest.param(
            lambda at, to: at.make_folder(to + "/f/x"), "to make one, got Permission", id="folder"
        ),
        pytest.param(lambda at, to: at.remove(to), "a file, got a folder", id="remove"),
        pytest.param(
            lambda at, to: at.remove_folder(to + "/f"), "a folder, got a file", id="remove_folder"
        ),
        pytest.param(lambda at, to: _write(to, b""), "to write, got a folder", id="create_folder"),
        pytest.param(lambda at, to: _write(to + "/f/x", b""), "write, got Permission", id="create"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_path(folder, call, match):
    _write(folder + "/f", b"")
    with pytest.raises(errors.InputError, match="^expected .*%s.*: %s" % (match, folder)) as caught:
        call(storage.of(folder), folder)
    assert "\n" not in str(caught.value)
    assert _names(folder) == ["f"]


def _list(at, folder):
    at.list(folder)


def _look(at, folder):
    at.exists(folder + "/f")


def _open(at, folder):
    at.open(folder + "/f")


def _create(at, folder):
    # More than a socket holds: the refusal must not drown in a cut connection.
    _write(folder + "/f", bytes(30 * _BLOCK))


@pytest.mark.parametrize("call", [_list, _look, _open, _create])
def test_permission_is_denied(cluster, request, call):
    folder = _make_folder(cluster, request, owner="bob", permission="700")
    match = "^expected .*, got Permission denied: user=alice, .*: " + folder
    with pytest.raises(errors.InputError, match=match):
        call(storage.of(folder), folder)
    client = _superuser(cluster)
    assert client.list(folder.partition(cluster.http_address)[2]) == []


@pytest.fixture(name="doomed")
def _doomed(tmp_path):
    """A cluster for one test, which kills it."""
    with hdfs_cluster.running(str(tmp_path)) as cluster:
        yield cluster


def test_killed_servers_are_refused_and_nothing_appears(doomed, request):
    folder = _make_folder(doomed, request)
    _write(folder + "/large", bytes(64 * _BLOCK))
    at = storage.of(folder)
    with at.open(folder + "/large") as reader:
        assert reader.read(1) == b"\0"
        with pytest.raises(errors.InputError, match="a whole file, got .*: %s/new$" % folder):
            _write_while(doomed.kill_datanode, folder + "/new")
        with pytest.raises(errors.InputError, match="a readable file, got .*: %s/large$" % folder):
            reader.read()
    assert at.list(folder) == ["large"]
    with pytest.raises(errors.InputError, match="got Connection refused: %s/new$" % folder):
        _write(folder + "/new", b"")
    doomed.kill_namenode()
    for call in (at.list, at.size, at.exists, at.open, at.make_folder, at.remove, at.remove_folder):
        with pytest.raises(errors.InputError, match="got Connection refused: %s$" % folder):
            call(folder)
    with pytest.raises(errors.InputError, match="got Connection refused: %s/new$" % folder):
        _write(folder + "/new", b"")


def _write_while(event, path):
    with storage.of(path).create(path) as file:
        file.write(bytes(2 * _BLOCK))
        event()
        for _ in range(64):  # more than sockets hold
            file.write(bytes(_BLOCK))
