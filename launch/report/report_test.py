import json
import os
import re
import signal

import pytest

from data_pipeline import rows as rows_lib
from data_pipeline import rows_testing, text
from launch.report import known_model, report, scores
from model import checkpoint_record, history, hyper_parameters

_PARAMETERS = hyper_parameters.HyperParameters()


def _write_job(folder):
    """Writes what a job leaves: model/ with its export, and rows.tsv of 3 rows."""
    model_dir = folder / "model"
    checkpoint_record.write(str(model_dir), _PARAMETERS, {"data": {}, "flags": {}})
    history.History(str(model_dir)).add({"global_step": 7, "auc": 0.75, "log_loss": 0.5})
    export = model_dir / "export" / "saved_model"
    export.mkdir(parents=True)
    known_model.export(str(export / "123"))
    (export / "123" / "assets").mkdir()
    (export / "123" / "assets" / "training.json").write_text(json.dumps({"global_step": 7}))
    rows = [rows_testing.row(label, [first], [None]) for label, first in ((0, -1), (1, 2), (1, 0))]
    (folder / "rows.tsv").write_bytes(text.format(rows_lib.concatenate(rows)))
    return folder


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return _write_job(tmp_path_factory.mktemp("job"))


def _main(job, *flags):
    """Runs the program on the job; of equal flags the last counts."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return report.main(["--model_dir=%s" % (job / "model")] + list(flags))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_page_of_a_job_with_scores(tmp_path, job, capsys):
    output = tmp_path / "new" / "page.html"
    assert _main(job, "--eval_file=%s" % (job / "rows.tsv"), "--output=%s" % output) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "report: %s" % output
    page = output.read_text(encoding="utf-8")
    assert "Model: %s" % (job / "model" / "export" / "saved_model" / "123") in page
    assert "All 3 rows of the evaluation file, 66.67 % of them clicks." in page
    # The lower end of the bin of logit 0, above which both clicks are.
    assert "0.5 or more is a click: the threshold with the highest F1" in page
    assert "Step 7, of the exported model, is marked." in page


def test_page_is_beside_the_model_and_the_same_again(tmp_path, capsys):
    job = _write_job(tmp_path)
    pages = []
    for _ in range(2):
        assert _main(job) == 0
        assert capsys.readouterr().out == "report: %s\n" % (job / "model" / "report.html")
        pages.append((job / "model" / "report.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"No --eval_file was given" in pages[0]
    assert b"export/saved_model/123" in pages[0]


def test_flags_say_how_many_rows_which_threshold_and_which_model(tmp_path, job):
    output = tmp_path / "page.html"
    (tmp_path / "other").mkdir()
    model = known_model.export(str(tmp_path / "other" / "model"))
    flags = ["--eval_file=%s" % (job / "rows.tsv"), "--output=%s" % output, "--max_rows=2"]
    assert _main(job, "--threshold=0.25", "--saved_model=%s" % model, *flags) == 0
    page = output.read_text(encoding="utf-8")
    assert "The first 2 rows" in page
    assert "0.25 or more is a click, as --threshold says." in page
    assert "Model: %s" % model in page
    assert "Step 7, which has the best AUC, is marked." in page


def test_model_is_not_needed_without_rows(tmp_path):
    checkpoint_record.write(str(tmp_path / "model"), _PARAMETERS, {})
    assert _main(tmp_path) == 0
    assert "Model: \u2013" in (tmp_path / "model" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "flags, message",
    [
        pytest.param(
            ["--model_dir=/no/such"], "got no file /no/such/training.json", id="model_dir"
        ),
        pytest.param(["--eval_file=/no/such"], "--eval_file: .*/no/such", id="eval_file"),
        pytest.param(
            ["--saved_model=/no/such"],
            "--saved_model: expected the folder of a model, got /no/such",
            id="saved_model",
        ),
        pytest.param(
            ["--saved_model=/usr", "--eval_file=ROWS"],
            "expected a model .* got /usr",
            id="no_model",
        ),
        pytest.param(["--output=/proc/no/page.html"], "expected a file in a writable", id="output"),
        pytest.param(["--threshold=0"], "--threshold: .* above 0 and below 1, got 0.0", id="0"),
        pytest.param(["--threshold=1"], "--threshold: .* above 0 and below 1, got 1.0", id="1"),
        pytest.param(["--threshold=nan"], "--threshold: .* got nan", id="nan"),
        pytest.param(["--max_rows=0"], "--max_rows: expected at least 1, got 0", id="max_rows"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path, job, capsys, flags, message):
    flags = [flag.replace("ROWS", str(job / "rows.tsv")) for flag in flags]
    assert _main(job, "--output=%s" % (tmp_path / "page.html"), *flags) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("report: error: ") and captured.out == ""
    assert re.search(message, line)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("names, got", [([], "none"), (["1", "2"], "1, 2")])
def test_more_or_less_than_one_model_is_refused(tmp_path, job, capsys, names, got):
    checkpoint_record.write(str(tmp_path / "model"), _PARAMETERS, {})
    for name in names:
        (tmp_path / "model" / "export" / "saved_model" / name).mkdir(parents=True)
    assert _main(tmp_path, "--eval_file=%s" % (job / "rows.tsv")) == 2
    error = capsys.readouterr().err
    assert re.search("--saved_model: expected one model in .*saved_model, got %s;" % got, error)
    assert _main(tmp_path) == 0


def test_flag_that_is_cut_short_is_refused(job):
    with pytest.raises(SystemExit) as exit_info:
        _main(job, "--eval=x")
    assert exit_info.value.code == 2


def test_program_that_is_told_to_stop_leaves_nothing(tmp_path, job, capsys, monkeypatch):
    def stop(*args):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(scores, "of", stop)
    flags = ["--eval_file=%s" % (job / "rows.tsv"), "--output=%s" % (tmp_path / "page.html")]
    assert _main(job, *flags) == 130
    assert capsys.readouterr().err == "report: stopped; nothing was written\n"
    assert os.listdir(str(tmp_path)) == []


def test_failure_is_told_and_leaves_nothing(tmp_path, job, caplog, monkeypatch):
    monkeypatch.setattr(scores, "of", lambda *args: 1 / 0)
    flags = ["--eval_file=%s" % (job / "rows.tsv"), "--output=%s" % (tmp_path / "page.html")]
    assert _main(job, *flags) == 1
    assert "report failed" in caplog.text and "ZeroDivisionError" in caplog.text
    assert os.listdir(str(tmp_path)) == []
