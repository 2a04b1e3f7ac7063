"""Tests of answers that a healthy HDFS does not give; //e2e:hdfs_storage_test has a real one."""

import contextlib
import http.server
import json
import logging
import pickle
import threading
import urllib.parse

import pytest

from data_pipeline import errors, hdfs_address, hdfs_storage

_TOKEN = "KAAGaGFkb29w-_secret"
_STATUS = {"FileStatus": {"type": "FILE", "length": 5, "modificationTime": 1500}}


@contextlib.contextmanager
def _server(answer):
    """Yields an address where answer(operation, query) says (code, body, headers)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _do(self):
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            code, body, headers = answer(query.get("op"), query)
            self.send_response(code)
            for name, value in dict({"Content-Length": str(len(body))}, **headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = _do  # noqa: N815 (names of http.server)

        def log_message(self, *unused):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _storage(*urls, **kwargs):
    return hdfs_storage.HdfsStorage(hdfs_address.Address("hdfs://h", list(urls)), "me", **kwargs)


def _json(data, code=200):
    return code, json.dumps(data).encode(), {}


def _refusal(code, exception, message):
    return _json({"RemoteException": {"exception": exception, "message": message}}, code)


def test_user_is_named(monkeypatch):
    queries = []

    def answer(operation, query):
        queries.append(query)
        return _json(_STATUS)

    monkeypatch.delenv("HADOOP_DELEGATION_TOKEN", raising=False)
    monkeypatch.setenv("HADOOP_USER_NAME", "alice")
    with _server(answer) as url:
        path = url.replace("http", "webhdfs") + "/f"
        assert hdfs_storage.of(path).size(path) == 5
    assert queries == [{"op": "GETFILESTATUS", "user.name": "alice"}]


def test_token_is_sent_and_not_shown(monkeypatch, caplog):
    queries = []

    def answer(operation, query):
        queries.append(query)
        return _refusal(403, "InvalidToken", "token %s is expired\n\tat a.b.C" % _TOKEN)

    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HADOOP_DELEGATION_TOKEN", _TOKEN)
    with _server(answer) as url:
        path = url.replace("http", "webhdfs") + "/f"
        at = pickle.loads(pickle.dumps(hdfs_storage.of(path)))
        with pytest.raises(errors.InputError, match=r"got token \*\*\* is expired: web") as caught:
            at.size(path)
    assert queries == [{"op": "GETFILESTATUS", "delegation": _TOKEN}]
    with pytest.raises(errors.InputError, match="got Connection refused: webhdfs") as refused:
        at.size(path)
    assert "delegation=***" in caplog.text
    for text in (caplog.text, repr(at), str(caught.value), str(refused.value)):
        assert _TOKEN not in text
    for error in (caught.value, refused.value):
        # A traceback would show its URL.
        assert error.__cause__ is None and error.__suppress_context__


def test_proxies_and_netrc_are_not_for_hdfs(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with _server(lambda operation, query: _json(_STATUS)) as url:
        assert _storage(url).size("hdfs://h/f") == 5


def test_standby_sends_to_the_other_name_node():
    standby = _refusal(403, "StandbyException", "Operation category READ is not supported")
    with _server(lambda operation, query: standby) as first:
        with _server(lambda operation, query: _json(_STATUS)) as second:
            assert _storage(first, second).modified("hdfs://h/f") == 1.5
        with pytest.raises(errors.InputError, match="a file, got .*: hdfs://h/f"):
            _storage(first, second).modified("hdfs://h/f")


@pytest.mark.parametrize(
    "answer, match",
    [
        pytest.param((404, b"<html>", {}), "an answer that is not WebHDFS's", id="html_error"),
        pytest.param((200, b"<html>", {}), "an answer that is not WebHDFS's", id="html"),
        pytest.param(_json({}), "an answer that is not WebHDFS's", id="json"),
        pytest.param(_json({}, 500), "an answer that is not WebHDFS's", id="json_error"),
        pytest.param((401, b"", {}), "Authentication failure", id="unauthenticated"),
        pytest.param(
            _refusal(403, "AccessControlException", "Permission denied: user=me\n\tat a.b.C"),
            "Permission denied: user=me",
            id="denied",
        ),
        pytest.param(_refusal(403, "IOException", ""), "IOException", id="no_message"),
    ],
)
def test_other_answers_are_refused_in_one_line(answer, match):
    line = "^expected a file, got %s.*: hdfs://h/f$" % match
    server, refused = _server(lambda *unused: answer), pytest.raises(errors.InputError, match=line)
    with server as url, refused as caught:
        _storage(url).size("hdfs://h/f")
    assert "\n" not in str(caught.value)


def test_file_that_ends_early_is_refused():
    def answer(operation, query):
        if operation == "OPEN":
            assert (query["offset"], query["length"]) == ("1", "4")
            return 200, b"ab", {"Content-Length": "4"}
        return _json(_STATUS)

    with _server(answer) as url, _storage(url).open("hdfs://h/f", 1) as file:
        assert file.read(2) == b"ab"
        with pytest.raises(errors.InputError, match="got Connection reset by peer: hdfs://h/f"):
            file.read()


def test_upload_that_arrives_in_part_is_not_published():
    operations = []

    def answer(operation, query):
        operations.append(operation)
        if operation == "CREATE":
            return 307, b"", {"Location": url + "/data"}
        if operation == "GETFILESTATUS" and operations.count(operation) == 1:
            return _refusal(404, "FileNotFoundException", "File does not exist: /f")
        return _json(_STATUS)

    refused = pytest.raises(errors.InputError, match="a whole file, got 5 of 0 bytes: hdfs://h/f")
    with _server(answer) as url, refused, _storage(url).create("hdfs://h/f"):
        pass
    assert "RENAME" not in operations and operations[-1] == "DELETE"


def test_path_of_another_hdfs_is_refused():
    with pytest.raises(
        errors.InputError, match="^expected a path in hdfs://h, got hdfs://other/f$"
    ):
        _storage("http://127.0.0.1:1").rename("hdfs://h/f", "hdfs://other/f")
