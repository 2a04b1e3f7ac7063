"""Pictures come out whole and the same, whatever the trials were."""

import pytest

from data_pipeline import errors
from model import hyper_parameters, search, search_space, tune_picture, tune_report

_PNG = b"\x89PNG\r\n\x1a\n"

_SPACE = search_space.parse(
    """{
      "learning_rate": {"log_uniform": [0.001, 0.1]},
      "embedding_l2": {"log_uniform": [1e-6, 1]},
      "dropout": {"uniform": [0, 0.5]},
      "epochs": {"int": [1, 3]},
      "hidden": {"choice": [[], [64, 32], [4]]}
    }""",
    "space",
)


def _result(trial, value, shares=1):
    metrics = {"auc": value, "log_loss": value, "global_step": 12}
    parameters = hyper_parameters.HyperParameters(**search_space.draw(_SPACE, 0, trial))
    failure = "failed" if value is None else ""
    return search.Result(trial, shares, parameters, {} if failure else metrics, failure, 60.0)


def _view(values, metric="auc", shares=1):
    return tune_report.View([_result(*x, shares) for x in enumerate(values)], metric, _SPACE)


def _bytes(folder, view):
    tune_picture.write(view, str(folder / "trials.png"))
    return (folder / "trials.png").read_bytes()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(_view([0.71, 0.72, 0.5, None, 0.73, 0.72]), id="many"),
        pytest.param(_view([0.43, 0.42, 12.0, 0.41], "log_loss"), id="log_loss"),
        pytest.param(_view([0.7]), id="one"),
        pytest.param(_view([None, None]), id="all_failed"),
        pytest.param(_view([0.5, 0.5, 0.5]), id="equal"),
        pytest.param(
            tune_report.View(
                [_result(0, 0.6, 3), _result(1, 0.5, 3), _result(0, 0.7)], "auc", _SPACE
            ),
            id="halving",
        ),
    ],
)
@pytest.mark.filterwarnings("error")  # such as for an axis without length
def test_equal_trials_give_equal_pictures(tmp_path, view):
    picture = _bytes(tmp_path, view)
    assert picture.startswith(_PNG) and b"matplotlib" not in picture
    assert _bytes(tmp_path, view) == picture


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param(_view([0.7, 0.6]), _view([0.7, 0.65]), id="values"),
        pytest.param(_view([0.7, 0.6]), _view([0.7, 0.6], "log_loss"), id="metric"),
        pytest.param(_view([0.7, 0.6, 0.5]), _view([0.7, 0.6, None]), id="failure"),
        pytest.param(_view([0.7, 0.6]), _view([0.7, 0.6], shares=3), id="shares"),
        pytest.param(_view([0.7] * 3 + [0.6]), _view([0.7] * 3 + [0.5]), id="most_are_equal"),
    ],
)
def test_other_trials_give_other_pictures(tmp_path, one, other):
    assert _bytes(tmp_path, one) != _bytes(tmp_path, other)


def test_a_trial_that_went_wrong_does_not_change_the_axis(tmp_path):
    # 0.1 and 0.0 are far more than 3 times as far from the best as the median, 0.72, is.
    values = [0.71, 0.72, 0.73, 0.72]
    assert _bytes(tmp_path, _view(values + [0.1])) == _bytes(tmp_path, _view(values + [0.0]))


def test_picture_ignores_the_users_style(tmp_path):
    import matplotlib

    plain = _bytes(tmp_path, _view([0.7]))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert _bytes(tmp_path, _view([0.7])) == plain


def test_picture_refuses_a_folder(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file to write, got a folder"):
        tune_picture.write(_view([0.7]), str(tmp_path))
