"""The configuration and the three modes of the model function."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from model import deepfm

SMALL = deepfm.ModelConfig(table_rows=100, embedding_dim=4, hidden=(8,), seed=1)


class _RunConfig:
    """The part of tf.estimator.RunConfig that the model function reads."""

    def __init__(self, num_ps_replicas=0):
        self.num_ps_replicas = num_ps_replicas


def _features(rows=3, seed=0):
    random = np.random.RandomState(seed)
    return {
        "dense": tf.constant(random.randint(-2, 99, [rows, 13]), tf.int32),
        "sparse": tf.constant(random.randint(0, 2**32, [rows, 26], dtype=np.int64)),
        "missing": tf.constant(random.random_sample([rows, 39]) < 0.2),
    }


def _spec(mode, config=SMALL, num_ps=0):
    labels = None if mode == "infer" else tf.constant([[0.0], [1.0], [0.0]])
    return deepfm.model_fn(_features(), labels, mode, {"model": config}, _RunConfig(num_ps))


def _run(fetches):
    with tf.compat.v1.Session() as session:
        session.run(
            [
                tf.compat.v1.global_variables_initializer(),
                tf.compat.v1.local_variables_initializer(),
            ]
        )
        return session.run(fetches)


def test_config_defaults_are_valid_and_hidden_may_be_any_sequence():
    assert deepfm.ModelConfig().table_rows == 2**20
    assert deepfm.ModelConfig(hidden=[5, 3]).hidden == (5, 3)
    assert deepfm.ModelConfig(hidden=[]).hidden == ()


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("table_rows", 0, "table_rows: expected a positive integer, got 0"),
        ("table_rows", 1.5, "table_rows: expected a positive integer, got 1.5"),
        ("embedding_dim", True, "embedding_dim: expected a positive integer, got True"),
        ("hidden", (400, 0), r"hidden: expected positive integers, got \(400, 0\)"),
        ("dropout", 1.0, r"dropout: expected a share in \[0, 1\), got 1.0"),
        ("dropout", float("nan"), r"dropout: expected a share in \[0, 1\), got nan"),
        ("learning_rate", 0.0, "learning_rate: expected a positive, finite number, got 0.0"),
        ("learning_rate", float("inf"), "learning_rate: expected a positive, finite number"),
        ("missing_integers", "none", "missing_integers: expected one of own, zero, got 'none'"),
        ("seed", -1, r"seed: expected an integer in \[0, 2\*\*31\), got -1"),
        ("seed", 2**31, r"seed: expected an integer in \[0, 2\*\*31\), got 2147483648"),
    ],
)
def test_config_refuses(name, value, message):
    with pytest.raises(ValueError, match=message):
        deepfm.ModelConfig(**{name: value})
    with pytest.raises(ValueError, match=message):
        deepfm.ModelConfig()._replace(**{name: value})


def test_config_survives_a_copy():  # Estimator copies its params
    assert copy.deepcopy(SMALL) == SMALL


def test_predict_gives_probabilities_and_logits():
    with tf.Graph().as_default():
        got = _run(_spec("infer").predictions)
    assert sorted(got) == ["logits", "probabilities"]
    assert got["logits"].shape == (3, 1)
    np.testing.assert_allclose(got["probabilities"], 1 / (1 + np.exp(-got["logits"])), rtol=1e-6)


def test_loss_is_the_mean_cross_entropy_and_the_only_one():
    with tf.Graph().as_default():
        spec = _spec("eval")
        assert tf.compat.v1.losses.get_losses() == [spec.loss]
        loss, p = _run([spec.loss, spec.predictions["probabilities"]])
    want = -np.mean([np.log(1 - p[0]), np.log(p[1]), np.log(1 - p[2])])
    assert loss == pytest.approx(want, rel=1e-5)


def test_logit_is_first_order_plus_pairs_plus_deep():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        logits = deepfm.tower(_features(), SMALL, False, 1)
        session.run(tf.compat.v1.global_variables_initializer())
        ids = graph.get_tensor_by_name("row_ids/FloorMod:0")
        table = graph.get_tensor_by_name("embedding/table/part_0:0")
        deep = graph.get_tensor_by_name("deep/logit/BiasAdd:0")
        got, ids, table, deep = session.run([logits, ids, table, deep])
    vectors, weights = table[ids][:, :, :4], table[ids][:, :, 4]
    for row in range(3):
        products = vectors[row].dot(vectors[row].T)
        want = weights[row].sum() + np.triu(products, k=1).sum() + deep[row, 0]
        assert got[row, 0] == pytest.approx(want, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("num_ps", [0, 3])
def test_table_never_gets_a_dense_update(num_ps):
    with tf.Graph().as_default() as graph:
        _spec("train", num_ps=num_ps)
        updates = [op for op in graph.get_operations() if "ApplyAdagrad" in op.type]
        of_table = {op.inputs[0].op.name: op.type for op in updates if "table" in op.name}
    assert of_table == {
        "embedding/table/part_%d" % i: "SparseApplyAdagrad" for i in range(num_ps or 1)
    }


def test_every_initial_value_depends_on_the_seed_alone():
    def initial(seed):
        with tf.Graph().as_default():
            tf.compat.v1.set_random_seed(5)
            _spec("train", SMALL._replace(seed=seed))
            variables = tf.compat.v1.trainable_variables()
            names = [v.op.name for v in variables if not v.op.name.endswith("bias")]
            return dict(zip(names, _run([v for v in variables if v.op.name in names])))

    first, again, other = initial(1), initial(1), initial(2)
    assert sorted(first) == [
        "deep/hidden_0/kernel",
        "deep/logit/kernel",
        "embedding/table/part_0",
    ]
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
        assert (values != other[name]).any()


def test_dropout_applies_in_training_alone():
    config = SMALL._replace(dropout=0.5)
    for mode, want in (("train", True), ("eval", False), ("infer", False)):
        with tf.Graph().as_default() as graph:
            _spec(mode, config)
            assert any("dropout" in op.name for op in graph.get_operations()) == want


def test_no_rows():
    with tf.Graph().as_default():
        assert _run(deepfm.tower(_features(rows=0), SMALL, False, 2)).shape == (0, 1)


def test_cluster_keeps_variables_on_ps_and_distinct_ids_on_the_worker():
    cluster = {"chief": ["a:1"], "ps": ["a:2", "a:3"], "worker": ["a:4"]}
    setter = tf.compat.v1.train.replica_device_setter(
        cluster=cluster, worker_device="/job:worker/task:0"
    )
    with tf.Graph().as_default() as graph, graph.device(setter):
        tf.compat.v1.train.get_or_create_global_step()
        _spec("train", num_ps=2)
        devices = {op.name: op.device for op in graph.get_operations()}
        for variable in tf.compat.v1.global_variables():
            assert variable.device.startswith("/job:ps/task:"), variable.name
    parts = ["embedding/table/part_%d" % i for i in range(2)]
    assert {devices[part] for part in parts} == {"/job:ps/task:0", "/job:ps/task:1"}
    assert devices["lookup/Unique"] == "/job:worker/task:0"
    assert {devices[part + "/Adagrad"] for part in parts} == {devices[part] for part in parts}
