"""Short trainings through tf.estimator."""

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from data_pipeline import kernel
from model import estimator, hyper_parameters, training_input

PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=1000, embedding_dim=4, hidden=(16, 8), seed=1
)
_BATCH_SIZE = 100


def _batches(count, seed):
    """Labels depend on the first integer and on a pair of categories."""
    random = np.random.RandomState(seed)
    rows = count * _BATCH_SIZE
    dense = random.randint(0, 5, [rows, 13]).astype(np.int32)
    sparse = random.randint(0, 4, [rows, 26]).astype(np.int64)
    score = 0.8 * (dense[:, 0] - 2) + 1.5 * (sparse[:, 0] == sparse[:, 1]) - 1.0
    label = random.random_sample([rows, 1]) < 1 / (1 + np.exp(-score[:, np.newaxis]))
    missing = random.random_sample([rows, 39]) < 0.01
    arrays = (label.astype(np.float32), dense, sparse, missing)
    return [kernel.Batch(*parts) for parts in zip(*[np.split(array, count) for array in arrays])]


def _input_fn(batches, parameters=PARAMETERS):
    return lambda: training_input.dataset(lambda: iter(batches), parameters)


def _raw_input_fn(batches):
    """The same cells without their ids, as in serving."""

    def make():
        arrays = [np.concatenate(parts) for parts in zip(*batches)]
        features = dict(zip(("dense", "sparse", "missing"), arrays[1:]))
        return tf.data.Dataset.from_tensor_slices((features, arrays[0])).batch(_BATCH_SIZE)

    return make


def _estimator(model_dir, parameters=PARAMETERS, **kwargs):
    run_config = tf.estimator.RunConfig(model_dir=str(model_dir))
    return estimator.build(parameters, run_config, str(model_dir), **kwargs)


class _Losses(tf.estimator.SessionRunHook):
    def __init__(self):
        self.values = []

    def before_run(self, run_context):
        return tf.estimator.SessionRunArgs(tf.compat.v1.losses.get_losses()[0])

    def after_run(self, run_context, run_values):
        self.values.append(run_values.results)


def _train(model_dir, batches, parameters=PARAMETERS):
    """Trains with an Estimator of its own, and returns the loss of each step."""
    losses = _Losses()
    _estimator(model_dir, parameters).train(_input_fn(batches, parameters), hooks=[losses])
    return losses.values


def _checkpoint(model_dir):
    """Returns all that the last checkpoint holds, the optimizer's variables too, by name."""
    reader = tf.train.load_checkpoint(str(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_training_lowers_the_loss_and_its_predictions_rank_rows_it_has_not_seen(tmp_path):
    losses = _train(tmp_path, _batches(30, seed=1) * 3)
    assert len(losses) == 90
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.05

    batches = _batches(15, seed=2)
    label = np.concatenate([batch.label for batch in batches])
    built = _estimator(tmp_path)
    got = built.evaluate(_input_fn(batches))
    rows = list(built.predict(_raw_input_fn(batches)))
    p, logits = [
        np.array([row[name][0] for row in rows], np.float64) for name in ("probabilities", "logits")
    ]
    assert sorted(got) == ["auc", "calibration", "global_step", "log_loss", "loss"]
    assert got["global_step"] == 90
    assert got["auc"] > 0.6
    assert got["auc"] == pytest.approx(sklearn.metrics.roc_auc_score(label, logits), abs=1e-4)
    want = sklearn.metrics.log_loss(label, p)
    assert [got["log_loss"], got["loss"]] == pytest.approx([want, want], abs=1e-6)
    assert got["calibration"] == pytest.approx(p.mean() / label.mean(), rel=1e-5)


@pytest.mark.parametrize(
    "changed, kept",
    [
        pytest.param(
            {"first_order_optimizer": "ftrl", "batch_size": 4096},
            {"embedding/table/Adagrad", "embedding/table/Ftrl", "embedding/table/Ftrl_1"},
            id="adagrad_and_ftrl",
        ),
        pytest.param(
            {
                "optimizer": "adam",
                "batch_norm": True,
                "schedule": "warmup_decay",
                "warmup_steps": 3,
                "decay_steps": 9,
            },
            {"embedding/table/Adam", "embedding/table/Adam_1", "beta1_power", "beta2_power"}
            | {"deep/hidden_1/norm/moving_" + name for name in ("mean", "variance")},
            id="adam_and_batch_norm",
        ),
    ],
)
def test_training_on_in_a_new_estimator_equals_training_without_a_break(tmp_path, changed, kept):
    parameters = PARAMETERS._replace(**changed)
    batches = _batches(10, seed=1)
    losses = _train(tmp_path / "whole", batches, parameters)
    first = _train(tmp_path / "parts", batches[:5], parameters)
    then = _train(tmp_path / "parts", batches[5:], parameters)
    assert first + then == losses
    whole, parts = _checkpoint(tmp_path / "whole"), _checkpoint(tmp_path / "parts")
    assert whole["global_step"] == 10
    assert kept < set(whole)
    assert sorted(parts) == sorted(whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value, err_msg=name)


def test_prepare_is_called_when_training_begins(tmp_path):
    calls = []
    built = _estimator(tmp_path, prepare=calls.append)
    built.train(_input_fn(_batches(1, seed=1)))
    (graph,) = calls
    assert graph.num_rows.dtype == tf.int32


def test_run_config_of_another_folder_is_refused(tmp_path):
    run_config = tf.estimator.RunConfig(model_dir=str(tmp_path / "a"))
    with pytest.raises(ValueError, match="model_dir"):
        estimator.build(PARAMETERS, run_config, str(tmp_path / "b"))
