"""What went wrong with HDFS, or on the way to it, in a few words."""

import errno
import os
import re
import socket
from typing import Iterator, Optional

import hdfs

_NO_SUCH_FILE = os.strerror(errno.ENOENT)
_NOT_WEBHDFS = "an answer that is not WebHDFS's"


def reason(error: BaseException) -> str:
    """Returns what went wrong in a few words, without the URL that was asked.

    Args:
      error: Of hdfs, requests or urllib3; a KeyError where its JSON was of another service.
    """
    if isinstance(error, hdfs.HdfsError):
        return _answer(error)
    if isinstance(error, (KeyError, ValueError)):
        return _NOT_WEBHDFS
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    if any(isinstance(cause, socket.timeout) for cause in causes):
        return "no answer in time"
    return "a cut connection"


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _answer(error: hdfs.HdfsError) -> str:
    if not isinstance(error.message, str):
        return _NOT_WEBHDFS
    # A stack trace may follow.
    message = error.message.partition("\n")[0].strip().rstrip(".")
    if re.match(r"File (does not exist|/.* (not found|does not exist))", message):
        return _NO_SUCH_FILE
    return message or str(error.exception)
