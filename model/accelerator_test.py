import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import errors
from model import accelerator, hyper_parameters

_TIACC = hyper_parameters.HyperParameters(
    table_rows=50, embedding_dim=2, accelerator=hyper_parameters.TIACC
)


class _FakeTiacc(types.ModuleType):
    """The documented names, over one TensorFlow variable; remembers what it was called with."""

    def __init__(self, has_lookup):
        super().__init__("tiacc_training.tensorflow")
        self.calls = []
        if has_lookup:
            self.embedding_lookup_sparse = self._embedding_lookup_sparse

    def get_variable(self, name, devices, initializer, dim):
        self.calls.append(("get_variable", name, devices, dim))
        return tf.compat.v1.get_variable(name, [50, dim], initializer=initializer)

    def SparseTensor(self, indices, values, dense_shape):  # noqa: N802  # as documented
        self.calls.append(("SparseTensor",))
        return tf.SparseTensor(indices, values, dense_shape)

    def _embedding_lookup_sparse(self, params, sp_ids, name):
        self.calls.append(("embedding_lookup_sparse", name))
        return tf.nn.embedding_lookup_sparse(params, sp_ids, None, name=name)


@pytest.fixture(params=[True, False], ids=["own_lookup", "tensorflows_lookup"])
def fake(request, monkeypatch):
    module = _FakeTiacc(has_lookup=request.param)
    monkeypatch.setitem(sys.modules, "tiacc_training", types.ModuleType("tiacc_training"))
    monkeypatch.setitem(sys.modules, "tiacc_training.tensorflow", module)
    if not request.param:
        # As in the documentation's sample: TensorFlow's function, without weights.
        monkeypatch.setattr(
            tf.nn, "embedding_lookup_sparse", _without_weights(tf.nn.embedding_lookup_sparse)
        )
    return module


def _without_weights(function):
    return lambda params, sp_ids, name: function(params, sp_ids, None, name=name)


def test_tiacc_gives_the_rows_of_its_variable_and_their_gradient(fake):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rows = accelerator.lookup(tf.constant([7, 3, 49], tf.int64), _TIACC, num_ps=0)
        (table,) = tf.compat.v1.trainable_variables()
        gradient = tf.convert_to_tensor(tf.gradients(rows, table)[0])
        session.run(tf.compat.v1.global_variables_initializer())
        got, want, gradient = session.run([rows, table, gradient])
        np.testing.assert_array_equal(got, want[[7, 3, 49]])
        assert sorted(set(np.nonzero(gradient)[0])) == [3, 7, 49]
    assert fake.calls[0] == (
        "get_variable",
        "table",
        ["/job:localhost/replica:0/task:0/CPU:0"],
        3,
    )


def test_tiacc_spreads_its_variable_over_the_ps_tasks(fake):
    with tf.Graph().as_default():
        accelerator.lookup(tf.constant([7], tf.int64), _TIACC, num_ps=2)
    (call,) = [call for call in fake.calls if call[0] == "get_variable"]
    assert call[2] == ["/job:ps/replica:0/task:0/CPU:0", "/job:ps/replica:0/task:1/CPU:0"]


def test_check_accepts_a_module_that_is_there(fake):
    accelerator.check(_TIACC)


def test_check_refuses_tiacc_where_it_is_not_installed():
    with pytest.raises(errors.InputError, match="expected the package tiacc_training.*got: No"):
        accelerator.check(_TIACC)


def test_lookup_refuses_tiacc_where_it_is_not_installed():
    with tf.Graph().as_default(), pytest.raises(errors.InputError, match="tiacc_training"):
        accelerator.lookup(tf.constant([7], tf.int64), _TIACC, num_ps=0)


def test_native_is_always_there_and_looks_up_rows_of_its_table():
    native = _TIACC._replace(accelerator=hyper_parameters.NATIVE)
    accelerator.check(native)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rows = accelerator.lookup(tf.constant([7, 3], tf.int64), native, num_ps=0)
        (table,) = tf.compat.v1.trainable_variables()
        session.run(tf.compat.v1.global_variables_initializer())
        got, want = session.run([rows, table])
        np.testing.assert_array_equal(got, want[[7, 3]])


@pytest.mark.parametrize("num_ps, parts", [(0, 1), (1, 1), (3, 3)])
def test_native_has_a_part_of_the_table_for_each_ps(num_ps, parts):
    native = _TIACC._replace(accelerator=hyper_parameters.NATIVE)
    with tf.Graph().as_default():
        accelerator.lookup(tf.constant([7], tf.int64), native, num_ps)
        assert len(tf.compat.v1.trainable_variables()) == parts
