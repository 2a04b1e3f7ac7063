"""What went wrong with HDFS, or on the way to it, in a few words."""

import errno
import os
import re
from typing import Optional

import hdfs
import requests  # type: ignore[import]
import urllib3

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
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    cause: Optional[BaseException] = error
    while cause:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "a cut connection"


def _answer(error: hdfs.HdfsError) -> str:
    if not isinstance(error.message, str):
        return _NOT_WEBHDFS
    # A stack trace may follow.
    message = error.message.partition("\n")[0].strip().rstrip(".")
    if re.match(r"File (does not exist|/.* (not found|does not exist))", message):
        return _NO_SUCH_FILE
    return message or str(error.exception)
