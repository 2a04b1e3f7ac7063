"""What a scorer sends, and what it makes of what comes back."""

import contextlib
import http.server
import json
import threading

import numpy as np
import pytest

from data_pipeline import generator
from data_pipeline import rows as rows_lib
from serving import load_plan, model_service, server_scoring

_ROWS, _ = generator.Generator(3).rows(0, 5)
_GOOD = (200, {"auc": None, "prediction": [[0.1], [0.25], [0.5], [1.0], [0.0]]})
_BUSY = (503, {"error": "busy"})


class Server:
    """Gives answers in order, the last one again and again; None closes the connection."""

    def __init__(self, answers):
        self.bodies = []
        self.connections = set()
        self.lock = threading.Lock()
        self._answers = list(answers)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802  # the base class's name
                body = self.rfile.read(int(self.headers["content-length"]))
                server.answer(self, body)

            def log_message(self, *args):
                """Nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, handler, body):
        with self.lock:
            self.bodies.append(body)
            self.connections.add(handler.client_address)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            handler.close_connection = True
            return
        status, content = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@contextlib.contextmanager
def serving(*answers):
    server = Server(answers)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()


def scorer_of(server, pauses=None, timeout_secs=30.0):
    target = load_plan.Target("127.0.0.1", server.http.server_port, "/v1/models/m:predict")
    sleep = (pauses if pauses is not None else []).append
    return server_scoring.ServerScorer(target, timeout_secs, sleep)


def test_body_is_the_rows_without_labels():
    body = json.loads(server_scoring.request_body(_ROWS))
    assert list(body) == ["rows"]
    want = model_service.DeepFMService().preprocess(body)
    assert want["labels"] is None
    assert want["dense_shape"].tolist() == [5, 39, 1]
    assert len(want["values"]) == (~_ROWS.missing).sum()


def test_body_of_empty_cells_and_of_no_rows():
    assert json.loads(server_scoring.request_body(rows_lib.empty(2))) == {"rows": ["\t" * 38] * 2}
    assert json.loads(server_scoring.request_body(rows_lib.empty())) == {"rows": []}


def test_probabilities_are_float32_and_the_connection_is_kept():
    with serving(_GOOD) as server:
        scorer = scorer_of(server)
        for _ in range(3):
            scores = scorer.score(_ROWS)
            assert scores.dtype == np.float32
            assert scores.tolist() == [np.float32(0.1), 0.25, 0.5, 1.0, 0.0]
    assert server.bodies == [server_scoring.request_body(_ROWS)] * 3
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([_BUSY, _BUSY, _GOOD], id="busy"),
        pytest.param([None, None, _GOOD], id="closed"),
    ],
)
def test_a_server_that_is_busy_or_away_is_asked_again(answers):
    pauses = []
    with serving(*answers) as server:
        assert len(scorer_of(server, pauses).score(_ROWS)) == 5
    assert pauses == [0.2, 0.4]


def test_a_server_that_stays_busy_is_an_error():
    pauses = []
    with serving(_BUSY) as server, pytest.raises(
        server_scoring.ScoringError, match=r"got 503: busy \(6 tries\)"
    ):
        scorer_of(server, pauses).score(_ROWS)
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_a_server_that_is_not_there_is_an_error():
    pauses = []
    with serving(_GOOD) as server:
        scorer = scorer_of(server, pauses)
    with pytest.raises(server_scoring.ScoringError, match="Connection refused .6 tries."):
        scorer.score(_ROWS)
    assert len(pauses) == 5


@pytest.mark.parametrize(
    "answer, message",
    [
        pytest.param((400, {"error": "rows: no"}), "m:predict, got 400: rows: no$", id="refusal"),
        pytest.param(
            (413, {"error": "large"}), "413: large; try a smaller --batch_size", id="size"
        ),
        pytest.param((500, b"<html>"), "500: b'<html>'", id="html"),
        pytest.param((200, b"{"), "an answer without: b'{'", id="no_json"),
        pytest.param((200, {"auc": None}), "an answer without", id="no_prediction"),
        pytest.param((200, {"prediction": [["x"]]}), "an answer without", id="no_number"),
        pytest.param((200, {"prediction": [[0.5]]}), r"expected 5 predic.*got \[1, 1\]", id="few"),
        pytest.param((200, {"prediction": [0.5] * 5}), r"5 predictions, got \[5\]", id="flat"),
    ],
)
def test_other_answers_are_errors_at_once(answer, message):
    pauses = []
    with serving(answer) as server, pytest.raises(server_scoring.ScoringError, match=message):
        scorer_of(server, pauses).score(_ROWS)
    assert pauses == []


def test_a_server_that_is_too_slow_is_an_error():
    with serving(_GOOD) as server, server.lock, pytest.raises(
        server_scoring.ScoringError, match="no answer within 0.05 s; try a smaller --batch_size"
    ):
        scorer_of(server, timeout_secs=0.05).score(_ROWS)


def test_an_unknown_host_is_an_error_at_once():
    target = load_plan.Target("no-such-host.invalid", 80, "/")
    pauses = []
    with pytest.raises(server_scoring.ScoringError, match="from no-such-host.invalid:80/, got "):
        server_scoring.ServerScorer(target, 1.0, pauses.append).score(_ROWS)
    assert pauses == []
