"""The fuzz passes on our server, and sees what it is there to see."""

import contextlib
import json
import socket

import pytest
import tensorflow as tf  # noqa: F401  # what DeepFMService needs

from serving import (
    app,
    fuzz,
    http_server,
    live_model,
    load_plan,
    model_service,
    prediction,
    request_body,
    running_app,
    sample_model,
    server_metrics,
)

_PATH = "/v1/models/m:predict"
_SECS = 0.2  # that a client may be slow


@contextlib.contextmanager
def serving(service):
    drain = http_server.DrainState()
    limits = prediction.Limits(request_body.BodyLimits(32 << 20, _SECS))
    surroundings = app.Surroundings(server_metrics.ServerMetrics(), drain, limits, False)
    application = app.create_app(lambda: live_model.Loaded(service), "m", surroundings)
    with running_app.running(application, timeout_secs=_SECS, drain=drain) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    sample_model.export(str(folder / "model"))
    service = model_service.DeepFMService(str(folder))
    assert service.load()
    return service


def test_some_hundred_requests_hold(service):
    with serving(service) as server:
        target = load_plan.Target("127.0.0.1", server.port, _PATH)
        result = fuzz.run(target, 600, 1)
    assert result.failures == []
    assert {"200", "204", "400", "404", "405", "408", "none"} <= set(result.statuses)
    assert sum(result.kinds.values()) == sum(result.statuses.values()) == 604
    assert len(result.rss_bytes) == 2 and result.rss_bytes[0] > 10 << 20


def test_a_failure_is_seen_and_its_body_saved(service, tmp_path, capsys):
    def broken(request):
        if isinstance(request, dict) and request.get("rows"):
            raise KeyError("broken")
        return service(request)

    path = tmp_path / "found"
    with serving(broken) as server:
        flags = ["--url=%s%s" % (server.url, _PATH), "--requests=300", "--output=%s" % path]
        assert fuzz.main(flags) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failures"] > 0
    assert 'got 500: b\'{"error": "internal error"' in captured.err
    body = path.read_bytes()
    assert body.startswith(b'{"rows":') and len(body) < 20
    assert "; a request's body: %s" % path in captured.err.splitlines()[-1]


def test_a_server_that_is_not_there_is_an_error(service, capsys):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert fuzz.main(["--url=http://127.0.0.1:%d%s" % (port, _PATH)]) == 1
    assert capsys.readouterr().err.startswith("fuzz: error: ")


@pytest.mark.parametrize(
    "rss_mib, want",
    [
        pytest.param((100, 105), "", id="little"),
        pytest.param((100, 111), "the server grew by 11.0 MiB, expected 10 at most", id="much"),
        pytest.param((), "", id="unknown"),
    ],
)
def test_growth_is_a_failure(rss_mib, want):
    result = fuzz.Result({}, {}, [], tuple(size << 20 for size in rss_mib))
    assert fuzz.complaint(result, 10) == want


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--url=ftp://x", "--url: expected http://host:port/path, got 'ftp://x'"),
        ("--requests=0", "--requests: expected at least 1, got 0"),
    ],
)
def test_wrong_flags_are_refused(flag, message, capsys):
    with pytest.raises(SystemExit) as caught:
        fuzz.main([flag])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
