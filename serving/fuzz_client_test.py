"""What the fuzz lets pass, and what it does not."""

import pytest

from serving import fuzz_client, fuzz_requests

_REQUEST = fuzz_requests.Request("kind", b"", (200, 400), rows=1)
_HEADERS = {"x-request-id": "id", "content-type": "application/json"}
_GOOD = b'{"auc": null, "prediction": [[0.5]]}'
_REFUSED = b'{"error": "expected this, got that"}'


def answer(status=200, body=_GOOD, headers=_HEADERS):
    return fuzz_client.Answer(status, headers, body)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(answer(), id="prediction"),
        pytest.param(answer(body=b'{"auc": 0.5, "prediction": [[1.0]]}'), id="auc"),
        pytest.param(answer(400, _REFUSED), id="refusal"),
    ],
)
def test_good_answers_pass(given):
    fuzz_client.check_answer(_REQUEST, given)


def test_answers_without_a_body_pass():
    request = _REQUEST._replace(statuses=(405,), is_head=True)
    fuzz_client.check_answer(request, answer(405, b""))
    fuzz_client.check_answer(_REQUEST._replace(statuses=(204,)), answer(204, b""))


@pytest.mark.parametrize(
    "given, message",
    [
        pytest.param(answer(500, _REFUSED), "expected 200 or 400, got 500", id="status"),
        pytest.param(answer(headers={}), "expected a header X-Request-Id", id="request_id"),
        pytest.param(
            answer(headers=dict(_HEADERS, **{"content-type": "text/plain"})),
            "expected one line of JSON, got text/plain",
            id="content_type",
        ),
        pytest.param(answer(body=_GOOD + b"\n"), "expected one line of JSON", id="lines"),
        pytest.param(answer(body=b"{"), "expected JSON, got", id="json"),
        pytest.param(answer(body=b"[]"), "expected a JSON object", id="object"),
        pytest.param(answer(body=b"{}"), "expected auc and prediction", id="keys"),
        pytest.param(
            answer(body=b'{"auc": null, "prediction": []}'), "expected 1 predictions", id="rows"
        ),
        pytest.param(
            answer(body=b'{"auc": null, "prediction": [[NaN]]}'), "expected .probab", id="nan"
        ),
        pytest.param(
            answer(body=b'{"auc": NaN, "prediction": [[0.5]]}'), "expected an AUC", id="auc"
        ),
        pytest.param(answer(400, b'{"error": ""}'), "expected one line that says", id="no_text"),
        pytest.param(answer(400, b'{"error": "a\\nb"}'), "expected one line that", id="two_lines"),
        pytest.param(answer(400, b'{"error": "Traceback x"}'), "expected one line", id="trace"),
        pytest.param(answer(400, b'{"error": "x", "y": 1}'), "expected {.error", id="more"),
    ],
)
def test_other_answers_do_not(given, message):
    with pytest.raises(fuzz_client.FuzzError, match=message):
        fuzz_client.check_answer(_REQUEST, given)


def test_a_body_where_there_must_be_none_does_not():
    with pytest.raises(fuzz_client.FuzzError, match="expected no body"):
        fuzz_client.check_answer(_REQUEST._replace(is_head=True), answer())
