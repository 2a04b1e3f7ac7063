"""Asks a running server for predictions of raw rows."""

import json
import urllib.error
import urllib.request
from typing import List

from data_pipeline import row_source
from launch import processes


def first_lines(spec: str, count: int) -> List[str]:
    """The first `count` rows of `spec`, as lines without their ends."""
    return row_source.of(row_source.find(spec)).head(count)


def post_rows(url: str, lines: List[str]) -> List[float]:
    """POSTs raw Criteo lines; returns one probability a line.

    Raises:
      ProcessError: The server refused, or its answer has another shape.
    """
    body = json.dumps({"rows": lines}).encode("utf-8")
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    # No proxy: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60.0) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as e:
        raise processes.ProcessError(
            "POST %s: HTTP %d %s" % (url, e.code, e.read().decode("utf-8", "replace"))
        ) from e
    predictions = answer.get("prediction")
    if not isinstance(predictions, list) or len(predictions) != len(lines):
        raise processes.ProcessError(
            "POST %s: expected %d predictions, got %r" % (url, len(lines), answer)
        )
    return [probability for (probability,) in predictions]
