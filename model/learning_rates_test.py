"""Schedules of the learning rate, against hand and numpy."""

import contextlib

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from model import hyper_parameters, learning_rates

PROPERTY = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)


def _rates(parameters, steps):
    """The rates at the steps; those of a plateau before anything assigned its scale."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        step = tf.compat.v1.placeholder(tf.int64, [])
        rate = learning_rates.learning_rate(parameters, step)
        assert (rate.dtype, rate.shape) == (tf.float32, [])
        session.run(tf.compat.v1.global_variables_initializer())
        return [float(session.run(rate, {step: value})) for value in steps]


def _schedule(warmup_steps, decay_steps, final_rate, learning_rate=8.0):
    return hyper_parameters.HyperParameters(
        schedule=hyper_parameters.WARMUP_DECAY,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
        final_rate=final_rate,
    )


def test_constant_rate_is_the_same_at_each_step():
    parameters = hyper_parameters.HyperParameters(
        schedule=hyper_parameters.CONSTANT, learning_rate=0.25, warmup_steps=4, decay_steps=4
    )
    assert _rates(parameters, [0, 1, 10**9]) == [0.25] * 3


@pytest.mark.parametrize(
    "warmup_steps, decay_steps, final_rate, want",
    [
        pytest.param(4, 2, 0.5, [2, 4, 6, 8, 8, 6, 4, 4], id="both"),
        pytest.param(2, 0, 0.5, [4, 8, 8, 8], id="no_decay"),
        pytest.param(0, 4, 0.0, [8, 6, 4, 2, 0, 0], id="no_warmup"),
        pytest.param(0, 0, 0.0, [8, 8], id="neither"),
    ],
)
def test_rate_grows_then_falls_linearly(warmup_steps, decay_steps, final_rate, want):
    parameters = _schedule(warmup_steps, decay_steps, final_rate)
    assert _rates(parameters, range(len(want))) == want


@PROPERTY
@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.floats(1e-6, 10),
    st.lists(st.integers(0, 3 * 10**6), min_size=1, max_size=5),
)
def test_rate_is_that_of_numpy_between_its_corners(
    warmup_steps, decay_steps, final_rate, learning_rate, steps
):
    first_corner = max(warmup_steps - 1, 0)
    points = [(-1, 0 if warmup_steps else 1), (first_corner, 1), (warmup_steps, 1)]
    points.append((warmup_steps + decay_steps, final_rate if decay_steps else 1))
    shares = np.interp(steps, *zip(*points))
    parameters = _schedule(warmup_steps, decay_steps, final_rate, learning_rate)
    assert _rates(parameters, steps) == pytest.approx(learning_rate * shares, rel=1e-6, abs=1e-12)


def test_steps_beyond_what_float32_counts_are_told_apart():
    start = 2**24  # 2**24 + 1 is no float32.
    assert _rates(_schedule(start, 2, 0.0), [start + 1, start + 2]) == [4, 0]


def test_plateau_rate_follows_the_scale_that_is_saved_and_not_trained(tmp_path):
    parameters = hyper_parameters.HyperParameters(
        schedule=hyper_parameters.PLATEAU, learning_rate=0.5
    )
    assert _rates(parameters, [0, 7]) == [0.5, 0.5]
    with _graph_of(parameters) as (session, rate):
        learning_rates.find_scale().load(0.25, session)
        assert session.run(rate) == 0.125
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
        assert tf.compat.v1.trainable_variables() == []
    with _graph_of(parameters) as (session, rate):
        tf.compat.v1.train.Saver().restore(session, path)
        assert session.run(rate) == 0.125
    assert tf.train.load_variable(path, "learning_rate_scale") == 0.25


@contextlib.contextmanager
def _graph_of(parameters):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        step = tf.compat.v1.train.get_or_create_global_step()
        rate = learning_rates.learning_rate(parameters, step)
        session.run(tf.compat.v1.global_variables_initializer())
        yield session, rate


@pytest.mark.parametrize("schedule", hyper_parameters.PARAMETERS["schedule"].choices)
def test_every_schedule_has_the_variables_of_all(schedule):
    parameters = hyper_parameters.HyperParameters(schedule=schedule)
    with tf.Graph().as_default():
        learning_rates.learning_rate(parameters, tf.constant(0, tf.int64))
        assert learning_rates.find_scale().dtype.base_dtype == tf.float32
        assert learning_rates.find_start().dtype.base_dtype == tf.int64
        assert not tf.compat.v1.trainable_variables()


def test_decay_counts_from_the_schedules_start():
    parameters = _schedule(warmup_steps=0, decay_steps=4, final_rate=0.0)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rate = learning_rates.learning_rate(parameters, tf.constant(103, tf.int64))
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(learning_rates.find_start().assign(100))
        assert session.run(rate) == 2.0  # 8 * (1 - 3 / 4)


@pytest.mark.parametrize(
    "find, name",
    [
        (learning_rates.find_scale, "learning_rate_scale"),
        (learning_rates.find_start, "schedule_start"),
    ],
)
def test_graph_that_does_not_train_is_refused(find, name):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="variable %s, got none" % name):
        find()
