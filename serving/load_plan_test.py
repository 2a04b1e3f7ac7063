import pytest

from serving import load_plan


@pytest.mark.parametrize(
    "url, want",
    [
        ("http://127.0.0.1:8501/v1/models/m:predict", ("127.0.0.1", 8501, "/v1/models/m:predict")),
        ("http://host", ("host", 80, "/")),
        ("http://[::1]:9/a?b=c", ("::1", 9, "/a?b=c")),
    ],
)
def test_target_of_a_url(url, want):
    assert load_plan.Target.parse(url) == want


@pytest.mark.parametrize(
    "url",
    [
        "https://host/",
        "host:80/x",
        "http:///x",
        "http://host:x/",
        "http://host:70000/",
        "http://h/a b",
        "http://h/\xe4",
        "http://[::1/",
    ],
)
def test_url_of_another_form_is_refused(url):
    with pytest.raises(ValueError, match="expected http://host:port/path, got "):
        load_plan.Target.parse(url)


@pytest.mark.parametrize(
    "plan, message",
    [
        (dict(clients=0, secs=1), "clients: expected 1 to 512, got 0"),
        (dict(clients=513, secs=1), "clients: expected 1 to 512, got 513"),
        (dict(), "expected a number of seconds or of requests, got both or none"),
        (dict(secs=1, requests=1), "expected a number of seconds or of requests, got both or none"),
        (dict(secs=0), "secs: expected a number above 0, got 0"),
        (dict(requests=0), "requests: expected a number above 0, got 0"),
        (dict(secs=1, rate=-1), "rate: expected a number above 0, got -1"),
        (dict(secs=1, rate=float("inf")), "rate: expected a number above 0, got inf"),
        (dict(secs=1, timeout_secs=0), "timeout_secs: expected a number above 0, got 0"),
    ],
)
def test_plan_that_is_none_is_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        load_plan.Plan(**plan).check()


@pytest.mark.parametrize("host, shown", [("h", "h"), ("::1", "[::1]")])
def test_request_has_host_length_and_body(host, shown):
    got = load_plan.request(load_plan.Target(host, 9, "/a?b"), b"{}")
    want = (
        "POST /a?b HTTP/1.1\r\nHost: %s:9\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}"
    )
    assert got.decode() == want % shown
