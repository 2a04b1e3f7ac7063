"""`//data_pipeline:hdfs` and the code package's own keytab, with a real KDC and a real HDFS."""

import filecmp
import http.server
import os
import random
import re
import signal
import subprocess
import threading

import pytest

from e2e import programs, secured_hdfs
from launch import job

_FILE_BYTES = 24 << 20


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    with secured_hdfs.running(tmp_path_factory.mktemp("secured")) as hdfs:
        yield hdfs


@pytest.fixture(scope="module", name="large")
def _large(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "day_0.tsv"
    path.write_bytes(random.Random(1).getrandbits(8 * _FILE_BYTES).to_bytes(_FILE_BYTES, "big"))
    return path


@pytest.fixture(name="folder")
def _folder(hdfs, request):
    """URL of a folder for one test."""
    return hdfs.url("%s/%s" % (secured_hdfs.FOLDER, re.sub(r"\W", "_", request.node.name)))


def _check(result, code=0):
    assert result.returncode == code, result.stdout + result.stderr
    return result


def test_files_come_back_as_they_were(hdfs, folder, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    sizes = {"empty": 0, "one": 1, "sub/block": 1 << 20, "sub/more": (3 << 20) + 12345}
    for name, size in sizes.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(os.urandom(size))
    (source / ".hidden").write_text("")
    log_in = "--keytab=" + hdfs.keytab
    first = _check(hdfs.run("put", str(source), folder, log_in))
    assert "4 files copied, 0 were there already, 0 failed" in first.stdout
    again = _check(hdfs.run("put", str(source), folder, log_in))
    assert "0 files copied, 4 were there already, 0 failed; 0.0 MB" in again.stdout
    verified = _check(hdfs.run("verify", str(source), folder, log_in))
    assert verified.stdout == "4 files the same, 0 not\n"
    listed = _check(hdfs.run("ls", folder, log_in)).stdout.splitlines()
    assert [re.split(r" +", line)[:4] for line in listed[:2]] == [
        ["-", "644", "hadoop", "hadoop"],
        ["-", "644", "hadoop", "hadoop"],
    ]
    assert [line.split()[-1] for line in listed] == ["empty", "one", "sub"]
    _check(hdfs.run("get", folder, str(back), log_in))
    for name in sizes:
        assert filecmp.cmp(str(source / name), str(back / name), shallow=False)
    assert sorted(p.name for p in back.iterdir()) == ["empty", "one", "sub"]


def test_tickets_of_kinit_will_do(hdfs, folder, tmp_path):
    (tmp_path / "a").write_text("a")
    hdfs.kdc.kinit(
        hdfs.keytab, secured_hdfs.USER, hdfs.environment("kinit")["KRB5CCNAME"][len("FILE:") :]
    )
    _check(hdfs.run("put", str(tmp_path / "a"), folder, tickets="kinit"))


@pytest.mark.parametrize("name", ["package", "package.tar.gz", "package.zip"])
def test_code_package_logs_in_with_its_own_files(hdfs, tmp_path, name):
    package = str(tmp_path / name)
    command = [programs.binary("kerberos_pkg/assemble"), "--output=" + package]
    command += ["--emr_id=emr-1", "--keytab=" + hdfs.keytab, "--username=" + secured_hdfs.USER]
    subprocess.run(command, check=True)
    out = subprocess.run(
        [programs.binary("kerberos_pkg/check"), package, "--kinit"],
        env=hdfs.environment(),
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    ).stdout
    assert "emr-1: the KDC gave %s a ticket\n" % secured_hdfs.USER in out
    if name == "package":
        # As the platform does it.
        username = (tmp_path / name / "emr-1" / "username.txt").read_text()
        keytab = str(tmp_path / name / "emr-1" / "emr.keytab")
        hdfs.kdc.kinit(keytab, username, str(tmp_path / "cc"))


def test_file_that_differs_is_named(hdfs, folder, tmp_path):
    path = tmp_path / "a"
    path.write_text("first")
    log_in = "--keytab=" + hdfs.keytab
    _check(hdfs.run("put", str(path), folder, log_in))
    path.write_text("other")
    result = _check(hdfs.run("verify", str(path), folder, log_in), code=1)
    assert result.stdout == "0 files the same, 1 not\n"
    assert result.stderr == (
        "hdfs: error: expected the bytes of %s, got others: %s/a\n" % (path, folder)
    )
    _check(hdfs.run("put", str(path), folder, log_in))
    _check(hdfs.run("verify", str(path), folder, log_in))


def _stale(hdfs, tmp_path):
    path = hdfs.kdc.keytab(str(tmp_path / "stale.keytab"), "renewed")
    hdfs.kdc.keytab(str(tmp_path / "fresh.keytab"), "renewed")
    return ["--keytab=" + path]


def _truncated(hdfs, tmp_path):
    path = tmp_path / "truncated.keytab"
    with open(hdfs.keytab, "rb") as whole:
        path.write_bytes(whole.read()[:-10])
    return ["--keytab=%s" % path]


@pytest.mark.parametrize(
    "flags, message, code",
    [
        pytest.param(
            lambda hdfs, path: [], "No Kerberos credentials available .*kinit", 2, id="no_ticket"
        ),
        pytest.param(
            lambda hdfs, path: ["--keytab=" + hdfs.keytab, "--principal=hive"],
            "holds hadoop/172.0.1.5@EXAMPLE.COM, not hive",
            2,
            id="wrong_principal",
        ),
        pytest.param(_stale, "renewed@EXAMPLE.COM: .*(integrity|incorrect)", 2, id="stale_key"),
        pytest.param(_truncated, "keytab is truncated", 2, id="truncated_keytab"),
        pytest.param(
            lambda hdfs, path: ["--keytab=" + hdfs.strangers_keytab],
            "Permission denied: user=mallory, access=(READ|EXECUTE|READ_EXECUTE)",
            2,
            id="another_user",
        ),
    ],
)
def test_who_may_not_is_told_why(hdfs, tmp_path, flags, message, code):
    closed = hdfs.url(secured_hdfs.CLOSED)
    result = _check(hdfs.run("ls", closed, *flags(hdfs, tmp_path)), code)
    (line,) = result.stderr.splitlines()
    assert re.match("hdfs: error: .*" + message, line), line


def test_kdc_that_is_down_is_named(hdfs, folder):
    hdfs.kdc.stop()
    try:
        result = _check(hdfs.run("ls", folder, "--keytab=" + hdfs.keytab), code=2)
    finally:
        hdfs.kdc.start()
    assert "Cannot contact any KDC for realm 'EXAMPLE.COM'" in result.stderr


def test_server_that_is_no_namenode_is_named(hdfs):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            url = "webhdfs://127.0.0.1:%d/criteo" % web.server_port
            result = _check(hdfs.run("ls", url), code=2)
        finally:
            web.shutdown()
            thread.join()
    assert "got an answer that is not WebHDFS's: " + url in result.stderr


def test_second_namenode_answers_when_the_first_does_not(hdfs):
    url = "webhdfs://localhost:1,%s%s" % (hdfs.cluster.http_address, secured_hdfs.FOLDER)
    _check(hdfs.run("ls", url, "--keytab=" + hdfs.keytab))


def test_safe_mode_and_quota_are_named(hdfs, folder, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 5000)
    put = ["put", str(path), folder, "--keytab=" + hdfs.keytab]
    hdfs.admin("-safemode", "enter")
    try:
        assert "safe mode" in _check(hdfs.run(*put), code=2).stderr
    finally:
        hdfs.admin("-safemode", "leave")
    _check(hdfs.run(*put))
    inside = folder[len(hdfs.url("")) :]
    hdfs.admin("-setSpaceQuota", "6000", inside)
    path.write_bytes(b"y" * 5000)
    result = _check(hdfs.run(*put), code=1)
    assert re.search("(?i)quota", result.stderr), result.stderr


class Upload:
    """A put that is broken off; `part` is what has arrived of it."""

    def __init__(self, hdfs, source, folder):
        self._hdfs = hdfs
        self._arguments = ["put", str(source), folder, "--keytab=" + hdfs.keytab]
        self.target = "%s/%s" % (folder, source.name)
        self._part = "%s/.%s._COPYING_" % (folder, source.name)

    def arrived(self):
        files = self._hdfs.storage()
        return files.size(self._part) if files.exists(self._part) else 0

    def start_and_wait(self, count):
        """Returns the process once so many bytes have arrived, or it has ended."""
        process = self._hdfs.start(*self._arguments)
        assert job.wait_for(
            lambda: process.poll() is not None or self.arrived() >= count, deadline_secs=60
        )
        return process

    def finish(self):
        return _check(self._hdfs.run(*self._arguments))


def test_put_that_is_killed_ten_times_goes_on_where_it_was(hdfs, folder, large, tmp_path):
    upload = Upload(hdfs, large, folder)
    moments = sorted(random.Random(7).sample(range(_FILE_BYTES), 10))
    killed = 0
    for moment in moments:
        process = upload.start_and_wait(moment)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert killed >= 5  # the others were through
    upload.finish()
    _check(hdfs.run("get", upload.target, str(tmp_path), "--keytab=" + hdfs.keytab))
    assert filecmp.cmp(str(tmp_path / large.name), str(large), shallow=False)
    names = [
        line.split()[-1]
        for line in _check(hdfs.run("ls", folder, "--keytab=" + hdfs.keytab)).stdout.splitlines()
    ]
    assert names == [large.name]


def test_put_outlasts_the_loss_of_both_servers(hdfs, folder, large):
    upload = Upload(hdfs, large, folder)
    process = upload.start_and_wait(_FILE_BYTES // 4)
    hdfs.cluster.kill_datanode()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1 and err.startswith("hdfs: error: expected "), err
    assert len(err.splitlines()) == 1
    hdfs.cluster.kill_namenode()
    hdfs.cluster.start_namenode()
    hdfs.cluster.start_datanode()
    hdfs.cluster.wait()
    upload.finish()
    _check(hdfs.run("verify", str(large), folder, "--keytab=" + hdfs.keytab))
