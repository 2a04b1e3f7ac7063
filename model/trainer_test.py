import json

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import generator, text
from model import hyper_parameters, trainer

ROWS, EVAL_ROWS, BATCH = 600, 200, 64
STEPS = 10  # of an epoch

SMALL = hyper_parameters.HyperParameters(
    table_rows=500,
    embedding_dim=2,
    hidden=(4,),
    batch_size=BATCH,
    schedule=hyper_parameters.CONSTANT,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows, _ = generator.Generator(3).rows(0, ROWS + EVAL_ROWS)
    paths = []
    for name, part in (("train", slice(0, ROWS)), ("eval", slice(ROWS, None))):
        (folder / name).write_bytes(text.format(rows.take(part)))
        paths.append([str(folder / name)])
    return trainer.Data(*paths)


class Run:
    """A call of trainer.run: what it returned, reported, and the losses of its steps."""

    def __init__(self, parameters, data, model_dir, **kwargs):
        self.lines = []
        self.losses = []
        self.best = trainer.run(
            parameters,
            data,
            str(model_dir),
            hooks=[_Losses(self)],
            report=self.lines.append,
            **kwargs,
        )


class _Losses(tf.estimator.SessionRunHook):
    def __init__(self, run):
        self._run = run

    def before_run(self, run_context):
        return tf.estimator.SessionRunArgs(tf.compat.v1.losses.get_losses()[0])

    def after_run(self, run_context, run_values):
        self._run.losses.append(run_values.results)


def _weights(model_dir):
    reader = tf.train.load_checkpoint(str(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_every_epoch_is_evaluated(data, tmp_path):
    run = Run(SMALL._replace(epochs=2), data, tmp_path)
    assert len(run.losses) == 2 * STEPS
    assert [line.split()[1] for line in run.lines] == [str(STEPS), str(2 * STEPS)]
    assert set(run.best) == {"auc", "calibration", "global_step", "log_loss", "loss"}


def test_turns_go_on_where_the_last_one_ended(data, tmp_path):
    whole = Run(SMALL, data, tmp_path / "whole", eval_steps=100)
    turns = Run(SMALL, data, tmp_path / "turns", eval_steps=3)
    assert [line.split()[1] for line in turns.lines] == ["3", "6", "9", "10"]
    # Each row once, in the same order: the same losses and weights bit for bit.
    assert turns.losses == whole.losses
    left, right = _weights(tmp_path / "turns"), _weights(tmp_path / "whole")
    assert left.keys() == right.keys()
    for name, values in left.items():
        np.testing.assert_array_equal(values, right[name])


def test_second_run_goes_on_from_the_first_with_its_optimizer(data, tmp_path):
    Run(SMALL, data, tmp_path)
    before = _weights(tmp_path)["embedding/table/Adagrad"]
    run = Run(SMALL, data, tmp_path)
    after = _weights(tmp_path)
    assert run.best["global_step"] == 2 * STEPS == after["global_step"]
    # Sums of squares only grow.
    assert (after["embedding/table/Adagrad"] >= before).all()
    assert (after["embedding/table/Adagrad"] > before).any()


def test_schedule_starts_anew_with_each_run(data, tmp_path):
    parameters = SMALL._replace(schedule=hyper_parameters.WARMUP_DECAY, decay_steps=STEPS)
    Run(parameters, data, tmp_path)
    assert _weights(tmp_path)["schedule_start"] == 0
    before = _weights(tmp_path)["embedding/table"]
    Run(parameters, data, tmp_path)
    assert _weights(tmp_path)["schedule_start"] == STEPS
    assert (_weights(tmp_path)["embedding/table"] != before).any()


def test_training_ends_when_patience_is_out(data, tmp_path):
    # A step this large learns nothing after the first turn.
    parameters = SMALL._replace(epochs=9, patience=1, learning_rate=10.0)
    run = Run(parameters, data, tmp_path, eval_steps=2)
    assert len(run.losses) < 9 * STEPS
    aucs = [float(line.split()[4]) for line in run.lines]
    assert aucs[-1] <= max(aucs[:-1])


def test_best_evaluation_is_returned(data, tmp_path):
    run = Run(SMALL._replace(epochs=3, metric="log_loss"), data, tmp_path, eval_steps=4)
    losses = [float(line.split("log loss ")[1].split()[0]) for line in run.lines]
    assert round(run.best["log_loss"], 4) == min(losses)


def test_task_of_a_cluster_is_refused(data, tmp_path, monkeypatch):
    cluster = {"chief": ["127.0.0.1:1"], "ps": ["127.0.0.1:2"]}
    task = {"type": "chief", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    with pytest.raises(ValueError, match="expected a process of its own, got a task of"):
        Run(SMALL, data, tmp_path)
