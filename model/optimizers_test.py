"""Adagrad on the rows of a batch."""

import math

import numpy as np
import pytest
import tensorflow as tf

from model import embedding, optimizers


def test_dense_variable_takes_adagrad_steps():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("v", initializer=[1.0])
        train_op = optimizers.minimize(3.0 * tf.reduce_sum(variable), learning_rate=0.1)
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(train_op)
        # The accumulator starts near 0, so the first step is the learning rate.
        assert session.run(variable) == pytest.approx(1.0 - 0.1, abs=1e-6)
        session.run(train_op)
        assert session.run(variable) == pytest.approx(0.9 - 0.1 / math.sqrt(2), abs=1e-6)
        assert session.run(tf.compat.v1.train.get_global_step()) == 2


def test_table_changes_in_the_rows_of_the_batch_alone():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = embedding.table(10, 2, 2, 0)
        embeddings, weights = embedding.lookup(table, tf.constant([[8, 2, 8]], tf.int64))
        loss = tf.reduce_sum(embeddings) + tf.reduce_sum(weights)
        train_op = optimizers.minimize(loss, learning_rate=0.5)
        values = tf.convert_to_tensor(table)
        session.run(tf.compat.v1.global_variables_initializer())
        before = session.run(values)
        session.run(train_op)
        change = session.run(values) - before
    want = np.zeros([10, 3])
    want[[2, 8]] = -0.5
    np.testing.assert_allclose(change, want, atol=1e-5)


def test_no_op_of_the_step_looks_for_duplicates_again():
    with tf.Graph().as_default() as graph:
        table = embedding.table(10, 2, 1, 0)
        embeddings, _ = embedding.lookup(table, tf.constant([[8, 2, 8]], tf.int64))
        optimizers.minimize(tf.reduce_sum(embeddings), learning_rate=0.5)
        assert [op.name for op in graph.get_operations() if op.type == "Unique"] == [
            "lookup/Unique"
        ]


def test_variable_without_gradient_is_refused():
    with tf.Graph().as_default():
        used = tf.compat.v1.get_variable("used", initializer=1.0)
        tf.compat.v1.get_variable("unused", initializer=1.0)
        with pytest.raises(ValueError, match=r"gradient for every variable, got none for .'unused"):
            optimizers.minimize(2.0 * used, learning_rate=0.1)
