"""The table and the flags, by hand."""

import pytest

from model import hyper_parameters, search, search_space, tune_report

_SPACE = search_space.parse(
    '{"dropout": {"uniform": [0, 0.5]}, "hidden": {"choice": [[], [64, 32]]}}', "space"
)


def _result(trial, auc, shares=1, failure="", hidden=(64, 32)):
    metrics = {"auc": auc, "log_loss": 1 - auc, "calibration": 1.0, "global_step": 12}
    parameters = hyper_parameters.HyperParameters(hidden=hidden, dropout=trial / 8)
    return search.Result(trial, shares, parameters, {} if failure else metrics, failure, 61.25)


def test_table_has_the_best_first_and_failures_last():
    results = [
        _result(0, 0.5, shares=3),
        _result(1, 0.75, shares=3, hidden=()),
        _result(2, 0, shares=3, failure="auc is nan"),
        _result(3, 0.625, shares=3),
        _result(1, 0.7, hidden=()),
    ]
    assert tune_report.table(tune_report.View(results, "auc", _SPACE)).splitlines() == [
        "trial  rows      auc  log_loss  step  secs  hidden  dropout  failure",
        "    1   all  0.70000   0.30000    12  61.2       -    0.125  -",
        "    3   1/3  0.62500   0.37500    12  61.2   64,32    0.375  -",
        "    0   1/3  0.50000   0.50000    12  61.2   64,32      0.0  -",
        "    2   1/3        -         -     -  61.2   64,32     0.25  auc is nan",
    ]


def test_table_without_failures_has_no_column_for_them():
    view = tune_report.View([_result(0, 0.5), _result(1, 0.25)], "log_loss", _SPACE)
    assert tune_report.table(view).splitlines() == [
        "trial  rows  log_loss      auc  step  secs  hidden  dropout",
        "    0   all   0.50000  0.50000    12  61.2   64,32      0.0",
        "    1   all   0.75000  0.25000    12  61.2   64,32    0.125",
    ]


def test_tsv_has_metrics_in_full_and_empty_cells():
    results = [_result(0, 0, failure="auc is nan"), _result(1, 0.7123456789, hidden=())]
    assert tune_report.tsv(tune_report.View(results, "auc", _SPACE)) == (
        "trial\trows\tauc\tlog_loss\tstep\tsecs\thidden\tdropout\tfailure\n"
        "1\tall\t0.7123456789\t%r\t12\t61.2\t\t0.125\t\n"
        "0\tall\t\t\t\t61.2\t64,32\t0.0\tauc is nan\n" % (1 - 0.7123456789)
    )


@pytest.mark.parametrize(
    "names, want",
    [
        (["learning_rate", "hidden"], "--hidden=4,2 --learning_rate=0.03"),
        (["batch_norm", "optimizer"], "--batch_norm=true --optimizer=adam"),
        ([], ""),
    ],
)
def test_flags_are_those_that_training_takes(names, want):
    parameters = hyper_parameters.HyperParameters(
        hidden=(4, 2), learning_rate=0.03, batch_norm=True, optimizer="adam"
    )
    assert tune_report.flags(parameters, names) == want
