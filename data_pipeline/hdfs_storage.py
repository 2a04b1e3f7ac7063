"""HDFS, spoken to over WebHDFS.

Source: WebHDFS REST API of Hadoop 2.7. Storages keep nothing between calls, neither connections nor
threads, so that they can be pickled and used in forked processes.
"""

import contextlib
import errno
import functools
import getpass
import logging
import os
import posixpath
import re
import uuid
from typing import Any, BinaryIO, Callable, ContextManager, Iterator, List, Optional, cast
from urllib import parse

import hdfs
import requests  # type: ignore[import]
import urllib3

from data_pipeline import errors, hdfs_address, hdfs_errors, hdfs_upload, spnego, storage_api

# To connect, and to pass on a piece of a file: what HDFS's own clients wait, 60 s by
# dfs.client.socket-timeout. For an answer: longer, since a DataNode that has all of a file may have
# to replace another one first.
_TIMEOUT_SECS = (60, 180)

_FILE_MODE = "644"  # WebHDFS's own default is 755
_WHOLE_FILE = "to write a whole file"


def of(path: str) -> "HdfsStorage":
    """Returns the storage of a path, as the environment says.

    HADOOP_CONF_DIR leads to the NameNodes. HADOOP_DELEGATION_TOKEN says who asks; else the Kerberos
    ticket, where HDFS wants one (see spnego); else HADOOP_USER_NAME or the login name.
    REQUESTS_CA_BUNDLE replaces the known certificate authorities.

    Raises:
      InputError: No NameNode is found, or nobody who asks.
    """
    address = hdfs_address.of(path, os.environ.get("HADOOP_CONF_DIR"))
    token = os.environ.get("HADOOP_DELEGATION_TOKEN", "")
    user = "" if token else os.environ.get("HADOOP_USER_NAME") or _login_name(path)
    return HdfsStorage(address, user, token, os.environ.get("REQUESTS_CA_BUNDLE", ""))


class HdfsStorage(storage_api.Storage):
    """One HDFS, on behalf of one user.

    Args:
      address: Its NameNodes.
      user: Who asks, where the cluster takes one's word for it; unused with a token.
      token: Delegation token in URL-safe form; in no message and no log record.
      ca_bundle: File of certificate authorities; empty for those that requests knows.
    """

    def __init__(
        self, address: hdfs_address.Address, user: str, token: str = "", ca_bundle: str = ""
    ) -> None:
        self._address = address
        self._user = user
        self._token = token
        self._ca_bundle = ca_bundle

    def size(self, path: str) -> int:
        with self.client("a file", path) as client:
            return _length(client, self.path_in(path))

    def modified(self, path: str) -> float:
        with self.client("a file", path) as client:
            return client.status(self.path_in(path))["modificationTime"] / 1000.0

    def exists(self, path: str) -> bool:
        with self.client("to look for a file", path) as client:
            return bool(_kind(client, self.path_in(path)))

    def is_folder(self, path: str) -> bool:
        with self.client("to look for a folder", path) as client:
            return _kind(client, self.path_in(path)) == "DIRECTORY"

    def list(self, folder: str) -> List[str]:
        with self.client("a folder", folder) as client:
            return sorted(client.list(self.path_in(folder)))

    def open(self, path: str, start: int = 0, end: Optional[int] = None) -> BinaryIO:
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(self.client("a readable file", path))
            # HDFS refuses to read from a file's end, and a connection that is cut looks like one.
            size = _length(client, self.path_in(path))
            end = size if end is None else min(end, size)
            raw = None
            if start < end:
                read = client.read(self.path_in(path), offset=start, length=end - start)
                raw = stack.enter_context(read)
            refusals = functools.partial(self._refusals, "a readable file", path)
            reader = _HdfsReader(start, end, raw, refusals, stack.pop_all())
        return cast(BinaryIO, reader)

    @contextlib.contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        folder, name = posixpath.split(self.path_in(path))
        temporary = posixpath.join(folder, ".%s.%s" % (name, uuid.uuid4().hex))
        upload = None
        try:
            self._check_creation(path, temporary)
            upload = hdfs_upload.Upload(functools.partial(self._send, path, temporary))
            yield cast(BinaryIO, upload)
            upload.finish()
            self._publish(temporary, upload.size_bytes, path)
        except BaseException:
            if upload:
                # Not cut off: a DataNode that is still at it would make the file after its removal.
                upload.abort()
            with contextlib.suppress(errors.InputError), self.client(_WHOLE_FILE, path) as client:
                client.delete(temporary)
            raise

    def rename(self, source: str, target: str) -> None:
        with self.client("to move a file to " + target, source) as client:
            _rename(client, self.path_in(source), self.path_in(target))

    def make_folder(self, path: str) -> None:
        with self.client("a folder, or to make one", path) as client:
            client.makedirs(self.path_in(path))

    def remove(self, path: str) -> None:
        with self.client("to remove a file", path) as client:
            # HDFS would remove an empty folder as well.
            if _kind(client, self.path_in(path)) == "DIRECTORY":
                raise hdfs.HdfsError("a folder")
            client.delete(self.path_in(path))

    def remove_folder(self, path: str) -> None:
        with self.client("to remove a folder", path) as client:
            if _kind(client, self.path_in(path)) == "FILE":
                raise hdfs.HdfsError("a file")
            client.delete(self.path_in(path), recursive=True)

    def path_in(self, path: str) -> str:
        """Returns the path within HDFS of a URL. Raises InputError for one of another HDFS."""
        if not (path + "/").startswith(self._address.prefix + "/"):
            raise errors.InputError("expected a path in %s, got %s" % (self._address.prefix, path))
        return hdfs_address.path_of(path)

    def _check_creation(self, path: str, temporary: str) -> None:
        """Writes an empty file, and so finds out what HDFS would refuse.

        Who is refused in the middle of a long request often sees a cut connection, not the answer.
        """
        with self.client("a file to write", path) as client:
            if _kind(client, self.path_in(path)) == "DIRECTORY":
                raise hdfs.HdfsError("a folder")
            client.write(temporary, data=b"", permission=_FILE_MODE)

    def _send(self, path: str, temporary: str, chunks: Iterator[bytes]) -> None:
        with self.client(_WHOLE_FILE, path) as client:
            client.write(temporary, data=chunks, overwrite=True, permission=_FILE_MODE)

    def _publish(self, temporary: str, size: int, path: str) -> None:
        with self.client(_WHOLE_FILE, path) as client:
            arrived = _length(client, temporary)
            if arrived != size:
                raise hdfs.HdfsError("%d of %d bytes" % (arrived, size))
            _rename(client, temporary, self.path_in(path))

    @contextlib.contextmanager
    def client(self, expected: str, path: str) -> Iterator["_Client"]:
        """Yields a client for path_in(path); what goes wrong with it is an InputError."""
        with self._session() as session, self._refusals(expected, path):
            yield _Client(";".join(self._address.urls), timeout=_TIMEOUT_SECS, session=session)

    def _session(self) -> requests.Session:
        session = requests.Session()
        # Clusters are not behind the web's proxies, and no .netrc has their passwords.
        session.trust_env = False
        session.verify = self._ca_bundle or True
        self._authenticate(session)
        return session

    def _authenticate(self, session: requests.Session) -> None:
        """Makes a session say who asks."""
        if self._token:
            _keep_tokens_out_of_logs()
            session.params = {"delegation": self._token}
        else:
            session.params = {"user.name": self._user}
            session.hooks["response"].append(functools.partial(_negotiate, session))

    @contextlib.contextmanager
    def _refusals(self, expected: str, path: str) -> Iterator[None]:
        """Turns what HDFS, or the way to it, refuses into an InputError."""
        try:
            yield
        except spnego.KerberosError as e:
            raise errors.InputError("expected %s, got %s: %s" % (expected, e, path)) from e
        except (hdfs.HdfsError, KeyError, OSError, urllib3.exceptions.HTTPError) as e:
            got = hdfs_errors.reason(e)
            if self._token:
                got = got.replace(self._token, "***")
            # The cause is not shown: its text may hold a URL with a token in it.
            raise errors.InputError("expected %s, got %s: %s" % (expected, got, path)) from None


class _Client(hdfs.Client):
    """Takes paths as they are; the library would expand #LATEST in them."""

    def resolve(self, hdfs_path: str) -> str:
        return hdfs_path


class _HdfsReader(storage_api.Reader):
    """Reads what a request answers; `connection` is closed with it."""

    def __init__(
        self,
        start: int,
        end: int,
        raw: Any,
        refusals: Callable[[], ContextManager[None]],
        connection: contextlib.ExitStack,
    ) -> None:
        super().__init__(start, end)
        self._raw = raw
        self._refusals = refusals
        self._connection = connection

    def close(self) -> None:
        self._connection.close()
        super().close()

    def _fill(self, view: memoryview) -> int:
        with self._refusals():
            data = self._raw.read(len(view))
            if not data:
                raise ConnectionError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        view[: len(data)] = data
        return len(data)


def _negotiate(
    session: requests.Session, response: requests.Response, **kwargs: Any
) -> requests.Response:
    """Asks once more, with Kerberos, where HDFS wants it; then a cookie says who the session is.

    Only NameNodes want it; what they send on to a DataNode carries their word.
    """
    request = response.request
    asks = response.headers.get("WWW-Authenticate", "").partition(" ")[0] == "Negotiate"
    if response.status_code != 401 or not asks or "Authorization" in request.headers:
        return response
    # HDFS with Kerberos refuses who says another name than the ticket does, and needs none.
    session.params = {}
    parts = parse.urlsplit(request.url)
    query = [pair for pair in parse.parse_qsl(parts.query, True) if pair[0] != "user.name"]
    again = request.copy()
    again.url = parts._replace(query=parse.urlencode(query)).geturl()
    again.headers["Authorization"] = "Negotiate " + spnego.token(parts.hostname)
    response.close()
    # Below the session, which follows redirects, or not, as its caller wants.
    answer = response.connection.send(again, **kwargs)
    answer.request = again
    return answer


def _kind(client: _Client, path: str) -> str:
    """Returns FILE, DIRECTORY, or nothing if it is not there."""
    try:
        return client.status(path)["type"]
    except hdfs.HdfsError as e:
        if e.exception == "FileNotFoundException":
            return ""
        raise


def _length(client: _Client, path: str) -> int:
    status = client.status(path)
    if status["type"] != "FILE":
        raise hdfs.HdfsError("a folder")
    return status["length"]


def _rename(client: _Client, source: str, target: str) -> None:
    # The library's own rename() does not overwrite.
    client._rename(source, destination=target, renameoptions="OVERWRITE")


def _login_name(path: str) -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError) as e:
        raise errors.InputError("expected a user's name in HADOOP_USER_NAME: %s" % path) from e


class _WithoutTokens(logging.Filter):
    """urllib3 logs each URL, at level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\bdelegation=[^&\s\"]*", "delegation=***", record.getMessage())
        record.args = ()
        return True


_WITHOUT_TOKENS = _WithoutTokens()


def _keep_tokens_out_of_logs() -> None:
    # Once only, however often it is called.
    logging.getLogger("urllib3.connectionpool").addFilter(_WITHOUT_TOKENS)
