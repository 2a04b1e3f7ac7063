"""The folder: what a killed search leaves in it, and what is refused."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, rows_testing
from model import hyper_parameters, search, trials

_ARGUMENTS = {"seed": 1, "space": {"dropout": {"uniform": [0.0, 0.3]}}}


def _result(trial, failure=""):
    parameters = hyper_parameters.HyperParameters(hidden=(4, 2), dropout=0.1)
    metrics = {} if failure else {"auc": 0.75, "global_step": 5}
    return search.Result(trial, 3, parameters, metrics, failure, 1.5)


def _open(folder, arguments=None):
    return trials.Folder(str(folder), _ARGUMENTS if arguments is None else arguments)


def _with_results(folder, count):
    opened = _open(folder)
    for trial in range(count):
        opened.add(_result(trial))
    opened.close()


def test_results_come_back(tmp_path):
    opened = _open(tmp_path / "new")
    added = [_result(1), _result(0, "no number")]
    for result in added:
        opened.add(result)
    assert opened.results == added
    opened.close()
    assert _open(tmp_path / "new").results == added


def test_a_result_is_on_disk_at_once(tmp_path):
    opened = _open(tmp_path)
    opened.add(_result(7))
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines] == [7]
    assert json.loads(lines[0])["parameters"]["hidden"] == [4, 2]
    opened.close()


@pytest.mark.parametrize("kept_bytes", [1, 50, -1])
def test_a_line_without_end_is_cut_off(tmp_path, kept_bytes):
    _with_results(tmp_path, 2)
    path = tmp_path / "trials.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept_bytes])
    opened = _open(tmp_path)
    assert opened.results == [_result(0)]
    opened.add(_result(2))
    opened.close()
    assert _open(tmp_path).results == [_result(0), _result(2)]


@pytest.mark.parametrize(
    "line",
    [b"{}\n", b"[1]\n", b"\xff\n", b"x\n", b'{"trial": 0, "parameters": {"dropout": 2.0}}\n'],
)
def test_a_line_that_is_no_trial_is_refused(tmp_path, line):
    _with_results(tmp_path, 2)
    path = tmp_path / "trials.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second)
    with pytest.raises(errors.InputError, match=r"trials\.jsonl:2: expected a trial, got b"):
        _open(tmp_path)


def test_other_arguments_are_refused(tmp_path):
    _with_results(tmp_path, 1)
    other = {"seed": 2, "space": {"dropout": {"uniform": [0.0, 0.2]}}, "eta": 3}
    with pytest.raises(errors.InputError) as refused:
        _open(tmp_path, other)
    assert str(refused.value) == (
        "%s is of a search with other arguments: expected eta none, got 3; seed 1, got 2; "
        "space.dropout.uniform [0.0, 0.3], got [0.0, 0.2]; take another folder, or those" % tmp_path
    )
    assert _open(tmp_path).results == [_result(0)]  # and nothing was changed


@rows_testing.PROPERTY
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 2), max_size=3))
def test_equal_arguments_are_taken_in_any_order(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("equal")
    opened = _open(folder, arguments)
    opened.add(_result(0))
    opened.close()
    _open(folder, dict(sorted(arguments.items(), reverse=True))).close()


def test_other_arguments_are_taken_where_no_trial_finished(tmp_path):
    # As after a first try with data that turned out to be broken.
    _open(tmp_path, {"seed": 3}).close()
    _open(tmp_path).close()
    assert json.loads((tmp_path / "search.json").read_text()) == _ARGUMENTS


def test_broken_arguments_are_refused(tmp_path):
    _with_results(tmp_path, 1)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(errors.InputError, match=r"search\.json: expected JSON, got: "):
        _open(tmp_path)


def test_trials_without_arguments_are_refused(tmp_path):
    (tmp_path / "trials.jsonl").write_text("{}\n")
    with pytest.raises(errors.InputError, match=r"expected search\.json beside trials\.jsonl"):
        _open(tmp_path)


def test_a_folder_in_use_is_refused(tmp_path):
    opened = _open(tmp_path)
    with pytest.raises(errors.InputError, match="got one that a running search writes to"):
        _open(tmp_path)
    opened.close()
    _open(tmp_path).close()


def test_a_refused_folder_is_not_in_use(tmp_path):
    _with_results(tmp_path, 1)
    with pytest.raises(errors.InputError, match="seed"):
        _open(tmp_path, {"seed": 3})
    _open(tmp_path).close()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.InputError, match=r"folder this user may write, got .*file \("):
        _open(tmp_path / "file")


def test_an_address_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.InputError, match="expected a local folder, got hdfs://nn/x"):
        _open("hdfs://nn/x")
    assert os.listdir(str(tmp_path)) == []


def test_model_dir_is_empty_and_goes_away(tmp_path):
    opened = _open(tmp_path)
    for _ in range(2):
        with opened.model_dir() as model_dir:
            assert os.listdir(model_dir) == []
            os.mkdir(os.path.join(model_dir, "eval"))
        assert not os.path.exists(model_dir)
    opened.close()


def test_model_dir_goes_away_when_a_trial_raises(tmp_path):
    opened = _open(tmp_path)
    with pytest.raises(KeyboardInterrupt), opened.model_dir() as model_dir:
        raise KeyboardInterrupt
    assert not os.path.exists(model_dir)
    opened.close()


def test_model_dir_of_a_killed_search_goes_away(tmp_path):
    opened = _open(tmp_path)
    with opened.model_dir() as model_dir:
        pass
    opened.close()
    os.makedirs(os.path.join(model_dir, "eval"))
    _open(tmp_path).close()
    assert not os.path.exists(model_dir)
