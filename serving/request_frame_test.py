"""What each request gets around its answer."""

import asyncio
import json
import logging
import re

import pytest

from serving import http_server, json_reply, metrics_text, request_frame, server_metrics


class Frame:
    """A frame around an endpoint, called without a server."""

    def __init__(self, endpoint, access_log=True):
        self.metrics = server_metrics.ServerMetrics()
        self.drain = http_server.DrainState()
        self.app = request_frame.RequestFrame(
            endpoint,
            direct={"/direct": answer_direct},
            routes=["/known"],
            metrics=self.metrics,
            drain=self.drain,
            access_log=access_log,
        )

    def get(self, path="/known", headers=(), cancel=False):
        """Returns status, headers and body; 0 for the status when there was no answer."""
        sent = []

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "headers": list(headers),
        }

        async def call():
            task = asyncio.ensure_future(self.app(scope, None, send))
            await asyncio.sleep(0)
            if cancel:
                task.cancel()
            await task

        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        loop.close()
        if not sent:
            return 0, {}, b""
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    def samples(self):
        return metrics_text.samples(self.metrics.render())


async def answer(scope, receive, send):
    scope[request_frame.ROWS] = 3
    await json_reply.send_reply(send, 200, scope[request_frame.REQUEST_ID].encode())


async def answer_direct(scope, receive, send):
    await json_reply.send_reply(send, 200, b"direct")


async def fail(scope, receive, send):
    raise KeyError("a secret of the inside")


async def fail_late(scope, receive, send):
    await json_reply.send_reply(send, 200, b"", more=True)
    raise KeyError("a secret of the inside")


async def leave(scope, receive, send):
    pass


async def hang(scope, receive, send):
    await asyncio.get_event_loop().create_future()


@pytest.mark.parametrize("given", ["a", "A.b_c-9", "x" * 64])
def test_request_id_of_the_client_is_kept(given):
    status, headers, body = Frame(answer).get(headers=[(b"x-request-id", given.encode())])
    assert (status, headers[b"x-request-id"], body) == (200, given.encode(), given.encode())


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a\n", b"\xff", b"a/b"])
def test_request_id_of_another_form_is_replaced(given):
    _, headers, body = Frame(answer).get(headers=[(b"x-request-id", given)])
    assert re.fullmatch(b"[0-9a-f]{16}", headers[b"x-request-id"])
    assert body == headers[b"x-request-id"]


def test_request_ids_differ():
    frame = Frame(answer)
    assert frame.get()[2] != frame.get()[2]


def test_direct_paths_pass_by_the_application():
    assert Frame(fail).get("/direct")[2] == b"direct"


def test_each_request_is_one_line_in_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="serving.request_frame"):
        Frame(answer).get("/a%0Ab", headers=[(b"x-request-id", b"id-1")])
    (record,) = caplog.records
    want = r"id-1 GET /a%0Ab 200 3 rows [0-9]+\.[0-9] ms"
    assert re.fullmatch(want, record.getMessage())


def test_the_log_can_be_left_out(caplog):
    with caplog.at_level(logging.INFO, logger="serving.request_frame"):
        Frame(answer, access_log=False).get()
    assert not caplog.records


def test_requests_are_counted_by_route_and_status():
    frame = Frame(answer)
    frame.get("/known")
    frame.get("/made/up")
    frame.get("/direct")
    samples = frame.samples()
    for route in ("/known", "other", "/direct"):
        name = "serving_request_duration_seconds_count{route=%s,status=200}" % route
        assert samples[name] == 1
    assert samples["serving_rows_total{}"] == 6
    assert samples["serving_requests_in_flight{}"] == 0


def test_a_failure_is_500_with_the_id_alone_and_the_log_has_the_rest(caplog):
    frame = Frame(fail)
    status, headers, body = frame.get()
    request_id = headers[b"x-request-id"].decode()
    assert status == 500
    assert json.loads(body) == {"error": "internal error", "request_id": request_id}
    assert "request %s failed" % request_id in caplog.text
    assert "a secret of the inside" in caplog.text
    assert frame.samples()["serving_errors_total{route=/known,status=500}"] == 1
    assert frame.samples()["serving_requests_in_flight{}"] == 0


def test_a_failure_after_the_answer_began_is_not_answered_twice(caplog):
    assert Frame(fail_late).get()[0] == 200
    assert "failed" in caplog.text


def test_a_client_that_left_is_counted_as_such(caplog):
    frame = Frame(leave)
    with caplog.at_level(logging.INFO, logger="serving.request_frame"):
        assert frame.get()[0] == 0
    assert " 499 0 rows " in caplog.text
    assert frame.samples()["serving_errors_total{route=/known,status=499}"] == 1


def test_answers_close_the_connection_while_draining():
    frame = Frame(answer)
    assert b"connection" not in frame.get()[1]
    frame.drain.is_draining = True
    assert frame.get()[1][b"connection"] == b"close"


def test_what_is_cut_off_at_the_end_of_draining_is_503():
    status, _, body = Frame(hang).get(cancel=True)
    assert (status, json.loads(body)) == (503, {"error": "the server has been stopped"})
