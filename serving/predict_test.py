"""Files are scored through a server as in this process, bit for bit."""

import contextlib
import gzip
import json
import os
import re

import numpy as np
import pytest

from data_pipeline import generator, text, wire
from model import hyper_parameters
from serving import (
    app,
    http_server,
    live_model,
    model_service,
    predict,
    running_app,
    server_metrics,
    untrained_model,
)

_ROWS, _ = generator.Generator(11).rows(0, 1000)
_MODEL = hyper_parameters.HyperParameters(table_rows=2000, embedding_dim=4, hidden=(16, 8))
_NUMBERS = r"mean prediction 0\.\d{6}  AUC 0\.\d{6}  log loss 0\.\d{6}"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    untrained_model.write(_MODEL, str(folder / "model"))
    return str(folder)


@contextlib.contextmanager
def serving(service):
    drain = http_server.DrainState()
    surroundings = app.Surroundings(server_metrics.ServerMetrics(), drain, access_log=False)
    application = app.create_app(lambda: live_model.Loaded(service), "m", surroundings)
    with running_app.running(application, drain=drain) as server:
        yield "--url=%s/v1/models/m:predict" % server.url


@pytest.fixture(scope="module")
def url(model_dir):
    service = model_service.DeepFMService(model_dir)
    assert service.load()
    with serving(service) as flag:
        yield flag


@pytest.fixture(scope="module")
def tsv(tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "rows.tsv"
    path.write_bytes(text.format(_ROWS))
    return path


def score(input_path, how, output, *flags):
    return predict.main(["--input=%s" % input_path, how, "--output=%s" % output, *flags])


def floats(path):
    return np.array([line.split("\t")[0] for line in path.read_text().splitlines()], np.float32)


@pytest.mark.parametrize("batch_size", [1000, 300, 64])
def test_server_and_model_give_the_same_bits(tmp_path, tsv, model_dir, url, batch_size):
    flag = "--batch_size=%d" % batch_size
    assert score(tsv, url, tmp_path / "a.tsv", flag, "--clients=3") == 0
    assert score(tsv, "--model_dir=" + model_dir, tmp_path / "b.tsv", flag) == 0
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    assert [int(line.split("\t")[1]) for line in lines] == _ROWS.label.tolist()
    assert len(set(floats(tmp_path / "a.tsv"))) > 900


def test_scores_are_those_of_the_service(tmp_path, tsv, model_dir):
    assert score(tsv, "--model_dir=" + model_dir, tmp_path / "a.tsv") == 0
    service = model_service.DeepFMService(model_dir)
    assert service.load()
    want = service({"rows": text.format(_ROWS).decode().splitlines()})["prediction"]
    assert floats(tmp_path / "a.tsv").tolist() == np.float32(want)[:, 0].tolist()


@pytest.mark.parametrize("form", ["gzip", "unlabelled", "request"])
def test_every_input_gives_the_same_scores(tmp_path, tsv, url, form):
    data = tsv.read_bytes()
    if form == "gzip":
        path, data = tmp_path / "in.gz", gzip.compress(data)
    elif form == "unlabelled":
        path, data = tmp_path / "in", b"".join(line[2:] + b"\n" for line in data.splitlines())
    else:
        path, data = tmp_path / "in.json", json.dumps(wire.to_json_request(_ROWS)).encode()
    path.write_bytes(data)
    for name, source in (("a.tsv", tsv), ("b.tsv", path)):
        assert score(source, url, tmp_path / name) == 0
    assert floats(tmp_path / "a.tsv").tolist() == floats(tmp_path / "b.tsv").tolist()
    assert ("\t" in (tmp_path / "b.tsv").read_text()) == (form != "unlabelled")


def test_the_last_line_tells_how_good_it_is(tmp_path, tsv, url, capsys):
    assert score(tsv, url, tmp_path / "a.parquet") == 0
    assert re.fullmatch(r"1,000 rows  [\d,]+ rows/s  %s\n" % _NUMBERS, capsys.readouterr().out)


def test_a_bad_row_is_an_error_and_no_file(tmp_path, tsv, url, capsys):
    path = tmp_path / "rows.tsv"
    path.write_bytes(tsv.read_bytes() + b"bad\n")
    assert score(path, url, tmp_path / "a.tsv", "--batch_size=10") == 2
    want = "predict: error: %s:1001: expected 40 tab-separated columns, got 1" % path
    assert capsys.readouterr().err.splitlines()[-1] == want
    assert os.listdir(str(tmp_path)) == ["rows.tsv"]


def test_a_server_that_refuses_is_an_error(tmp_path, tsv, capsys):
    def refuse(request):
        raise model_service.InvalidRequestError("no")

    with serving(refuse) as url:
        assert score(tsv, url, tmp_path / "a.tsv") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("predict: error: expected predictions from 127.0.0.1:")
    assert line.endswith("/v1/models/m:predict, got 400: no")
    assert os.listdir(str(tmp_path)) == []


def test_a_folder_without_a_model_is_an_error(tmp_path, tsv, capsys):
    assert score(tsv, "--model_dir=%s" % tmp_path, tmp_path / "a.tsv") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("predict: error: --model_dir: expected a SavedModel that can be served")


def test_a_wrong_output_is_an_error_before_anything_else(tmp_path, capsys):
    assert score("absent", "--model_dir=absent", tmp_path / "a.csv") == 2
    assert "--output: expected a name that ends with" in capsys.readouterr().err


def test_progress_tells_rows_and_time(tmp_path, tsv, url, monkeypatch):
    monkeypatch.setattr(predict.progress, "_INTERVAL_SECS", 0.0)
    lines = []
    options = predict._parse(
        ["--input=%s" % tsv, url, "--output=%s" % (tmp_path / "a.tsv"), "--batch_size=500"]
    )
    predict.run(options, lines.append)
    pattern = r"0 of 0 MiB \(\d+ %\)  \d+ MiB/s  ETA \d:\d\d  (500|1,000) rows  [\d,]+ rows/s"
    assert len(lines) == 2
    assert all(re.fullmatch(pattern, line) for line in lines), lines


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--url=http://h/p", "--model_dir=d"], "not allowed with argument"),
        ([], "one of the arguments --url --model_dir is required"),
        (["--url=h"], "--url: expected http://host:port/path, got 'h'"),
        (["--model_dir=d", "--batch_size=0"], "--batch_size: expected 1 to 100000, got 0"),
        (["--model_dir=d", "--batch_size=100001"], "--batch_size: expected 1 to 100000, got"),
        (["--model_dir=d", "--clients=0"], "--clients: expected at least 1, got 0"),
        (["--model_dir=d", "--timeout_secs=nan"], "--timeout_secs: expected more than 0, got nan"),
    ],
)
def test_wrong_flags_are_refused(flags, message, capsys):
    with pytest.raises(SystemExit) as caught:
        predict.main(["--input=i", "--output=o.tsv", *flags])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_help_is_complete(capsys):
    with pytest.raises(SystemExit):
        predict.main(["--help"])
    shown = capsys.readouterr().out
    for word in ("gzip", "row blocks", "FILE.parquet", "exit codes", "--timeout_secs", "examples"):
        assert word in shown
