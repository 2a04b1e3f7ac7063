"""Steps of each optimizer on a table and a dense variable, against numpy and TF's optimizers."""

import contextlib
import math

import numpy as np
import pytest
import tensorflow as tf

from model import hyper_parameters, optimizers

ADAGRAD, ADAM = hyper_parameters.ADAGRAD, hyper_parameters.ADAM
SAME, FTRL = hyper_parameters.SAME, hyper_parameters.FTRL
EACH_PAIR = pytest.mark.parametrize(
    "optimizer, first_order_optimizer",
    [(ADAGRAD, SAME), (ADAGRAD, FTRL), (ADAM, SAME), (ADAM, FTRL)],
)

# The squared gradient of one row of a batch.
ACCUMULATOR = 1.0 / hyper_parameters.HyperParameters().batch_size ** 2

ROWS = 11
WIDTH = 3
# What tables start from; the last column from 0, as first-order weights do.
VALUES = np.random.RandomState(0).uniform(-1, 1, [ROWS, WIDTH]).astype(np.float32)
VALUES[:, -1] = 0
EVERY_ROW = list(range(ROWS))


class _Model:
    """A graph whose gradients its caller gives: those of `ids`' rows, and of the vector "dense".

    Attributes:
      table: float32 [ROWS, WIDTH], in parts, called "table".
      rate: The learning rate, a placeholder; 0.1 unless fed.
    """

    def __init__(self, parameters, num_parts=3, scheduled=False):
        with tf.compat.v1.variable_scope("", use_resource=False):
            self.table = tf.compat.v1.get_variable(
                "table",
                [ROWS, WIDTH],
                initializer=_part_of_values,
                partitioner=tf.compat.v1.fixed_size_partitioner(num_parts),
            )
            dense = tf.compat.v1.get_variable("dense", initializer=[1.0, 2.0])
        self._ids = tf.compat.v1.placeholder(tf.int64, [None])
        self._slopes = tf.compat.v1.placeholder(tf.float32, [None, WIDTH])
        self._dense_slopes = tf.compat.v1.placeholder(tf.float32, [2])
        rows = tf.nn.embedding_lookup(self.table, self._ids, partition_strategy="div")
        objective = tf.reduce_sum(rows * self._slopes)
        objective += tf.reduce_sum(dense * self._dense_slopes)
        self.rate = tf.compat.v1.placeholder_with_default(0.1, [])
        rate = self.rate if scheduled else parameters.learning_rate
        self.train_op = optimizers.minimize(objective, rate, parameters).train_op

    def feed(self, batch, rate=0.1):
        ids, slopes, dense_slopes = batch
        return {
            self._ids: ids,
            self._slopes: slopes,
            self._dense_slopes: dense_slopes,
            self.rate: rate,
        }


def _part_of_values(shape, dtype, partition_info):
    first = partition_info.var_offset[0]
    return tf.constant(VALUES[first : first + shape[0]], dtype)


def _parameters(optimizer=ADAGRAD, first_order_optimizer=SAME, **kwargs):
    return hyper_parameters.HyperParameters(
        optimizer=optimizer,
        learning_rate=0.1,
        first_order_optimizer=first_order_optimizer,
        **kwargs,
    )


def _batches(*ids_of_steps, seed=1):
    """One batch a step: ids, their gradients, and those of the dense variable."""
    random = np.random.RandomState(seed)
    return [
        (ids, random.normal(size=[len(ids), WIDTH]).astype(np.float32), random.normal(size=[2]))
        for ids in ids_of_steps
    ]


@contextlib.contextmanager
def _session(parameters, **kwargs):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = _Model(parameters, **kwargs)
        session.run(tf.compat.v1.global_variables_initializer())
        yield model, session


def _whole(session):
    """The values of all variables by name; parts joined, as they are in a checkpoint."""
    parts = {}
    for variable in tf.compat.v1.global_variables():
        info = variable._save_slice_info
        name, first = (info.full_name, info.var_offset[0]) if info else (variable.op.name, 0)
        parts.setdefault(name, {})[first] = session.run(variable)
    return {
        name: np.concatenate([value for _, value in sorted(of_name.items())])
        if len(of_name) > 1
        else of_name[0]
        for name, of_name in parts.items()
    }


def _after(parameters, batches, rates=None, **kwargs):
    """The values of all variables after steps with the batches."""
    with _session(parameters, scheduled=rates is not None, **kwargs) as (model, session):
        for batch, rate in zip(batches, rates or [0.1] * len(batches)):
            session.run(model.train_op, model.feed(batch, rate))
        return _whole(session)


# Adagrad


def test_adagrad_on_a_dense_variable_takes_the_steps_of_hand():
    batches = [([0], np.ones([1, WIDTH]), [3.0, -3.0])] * 2
    # The accumulator starts near 0, so the first step is the learning rate.
    want = np.array([1.0, 2.0]) - np.array([0.1, -0.1]) * (1 + 1 / math.sqrt(2))
    assert _after(_parameters(), batches)["dense"] == pytest.approx(want, abs=1e-6)


def test_adagrad_on_a_table_is_that_of_numpy_in_the_rows_of_the_batches():
    batches, rates = _batches([8, 2], [2, 9, 10], [2]), [0.1, 0.05, 0.02]
    table, squares = VALUES.copy(), np.full_like(VALUES, ACCUMULATOR)
    for (ids, slopes, _), rate in zip(batches, rates):
        squares[ids] += slopes**2
        table[ids] -= rate * slopes / np.sqrt(squares[ids])
    got = _after(_parameters(), batches, rates)
    np.testing.assert_allclose(got["table"], table, atol=1e-6)
    np.testing.assert_allclose(got["table/Adagrad"], squares, rtol=1e-6)
    rest = [0, 1, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(got["table"][rest], VALUES[rest])


def test_adagrad_alone_is_one_native_op_for_each_part():
    with tf.Graph().as_default() as graph:
        _Model(_parameters())
    types = [op.type for op in graph.get_operations() if "update_table" in op.name]
    assert types == ["SparseApplyAdagrad"] * 3


# Adam


def test_first_step_of_adam_is_the_learning_rate():
    got = _after(_parameters(ADAM), [([2, 8], [[4, -4, 1], [2, 0, -3]], [5.0, -6.0])])
    want = VALUES.copy()
    want[[2, 8]] -= [[0.1, -0.1, 0.1], [0.1, 0, -0.1]]
    np.testing.assert_allclose(got["table"], want, atol=1e-6)
    np.testing.assert_allclose(got["dense"], [0.9, 2.1], atol=1e-6)


def test_adam_is_that_of_numpy_in_the_rows_of_the_batches():
    batches, rates = _batches(EVERY_ROW, [2, 9], [10, 2, 0], [9]), [0.1, 0.05, 0.02, 0.2]
    table, m, v = VALUES.astype(np.float64), np.zeros([ROWS, WIDTH]), np.zeros([ROWS, WIDTH])
    for step, ((ids, slopes, _), rate) in enumerate(zip(batches, rates), start=1):
        m[ids] = 0.9 * m[ids] + 0.1 * slopes
        v[ids] = 0.999 * v[ids] + 0.001 * slopes**2
        m_hat, v_hat = m[ids] / (1 - 0.9**step), v[ids] / (1 - 0.999**step)
        table[ids] -= rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    got = _after(_parameters(ADAM), batches, rates)
    np.testing.assert_allclose(got["table"], table, atol=1e-5)
    np.testing.assert_allclose(got["table/Adam"], m, atol=1e-6)
    np.testing.assert_allclose(got["table/Adam_1"], v, atol=1e-6)


def test_adam_leaves_other_rows_and_their_moments_bit_for_bit():
    batches = _batches(EVERY_ROW, [2, 9], [9])
    first, last = _after(_parameters(ADAM), batches[:1]), _after(_parameters(ADAM), batches)
    rest = [row for row in EVERY_ROW if row not in (2, 9)]
    for name in ("table", "table/Adam", "table/Adam_1"):
        np.testing.assert_array_equal(last[name][rest], first[name][rest])
        assert (last[name][[2, 9]] != first[name][[2, 9]]).all()


def test_adam_is_that_of_tf_when_each_step_has_every_row():
    batches = _batches(*[EVERY_ROW] * 4)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.compat.v1.get_variable("table", initializer=VALUES)
        dense = tf.compat.v1.get_variable("dense", initializer=[1.0, 2.0])
        slopes = tf.compat.v1.placeholder(tf.float32, [ROWS, WIDTH])
        dense_slopes = tf.compat.v1.placeholder(tf.float32, [2])
        train_op = tf.compat.v1.train.AdamOptimizer(0.1).minimize(
            tf.reduce_sum(table * slopes) + tf.reduce_sum(dense * dense_slopes)
        )
        session.run(tf.compat.v1.global_variables_initializer())
        for _, value, dense_value in batches:
            session.run(train_op, {slopes: value, dense_slopes: dense_value})
        want = _whole(session)
    got = _after(_parameters(ADAM), batches)
    assert set(want) == set(got) - {"global_step"}
    for name in want:
        np.testing.assert_allclose(got[name], want[name], atol=1e-6, err_msg=name)


# FTRL on the last column


@pytest.mark.parametrize(
    "optimizer, l1, l2",
    [(ADAGRAD, 0.0, 0.0), (ADAGRAD, 0.5, 0.25), (ADAM, 0.5, 0.0), (ADAM, 0.0, 0.25)],
)
def test_ftrl_is_that_of_tf_and_leaves_the_embeddings_to_the_other(optimizer, l1, l2):
    batches = _batches(EVERY_ROW, [2, 9, 10], [2, 0], [2, 10])
    got = _after(
        _parameters(optimizer, FTRL, ftrl_learning_rate=0.3, ftrl_l1=l1, ftrl_l2=l2), batches
    )
    want = _tf_ftrl(batches, 0.3, l1, l2)
    np.testing.assert_allclose(got["table"][:, -1:], want["weights"], atol=1e-6)
    np.testing.assert_allclose(got["table/Ftrl"], want["weights/Ftrl"], atol=1e-6)
    np.testing.assert_allclose(got["table/Ftrl_1"], want["weights/Ftrl_1"], atol=1e-5)
    assert (got["table"][:, -1] == 0).any() == (l1 > 0)
    alone = _after(_parameters(optimizer), batches)
    np.testing.assert_array_equal(got["table"][:, :-1], alone["table"][:, :-1])
    np.testing.assert_array_equal(got["dense"], alone["dense"])


def _tf_ftrl(batches, learning_rate, l1, l2):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = tf.compat.v1.get_variable(
            "weights", initializer=VALUES[:, -1:], use_resource=False
        )
        ids = tf.compat.v1.placeholder(tf.int64, [None])
        slopes = tf.compat.v1.placeholder(tf.float32, [None, 1])
        optimizer = tf.compat.v1.train.FtrlOptimizer(
            learning_rate,
            initial_accumulator_value=ACCUMULATOR,
            l1_regularization_strength=l1,
            l2_regularization_strength=l2,
        )
        train_op = optimizer.minimize(tf.reduce_sum(tf.gather(weights, ids) * slopes))
        session.run(tf.compat.v1.global_variables_initializer())
        for ids_value, values, _ in batches:
            session.run(train_op, {ids: ids_value, slopes: values[:, -1:]})
        return _whole(session)


def test_l1_of_ftrl_returns_a_weight_to_exactly_0():
    parameters = _parameters(first_order_optimizer=FTRL, ftrl_l1=0.5)
    slopes = np.zeros([1, WIDTH])
    slopes[0, -1] = 0.7
    there = ([4], slopes, [1.0, 1.0])
    back = ([4], -slopes, [1.0, 1.0])
    assert _after(parameters, [there])["table"][4, -1] < -0.01
    assert _after(parameters, [there, back])["table"][4, -1] == 0


def test_scheduled_ftrl_without_penalties_takes_the_steps_of_adagrad_at_that_rate():
    batches = _batches([2, 9], [2], [2, 9], [2])
    rates = [0.05, 0.1, 0.01, 0.0]  # Of the optimizer's 0.1.
    weights, squares = np.zeros(ROWS), np.full(ROWS, ACCUMULATOR)
    for (ids, slopes, _), rate in zip(batches, rates):
        squares[ids] += slopes[:, -1] ** 2
        weights[ids] -= 0.3 * (rate / 0.1) * slopes[:, -1] / np.sqrt(squares[ids])
    parameters = _parameters(first_order_optimizer=FTRL, ftrl_learning_rate=0.3)
    got = _after(parameters, batches, rates)
    np.testing.assert_allclose(got["table"][:, -1], weights, atol=1e-6)


def test_ftrl_without_a_table_is_refused():
    with tf.Graph().as_default():
        dense = tf.compat.v1.get_variable("dense", initializer=1.0)
        with pytest.raises(ValueError, match=r"ftrl: expected a table.*got only \['dense:0'\]"):
            optimizers.minimize(2.0 * dense, 0.1, _parameters(first_order_optimizer=FTRL))


# All


@EACH_PAIR
def test_no_op_of_a_step_is_as_large_as_the_table(optimizer, first_order_optimizer):
    with tf.Graph().as_default():
        model = _Model(_parameters(optimizer, first_order_optimizer), num_parts=1)
        large = {
            op
            for op in _ancestors(model.train_op)
            if any(output.shape.ndims and ROWS in output.shape.as_list() for output in op.outputs)
        }
        variables = {variable.op for variable in tf.compat.v1.global_variables()}
    # To read a variable is no copy of it; the ops that write one return it.
    want = {"Identity", "SparseApplyAdagrad"} if optimizer == ADAGRAD else {"Identity"}
    want |= {"ScatterAdd", "ScatterSub"} if optimizer == ADAM else set()
    want |= {"ScatterAdd", "ScatterNdAdd"} if first_order_optimizer == FTRL else set()
    assert {op.type for op in large - variables} == want
    assert {op.inputs[0].op for op in large - variables} <= variables


@EACH_PAIR
def test_no_op_looks_for_duplicates(optimizer, first_order_optimizer):
    with tf.Graph().as_default() as graph:
        _Model(_parameters(optimizer, first_order_optimizer))
    assert "Unique" not in [op.type for op in graph.get_operations()]


def test_all_is_read_before_it_is_written():
    with tf.Graph().as_default():
        _Model(_parameters(ADAM, FTRL), num_parts=1)
        # Adam's step on the table adds 0 to the cells that FTRL reads.
        writes = [op for op in _writes() if op.type != "ScatterSub"]
        for write in writes:
            reads = {read for read in _reads() if read.inputs[0].op.inputs[0].op == _target(write)}
            assert len(reads) == 1
            assert reads <= _ancestors(write), write.name
    assert len(writes) == 2 + 2 + 1  # Slots of Adam, of FTRL, and the table.


@pytest.mark.parametrize("optimizer", [ADAGRAD, ADAM])
def test_ftrl_writes_a_row_after_the_other_optimizer(optimizer):
    with tf.Graph().as_default():
        model = _Model(_parameters(optimizer, FTRL), num_parts=1)
        table = list(model.table)[0].op
        other, ftrl = [write for write in _writes() if _target(write) == table]
        assert (ftrl.type, other in _ancestors(ftrl)) == ("ScatterNdAdd", True)


def test_what_another_worker_wrote_since_the_read_stays():
    mine, others = _batches([2, 9], [2, 3])
    parameters = _parameters(ADAM, FTRL, ftrl_l1=0.01)
    with _session(parameters) as (model, session):
        before = _whole(session)
        powers = tf.compat.v1.global_variables("beta._power")
        reads = [read.outputs[0] for read in _reads()] + [power.value() for power in powers]
        stale = dict(zip(reads, session.run(reads, model.feed(mine))))
        session.run(model.train_op, model.feed(others))
        between = _whole(session)
        feed = model.feed(mine)
        feed.update(stale)
        session.run(model.train_op, feed)
        got = _whole(session)
    alone = _after(parameters, [mine])
    for name in ("table", "table/Adam", "table/Adam_1", "table/Ftrl", "table/Ftrl_1"):
        want = between[name] + (alone[name] - before[name])
        np.testing.assert_allclose(got[name], want, atol=1e-6, err_msg=name)


def _reads():
    """The ops of the update that read rows, rather than those of the model."""
    return [
        op
        for op in tf.compat.v1.get_default_graph().get_operations()
        if op.type in ("GatherV2", "GatherNd") and "update_table" in op.name
    ]


def _writes():
    """The ops that write rows, in order of creation."""
    return [
        op
        for op in tf.compat.v1.get_default_graph().get_operations()
        if op.type.startswith(("Scatter", "SparseApply"))
    ]


def _target(write):
    """The op of the variable that the op `write` writes."""
    return write.inputs[0].op


def _ancestors(op):
    """The op and all that runs before it."""
    found, todo = set(), [op]
    while todo:
        op = todo.pop()
        if op not in found:
            found.add(op)
            todo.extend(tensor.op for tensor in op.inputs)
            todo.extend(op.control_inputs)
    return found


@pytest.mark.parametrize(
    "optimizer, first_order_optimizer, num_parts",
    [(ADAGRAD, SAME, 1), (ADAGRAD, FTRL, 1), (ADAM, SAME, 4), (ADAM, FTRL, 1), (ADAM, FTRL, 4)],
)
def test_training_goes_on_from_a_checkpoint_of_3_parts(
    optimizer, first_order_optimizer, num_parts, tmp_path
):
    parameters = _parameters(optimizer, first_order_optimizer, ftrl_l1=0.1)
    first, second, third = _batches([0, 5, 10], [4, 5], [10, 5, 6])
    with _session(parameters) as (model, session):
        session.run(model.train_op, model.feed(first))
        session.run(model.train_op, model.feed(second))
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    with _session(parameters, num_parts=num_parts) as (model, session):
        tf.compat.v1.train.Saver().restore(session, path)
        session.run(model.train_op, model.feed(third))
        got = _whole(session)
    want = _after(parameters, [first, second, third])
    assert {name: list(value.shape) for name, value in want.items()} == dict(
        tf.train.list_variables(path)
    )
    for name in want:
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


@EACH_PAIR
def test_slots_of_a_part_are_where_the_part_is(optimizer, first_order_optimizer):
    with tf.Graph().as_default(), tf.device(tf.compat.v1.train.replica_device_setter(3)):
        _Model(_parameters(optimizer, first_order_optimizer))
        devices = {
            variable.op.name: variable.device
            for variable in tf.compat.v1.global_variables("table/")
        }
    assert len(devices) == 3 * (1 + (1 if optimizer == ADAGRAD else 2)) + (
        6 if first_order_optimizer == FTRL else 0
    )
    assert len(set(devices.values())) == 3
    for name, device in devices.items():
        assert device == devices["/".join(name.split("/")[:2])]


@pytest.mark.parametrize(
    "optimizer, first_order_optimizer", [(ADAGRAD, SAME), (ADAGRAD, FTRL), (ADAM, SAME)]
)
def test_a_step_counts_once_and_runs_the_update_ops(optimizer, first_order_optimizer):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        average = tf.compat.v1.get_variable("average", initializer=0.0, trainable=False)
        tf.compat.v1.add_to_collection(
            tf.compat.v1.GraphKeys.UPDATE_OPS, average.assign_add(2.0).op
        )
        model = _Model(_parameters(optimizer, first_order_optimizer))
        session.run(tf.compat.v1.global_variables_initializer())
        for batch in _batches([1], [2]):
            session.run(model.train_op, model.feed(batch))
        assert session.run([tf.compat.v1.train.get_global_step(), average]) == [2, 4.0]


def test_variables_without_gradient_are_refused():
    with tf.Graph().as_default():
        used = tf.compat.v1.get_variable("used", initializer=1.0)
        tf.compat.v1.get_variable("unused", initializer=1.0)
        with pytest.raises(ValueError, match=r"gradient for every variable, got none for .'unused"):
            optimizers.minimize(2.0 * used, 0.1, _parameters())
