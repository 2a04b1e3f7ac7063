"""The command, against a server in a thread."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from serving import load, load_generator, load_picture, load_plan

_DEADLINE_SECS = 50
_OK = (200, b"{}")


class _Server(http.server.ThreadingHTTPServer):
    """Gives all requests the same answer; `bodies` has theirs."""

    # Eight clients connect at once; beyond the five of http.server they would try again after 1 s.
    request_queue_size = 64

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.bodies = []
        self.has_many = threading.Event()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802, the name that http.server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, body))
        if len(self.server.bodies) >= 20:
            self.server.has_many.set()
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def serve(answer=_OK):
        server = _Server(answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        servers.append((server, thread))
        thread.start()
        return server, "--url=http://127.0.0.1:%d/v1/models/m:predict" % server.server_port

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join(_DEADLINE_SECS)
        server.server_close()


def test_generated_rows_are_sent_and_the_table_is_printed(serve, capsys):
    server, url = serve()
    assert load.main([url, "--requests=6", "--rows=3", "--clients=2"]) == 0
    assert len(server.bodies) == 6
    path, body = server.bodies[0]
    assert path == "/v1/models/m:predict"
    request = json.loads(body)
    assert set(request) == {"labels", "indexes", "values", "samples"}
    assert request["samples"] == 3
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith(url[len("--url=") :] + ": 2 clients, closed loop, ")
    assert table[1].split()[:2] == ["requests", "6"]
    assert table[2].split()[:2] == ["rows", "18"]
    assert table[3].split() == ["errors", "0"]


@pytest.mark.parametrize(
    "body, rows",
    [
        pytest.param('{"indexes": [], "values": [], "samples": 7}', 7, id="wire"),
        pytest.param('{"rows": ["a", "b"]}', 2, id="rows"),
        pytest.param('{"instances": [{}]}', 1, id="instances"),
        pytest.param('{"samples": "x"}', None, id="no_number"),
        pytest.param("[1]", None, id="no_object"),
        pytest.param("not JSON", None, id="not_json"),
        pytest.param("[" * 100000, None, id="deep"),
    ],
)
def test_file_is_sent_as_it_is_and_its_rows_are_counted(serve, tmp_path, capsys, body, rows):
    (tmp_path / "body").write_text(body)
    server, url = serve()
    assert load.main([url, "--requests=2", "--json", "--input=%s" % (tmp_path / "body")]) == 0
    assert [got for _, got in server.bodies] == [body.encode()] * 2
    assert json.loads(capsys.readouterr().out)["rows_per_request"] == rows


def test_json_is_one_line(serve, capsys):
    _, url = serve()
    assert load.main([url, "--requests=4", "--rows=1", "--rate=1000", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    values = json.loads(out)
    assert (values["requests"], values["errors"], values["rate"]) == (4, 0, 1000.0)


def test_failed_request_is_exit_code_1(serve, capsys):
    _, url = serve((503, b""))
    assert load.main([url, "--requests=3", "--rows=1", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failures"] == {"503": 3}


@pytest.mark.parametrize("ending", load_picture.ENDINGS)
def test_picture_is_written(serve, tmp_path, capsys, ending):
    _, url = serve()
    path = tmp_path / ("a" + ending)
    assert load.main([url, "--requests=3", "--rows=1", "--output=%s" % path]) == 0
    assert path.stat().st_size > 1000
    assert capsys.readouterr().err == "wrote %s\n" % path


def test_picture_without_an_answer_is_not_written(serve, tmp_path):
    _, url = serve((400, b"no"))
    path = tmp_path / "a.png"
    assert load.main([url, "--requests=3", "--rows=1", "--output=%s" % path]) == 1
    assert not path.exists()


def test_picture_that_cannot_be_written_is_exit_code_2(serve, tmp_path, capsys):
    _, url = serve()
    (tmp_path / "file").write_text("")
    flags = ["--requests=1", "--rows=1", "--output=%s" % (tmp_path / "file" / "a.png")]
    assert load.main([url] + flags) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("load: error: expected a file in a writable folder, got ")
    assert "latency, ms" in captured.out  # What was measured is not lost.


def test_relative_paths_are_those_of_the_user(serve, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "body").write_text("{}")
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "user"))
    _, url = serve()
    assert load.main([url, "--requests=1", "--input=body"]) == 0


def test_ctrl_c_prints_what_there_is(serve):
    server, url = serve()
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom serving import load\nsys.exit(load.main())"]
        + [url, "--secs=%d" % _DEADLINE_SECS, "--rows=1", "--json"],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert server.has_many.wait(_DEADLINE_SECS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_DEADLINE_SECS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == b"load: stopped; this is what there is\n"
    values = json.loads(out.decode())
    assert values["requests"] >= 1 and values["errors"] == 0


def test_progress_is_shown_every_two_seconds(capsys):
    now = [0.0]
    plan = load_plan.Plan(secs=10.0, rate=200.0)
    result = load_generator.Result()
    watch = load._progress(plan, lambda: now[0])
    for second in range(1, 5):
        now[0] = result.secs = float(second)
        for _ in range(100):
            result.latencies.record(2000000)
        watch(result)
    result.failures = {"503": 2}
    now[0] = result.secs = 6.0
    watch(result)
    # 2 ms lie in a bucket from 1.998848 to 2.007040 ms.
    assert capsys.readouterr().err.splitlines() == [
        "2 of 10 s  200 of 2,000 requests  100/s  p50 2 ms  errors 0",
        "4 of 10 s  400 of 2,000 requests  100/s  p50 2 ms  errors 0",
        "6 of 10 s  402 of 2,000 requests  1/s  p50 2 ms  errors 2",
    ]


def test_progress_of_a_number_of_requests_before_the_first_answer(capsys):
    now = [0.0]
    watch = load._progress(load_plan.Plan(requests=5), lambda: now[0])
    now[0] = 2.0
    watch(load_generator.Result())
    assert capsys.readouterr().err == "0 s  0 of 5 requests  0/s  -  errors 0\n"


def test_no_server_is_one_line_and_exit_code_1(capsys):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen
        port = sock.getsockname()[1]
        assert load.main(["--url=http://127.0.0.1:%d/" % port, "--requests=1", "--rows=1"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("load: error: expected a server at 127.0.0.1:%d, got: " % port)
    assert captured.err.count("\n") == 1


_URL = "--url=http://h/"


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "the following arguments are required: --url"),
        (["--url=https://h/"], "expected http://host:port/path, got 'https://h/'"),
        ([_URL, "--clients=0"], "clients: expected 1 to 512, got 0"),
        ([_URL, "--secs=0"], "secs: expected a number above 0, got 0"),
        ([_URL, "--secs=nan"], "secs: expected a number above 0, got nan"),
        ([_URL, "--requests=0"], "requests: expected a number above 0, got 0"),
        ([_URL, "--requests=1", "--secs=1"], "--secs: not allowed with argument --requests"),
        ([_URL, "--rate=0"], "rate: expected a number above 0, got 0"),
        ([_URL, "--rows=0"], "rows: expected at least 1, got 0"),
        ([_URL, "--rows=1", "--input=x"], "--input: not allowed with argument --rows"),
        ([_URL, "--input=/none"], "input: expected a file, got No such file or directory: /none"),
        ([_URL, "--output=a.jpg"], "output: expected FILE.png or .svg, got 'a.jpg'"),
        ([_URL, "--clie=1"], "unrecognized arguments: --clie=1"),
    ],
)
def test_wrong_flags_are_refused(capsys, flags, message):
    with pytest.raises(SystemExit) as caught:
        load.main(flags)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        load.main(["--help"])
    assert caught.value.code == 0
    assert "  load --url=http://127.0.0.1:8501/v1/models/m:predict  " in capsys.readouterr().out


def test_output_is_checked_before_anything_is_sent(serve, tmp_path):
    server, url = serve()
    with pytest.raises(SystemExit):
        load.main([url, "--requests=1", "--output=%s" % (tmp_path / "a.gif")])
    assert server.bodies == []
