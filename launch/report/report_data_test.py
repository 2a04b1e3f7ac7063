import json
import os

import pytest

from data_pipeline import errors
from launch.report import report_data
from model import checkpoint_record, history, hyper_parameters

_PARAMETERS = hyper_parameters.HyperParameters(batch_size=128)
_FACTS = {"data": {"train": {"kind": "text", "files": []}}, "flags": {}}


def _model_dir(folder, *evaluations):
    checkpoint_record.write(str(folder), _PARAMETERS, _FACTS)
    for step, auc in evaluations:
        history.History(str(folder)).add({"global_step": step, "auc": auc, "log_loss": 0.5})
    return str(folder)


def _line(step, secs, rate=100.0, loss=0.5):
    record = {"step": step, "loss": loss, "samples_per_sec": rate, "secs": secs}
    return json.dumps(record) + "\n"


def test_finished_job_is_read_whole(tmp_path):
    model_dir = _model_dir(tmp_path, (10, 0.6), (20, 0.7))
    (tmp_path / "progress.jsonl").write_text(_line(1, 0.5, None) + _line(20, 2.5, loss=0.4))
    (tmp_path / "config.yaml").write_text("epochs: 1  # <&>\n")
    got = report_data.read(model_dir)
    assert (got.parameters, got.facts) == (_PARAMETERS, _FACTS)
    assert [record["global_step"] for record in got.evaluations] == [10, 20]
    assert got.training == (((1, 0.5, None, 0.5), (20, 0.4, 100.0, 2.5)), 2.5, 1, 0)
    assert got.config == "epochs: 1  # <&>\n"


def test_what_is_not_there_is_empty(tmp_path):
    got = report_data.read(_model_dir(tmp_path))
    assert (got.evaluations, got.training, got.config) == ((), ((), 0.0, 0, 0), None)


def test_evaluations_are_one_a_step_by_rising_step(tmp_path):
    got = report_data.read(_model_dir(tmp_path, (20, 0.7), (10, 0.6), (20, 0.8))).evaluations
    assert [(record["global_step"], record["auc"]) for record in got] == [(10, 0.6), (20, 0.8)]


@pytest.mark.parametrize(
    "text, steps, secs, sessions, unreadable",
    [
        pytest.param(_line(1, 1, None) + _line(5, 3)[:-1], [1], 1, 1, 0, id="last_line_not_whole"),
        pytest.param(_line(1, 1, None) + '{"step"\n' + _line(5, 3), [1, 5], 3, 1, 1, id="cut_line"),
        pytest.param(_line(1, 1, None) + "{}\n[]\n7\n\n", [1], 1, 1, 4, id="no_records"),
        pytest.param(
            _line(1, 1, None) + _line(2, "x") + _line(3, float("nan")), [1], 1, 1, 2, id="no_secs"
        ),
        # Steps 6 and 9 were lost: the job went on from a checkpoint of step 5.
        pytest.param(
            "".join([_line(1, 1, None), _line(5, 4), _line(6, 5), _line(9, 8)])
            + "".join([_line(6, 2, None), _line(8, 3)]),
            [1, 5, 6, 8],
            8 + 3,
            2,
            0,
            id="restart_takes_steps_back",
        ),
        pytest.param(
            _line(1, 1, None) + _line(5, 4) + _line(6, 6, None),
            [1, 5, 6],
            4 + 6,
            2,
            0,
            id="restart_loses_nothing_and_is_slow_to_begin",
        ),
        pytest.param(_line(5, 4) + _line(6, 1), [5, 6], 4 + 1, 2, 0, id="secs_go_back"),
        pytest.param(_line(5, 4), [5], 4, 1, 0, id="first_line_of_all_is_lost"),
        pytest.param("", [], 0, 0, 0, id="empty"),
    ],
)
def test_progress_is_by_step_and_time_is_that_of_all_sessions(
    text, steps, secs, sessions, unreadable
):
    got = report_data.parse_progress(text)
    assert [line.step for line in got.lines] == steps
    assert (got.secs, got.sessions, got.unreadable) == (secs, sessions, unreadable)


def test_step_that_comes_again_has_the_later_line():
    got = report_data.parse_progress(_line(5, 4, loss=0.9) + _line(5, 1, loss=0.1))
    assert [line.loss for line in got.lines] == [0.1]


@pytest.mark.parametrize(
    "rates, median",
    [([None, 100.0, 900.0, 200.0], 200.0), ([None, 100.0, 200.0], 150.0), ([None], None)],
)
def test_throughput_is_the_median_of_the_lines_that_have_it(rates, median):
    lines = [_line(step, step, rate) for step, rate in enumerate(rates)]
    assert report_data.parse_progress("".join(lines)).samples_per_sec == median


def test_exported_step_is_what_the_model_says(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "training.json").write_text('{"global_step": 469}')
    assert report_data.exported_step(str(tmp_path)) == 469


def test_exported_step_of_a_model_that_does_not_say(tmp_path):
    assert report_data.exported_step(str(tmp_path)) is None


@pytest.mark.parametrize("text", ["{}", "[1]", "{", '{"global_step": null}', ""])
def test_exported_model_with_a_broken_record_is_refused(tmp_path, text):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "training.json").write_text(text)
    with pytest.raises(errors.InputError, match="training.json: expected JSON with global_step"):
        report_data.exported_step(str(tmp_path))


@pytest.mark.parametrize("step, shown", [(10, 10), (20, 20), (15, 20), (None, 20)])
def test_shown_evaluation_is_of_the_exported_step_or_the_best(tmp_path, step, shown):
    run = report_data.read(_model_dir(tmp_path, (10, 0.6), (20, 0.8), (30, 0.7)))
    assert report_data.shown_evaluation(run, step)["global_step"] == shown


def test_no_evaluation_is_shown_where_there_is_none(tmp_path):
    assert report_data.shown_evaluation(report_data.read(_model_dir(tmp_path)), 10) is None


def test_folder_that_is_no_model_dir_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="record that training writes .*/no/such"):
        report_data.read("/no/such")


def test_broken_evaluations_are_refused(tmp_path):
    model_dir = _model_dir(tmp_path)
    (tmp_path / "evaluations.jsonl").write_text("7\n{}\n")
    with pytest.raises(errors.InputError, match="evaluations.jsonl:1: expected a JSON object"):
        report_data.read(model_dir)


def test_file_that_cannot_be_read_is_refused(tmp_path):
    model_dir = _model_dir(tmp_path)
    os.mkdir(str(tmp_path / "config.yaml"))
    with pytest.raises(errors.InputError, match="Is a directory: .*config.yaml"):
        report_data.read(model_dir)


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path):
    model_dir = _model_dir(tmp_path)
    (tmp_path / "config.yaml").write_bytes(b"a: \xff\n")
    assert report_data.read(model_dir).config == "a: \ufffd\n"
