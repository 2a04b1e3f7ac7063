"""Tests of what is said about connections that do not work; answers are in hdfs_storage_test.py."""

import contextlib
import socket

import pytest
import requests

from data_pipeline import hdfs_errors


@contextlib.contextmanager
def _silent_server():
    """Yields a URL where connections are taken and nothing is said."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield "http://127.0.0.1:%d/?delegation=secret" % server.getsockname()[1]


def _reason(url, timeout):
    with requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.RequestException) as caught:
            session.get(url, timeout=timeout)
    return hdfs_errors.reason(caught.value)


def test_silence():
    with _silent_server() as url:
        assert _reason(url, timeout=(10, 0.01)) == "no answer in time"


def test_nobody_listens():
    with _silent_server() as url:
        pass
    assert _reason(url, timeout=10) == "Connection refused"


def test_no_tls():
    with _silent_server() as url:
        assert _reason("https" + url[4:], timeout=0.01) == "no answer in time"


def test_error_without_a_reason():
    assert hdfs_errors.reason(requests.ConnectionError("/?delegation=secret")) == "a cut connection"
