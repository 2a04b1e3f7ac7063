"""Jobs that go on with an earlier one's model, start from one, or stop early."""

import numpy as np
import pytest
import tensorflow as tf

from e2e import small_job
from model import history, training_control


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"))


def test_second_job_goes_on_with_the_first_ones_model(data, tmp_path):
    small_job.train(data, tmp_path, 1)
    steps = small_job.last_step(tmp_path)
    reader = tf.train.load_checkpoint(str(tmp_path / "model"))
    before = reader.get_tensor("embedding/table/Adagrad")
    # With other rows the shape of the model would be another one; it is kept.
    small_job.train(data, tmp_path, 2, "--batch_size=512")
    reader = tf.train.load_checkpoint(str(tmp_path / "model"))
    assert small_job.last_step(tmp_path) > steps
    assert reader.get_tensor("schedule_start") == steps
    # Adagrad's sums only grow.
    after = reader.get_tensor("embedding/table/Adagrad")
    assert (after >= before).all() and (after > before).any()


def test_patience_ends_the_job_of_all_workers(data, tmp_path):
    # Far more epochs than there is time for, at a rate that learns nothing.
    small_job.train(
        data,
        tmp_path,
        2,
        "--epochs=100000",
        "--patience=1",
        "--learning_rate=10",
        "--schedule=constant",
    )
    records = history.History(str(tmp_path / "model")).records()
    assert training_control.should_stop(records, "auc", 1)


def test_warm_start_takes_the_embeddings_of_another_model(data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    small_job.train(data, first, 1)
    small_job.train(
        data,
        second,
        1,
        "--hidden=8",
        "--warm_start=%s" % (first / "model"),
        # So small that the values are still those taken.
        "--learning_rate=1e-12",
        "--max_steps=2",
    )
    taken, there = [
        tf.train.load_checkpoint(str(folder / "model")).get_tensor("embedding/table")
        for folder in (second, first)
    ]
    np.testing.assert_allclose(taken, there, rtol=0, atol=1e-9)
