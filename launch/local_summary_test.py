import json

import pytest

from data_pipeline import errors
from launch import local_summary, task_status
from model import checkpoint_record, export, history, hyper_parameters


@pytest.fixture
def model_dir(tmp_path):
    """Of a training with two evaluations; the first has the better AUC, the second log loss."""
    folder = tmp_path / "model"
    folder.mkdir()
    parameters = hyper_parameters.HyperParameters(metric="log_loss")
    checkpoint_record.write(str(folder), parameters, {})
    records = history.History(str(folder))
    for step, auc, log_loss in ((10, 0.8, 0.5), (20, 0.7, 0.4)):
        records.add(dict(global_step=step, auc=auc, log_loss=log_loss, calibration=1.0, loss=0.0))
    return folder


def _exported(tmp_path, **facts):
    path = tmp_path / "saved model" / export.FACTS_PATH
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(facts))
    return str(tmp_path / "saved model")


def _outcome(model_dir, saved_model, **facts):
    return local_summary.Outcome(
        work_dir="/w",
        model_dir=str(model_dir),
        saved_model=saved_model,
        totals=[task_status.TaskTotals("chief", 0, 300, 12.5, 1 << 20, 61.0)],
        answer=[("0", 0.25), ("1", 0.5)],
        secs=83.9,
        **dict(dict(best_auc=None, report=None, profile=None), **facts),
    )


def test_summary_has_tasks_model_and_places(model_dir, tmp_path):
    saved_model = _exported(tmp_path, global_step=10)
    facts = {"best_auc": 0.9, "report": "/w/report.html", "profile": "/w/model/profile"}
    assert local_summary.lines(_outcome(model_dir, saved_model, **facts)) == [
        "",
        "task       exit code           rows  samples/s  peak memory  duration",
        "chief              0            300         12        1 MiB      1:01",
        "",
        "prediction  label 0 -> 0.2500  label 1 -> 0.5000",
        "quality     eval AUC 0.8000, log loss 0.5000, calibration 1.000"
        " (the generator's own probabilities reach AUC 0.9000)",
        "model       %s/saved model" % tmp_path,
        "everything  /w (data, checkpoints, evaluations, logs)",
        "report      /w/report.html",
        "curves      tensorboard --logdir=%s" % model_dir,
        "profile     /w/model/profile/ (open a timeline-*.json in chrome://tracing)",
        "took        83 s",
        "next        ./bazelw run //serving:server -- --model_dir='%s/saved model'" % tmp_path,
        "            ./bazelw run //launch:local -- --train_file=TRAIN.tsv --eval_file=EVAL.tsv",
    ]


def test_summary_leaves_out_what_there_is_not(model_dir, tmp_path):
    lines = local_summary.lines(_outcome(model_dir, _exported(tmp_path, global_step=10)))
    assert not [line for line in lines if line.startswith(("report", "profile"))]
    assert not [line for line in lines if "generator" in line]


@pytest.mark.parametrize(
    "step, want",
    [
        pytest.param(10, "eval AUC 0.8000, log loss 0.5000", id="the_exported_one"),
        pytest.param(20, "eval AUC 0.7000, log loss 0.4000", id="the_exported_latest"),
        pytest.param(15, "eval AUC 0.7000, log loss 0.4000", id="else_the_best_by_the_metric"),
    ],
)
def test_quality_is_that_of_the_exported_model(model_dir, tmp_path, step, want):
    lines = local_summary.lines(_outcome(model_dir, _exported(tmp_path, global_step=step)))
    assert [line for line in lines if want in line]


def test_broken_record_is_refused(model_dir, tmp_path):
    (model_dir / checkpoint_record.NAME).write_text("{")
    with pytest.raises(errors.InputError, match="training.json:1: expected JSON"):
        local_summary.lines(_outcome(model_dir, _exported(tmp_path, global_step=10)))
