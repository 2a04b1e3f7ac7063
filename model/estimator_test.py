"""Short trainings through tf.estimator."""

import numpy as np
import pytest
import tensorflow as tf

from model import deepfm, estimator

CONFIG = deepfm.ModelConfig(table_rows=1000, embedding_dim=4, hidden=(16, 8), seed=1)


def _input_fn(rows, seed, batch_size, epochs=1):
    """Labels depend on the first integer and on a pair of categories."""

    def make():
        random = np.random.RandomState(seed)
        dense = random.randint(0, 5, [rows, 13]).astype(np.int32)
        sparse = random.randint(0, 4, [rows, 26]).astype(np.int64)
        score = 0.8 * (dense[:, 0] - 2) + 1.5 * (sparse[:, 0] == sparse[:, 1]) - 1.0
        label = random.random_sample(rows) < 1 / (1 + np.exp(-score))
        features = {
            "dense": dense,
            "sparse": sparse,
            "missing": random.random_sample([rows, 39]) < 0.01,
        }
        pairs = (features, label[:, np.newaxis].astype(np.float32))
        return tf.data.Dataset.from_tensor_slices(pairs).repeat(epochs).batch(batch_size)

    return make


class _Losses(tf.estimator.SessionRunHook):
    def __init__(self):
        self.values = []

    def before_run(self, run_context):
        return tf.estimator.SessionRunArgs(tf.compat.v1.losses.get_losses()[0])

    def after_run(self, run_context, run_values):
        self.values.append(run_values.results)


def _train(model_dir, config=CONFIG, epochs=1):
    """Returns the Estimator and the loss of each step."""
    losses = _Losses()
    run_config = tf.estimator.RunConfig(model_dir=str(model_dir))
    built = estimator.build(config, run_config, str(model_dir))
    built.train(_input_fn(3000, seed=1, batch_size=100, epochs=epochs), hooks=[losses])
    return built, losses.values


def test_training_lowers_the_loss_and_ranks_rows_it_has_not_seen(tmp_path):
    built, losses = _train(tmp_path, epochs=3)
    assert len(losses) == 90
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.05
    got = built.evaluate(_input_fn(1500, seed=2, batch_size=400))
    assert sorted(got) == ["auc", "calibration", "global_step", "log_loss", "loss"]
    assert got["auc"] > 0.6
    assert 0.8 < got["calibration"] < 1.25
    assert got["global_step"] == 90


def test_same_seed_and_data_give_the_same_losses_and_another_seed_does_not(tmp_path):
    config = CONFIG._replace(dropout=0.2)
    _, first = _train(tmp_path / "first", config)
    _, again = _train(tmp_path / "again", config)
    _, other = _train(tmp_path / "other", config._replace(seed=2))
    assert first == again
    assert first != other


def test_training_goes_on_from_the_last_checkpoint(tmp_path):
    _train(tmp_path)
    built, losses = _train(tmp_path)
    assert len(losses) == 30
    assert built.get_variable_value("global_step") == 60


def test_run_config_of_another_folder_is_refused(tmp_path):
    run_config = tf.estimator.RunConfig(model_dir=str(tmp_path / "a"))
    with pytest.raises(ValueError, match="model_dir"):
        estimator.build(CONFIG, run_config, str(tmp_path / "b"))
