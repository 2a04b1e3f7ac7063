import pytest

from third_party.chromium import page_record


def _record():
    sent = []
    return page_record.PageRecord(lambda *message: sent.append(message)), sent


def _request(record, request_id, url):
    record.add("Network.requestWillBeSent", {"requestId": request_id, "request": {"url": url}}, "s")


@pytest.mark.parametrize(
    "url, want",
    [
        pytest.param("http://127.0.0.1:80/", False, id="loopback"),
        pytest.param("https://[::1]/", False, id="loopback_v6"),
        pytest.param("ws://localhost:1/", False, id="localhost"),
        pytest.param("file:///a", False, id="file"),
        pytest.param("data:text/plain,http://a.example/", False, id="data"),
        pytest.param("blob:http://a.example/1-2", False, id="blob"),
        pytest.param("http://a.example/", True, id="name"),
        pytest.param("http://localhost.a.example/", True, id="name_like_localhost"),
        pytest.param("http://10.0.0.1/", True, id="private_address"),
        pytest.param("wss://[2001:db8::1]/", True, id="address_v6"),
        pytest.param("file://server/a", True, id="file_of_a_server"),
    ],
)
def test_leaves_machine_unless_file_or_loopback(url, want):
    assert page_record.leaves_machine(url) == want


def test_request_that_the_page_cancelled_is_no_error():
    record, _ = _record()
    _request(record, "1", "http://127.0.0.1/a")
    failed = {"requestId": "1", "errorText": "net::ERR_ABORTED", "canceled": True}
    record.add("Network.loadingFailed", failed, "s")
    assert record.requests == [("1", "http://127.0.0.1/a")] and record.errors == []


def test_request_to_another_machine_is_one_error_although_it_fails():
    record, _ = _record()
    _request(record, "1", "http://a.example/")
    failed = {"requestId": "1", "errorText": "net::ERR_NAME_NOT_RESOLVED", "canceled": False}
    record.add("Network.loadingFailed", failed, "s")
    assert record.errors == ["request to another machine: http://a.example/"]


@pytest.mark.parametrize(
    "level, want", [("error", ["security: Refused (http://127.0.0.1/a:3)"]), ("warning", [])]
)
def test_what_the_browser_calls_an_error_is_one(level, want):
    record, _ = _record()
    entry = {"source": "security", "level": level, "text": "Refused"}
    entry.update(url="http://127.0.0.1/a", lineNumber=2)  # from 0
    record.add("Log.entryAdded", {"entry": entry}, "s")
    assert record.errors == want


def test_blocked_request_says_why():
    record, _ = _record()
    _request(record, "1", "http://127.0.0.1/a")
    failed = {"requestId": "1", "errorText": "", "canceled": False, "blockedReason": "csp"}
    record.add("Network.loadingFailed", failed, "s")
    assert record.errors == ["request failed: http://127.0.0.1/a: csp"]


def test_first_window_is_the_page_and_all_else_is_listened_to():
    record, sent = _record()
    for child, kind in (("w", "worker"), ("p", "page"), ("q", "page")):
        record.add(
            "Target.attachedToTarget", {"sessionId": child, "targetInfo": {"type": kind}}, ""
        )
    assert record.session == "p"
    for child in "wpq":
        methods = [method for method, _, session in sent if session == child]
        assert "Network.enable" in methods and methods[-1] == "Runtime.runIfWaitingForDebugger"


def test_event_of_no_interest_changes_nothing():
    record, sent = _record()
    record.add("Page.frameResized", {}, "s")
    assert (record.requests, record.errors, sent) == ([], [], [])
