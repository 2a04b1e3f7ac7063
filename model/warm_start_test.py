import os

import numpy as np
import pytest
import tensorflow as tf

from model import warm_start

ROWS, DIM = 12, 2
START_OF_SLOTS = 0.125

MODEL_VARIABLES = [
    "deep/hidden_0/bias",
    "deep/hidden_0/kernel",
    "deep/hidden_0/moving_mean",
    "deep/hidden_0/moving_variance",
    "deep/hidden_1/bias",
    "deep/hidden_1/kernel",
    "deep/hidden_1/moving_mean",
    "deep/hidden_1/moving_variance",
    "deep/logit/bias",
    "deep/logit/kernel",
    "embedding/table",
]


def _logits(ids, params):
    """Has the names and shapes of the model; every variable gets a gradient or moves."""
    normal = tf.compat.v1.random_normal_initializer
    with tf.compat.v1.variable_scope("embedding"):
        table = tf.compat.v1.get_variable(
            "table",
            [params.get("rows", ROWS), params.get("dim", DIM) + 1],
            initializer=normal(),
            partitioner=tf.compat.v1.fixed_size_partitioner(params.get("parts", 1)),
            use_resource=False,
        )
    rows = tf.nn.embedding_lookup(table, tf.reshape(ids, [-1]), partition_strategy="div")
    outputs = tf.reshape(rows, [-1, 2 * (params.get("dim", DIM) + 1)])
    for name, units in [("hidden_%d" % i, n) for i, n in enumerate(params.get("hidden", [4, 3]))]:
        with tf.compat.v1.variable_scope("deep/" + name):
            outputs = _dense(outputs, units)
            for moving in ("moving_mean", "moving_variance"):
                tf.compat.v1.get_variable(moving, [units], initializer=normal(), trainable=False)
    with tf.compat.v1.variable_scope("deep/logit"):
        return _dense(outputs, 1)


def _dense(inputs, units):
    normal = tf.compat.v1.random_normal_initializer()
    kernel = tf.compat.v1.get_variable("kernel", [inputs.shape[1], units], initializer=normal)
    bias = tf.compat.v1.get_variable("bias", [units], initializer=normal)
    return tf.matmul(inputs, kernel) + bias


class _Trained:
    """A run of an Estimator.

    Args:
      folder: Its model_dir.
      seed: Of initial values.
      steps: To train.
      hooks: Of the run.
      load: What the warm start is given, or None for a cold start.
      **params: Of _logits.
    """

    def __init__(self, folder, seed, steps, hooks=(), load=None, **params):
        self._load = load
        self.lines = []
        self.taken = []
        config = tf.estimator.RunConfig(tf_random_seed=seed, log_step_count_steps=None)
        estimator = tf.estimator.Estimator(self._model_fn, str(folder), config, params)
        estimator.train(_input_fn, hooks=list(hooks), steps=steps)

    def _model_fn(self, features, labels, mode, params):
        loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=_logits(features, params))
        )
        tf.compat.v1.get_variable("learning_rate_scale", [], trainable=False)
        optimizer = tf.compat.v1.train.AdagradOptimizer(
            0.1, initial_accumulator_value=START_OF_SLOTS
        )
        step = tf.compat.v1.train.get_or_create_global_step()
        train_op = optimizer.minimize(loss, global_step=step)
        if self._load:
            self.taken += warm_start.load(self._load, self.lines.append)
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def _input_fn():
    ids = np.arange(ROWS).reshape(-1, 2)
    labels = np.array([[0.0], [1.0]] * 3, np.float32)
    return tf.data.Dataset.from_tensors((ids, labels)).repeat()


class _Begin(tf.estimator.SessionRunHook):
    """The values with which a session begins."""

    def after_create_session(self, session, coord):
        del coord
        variables = tf.compat.v1.global_variables()
        self.values = dict(zip([v.op.name for v in variables], session.run(variables)))


def _values(checkpoint):
    reader = tf.train.load_checkpoint(str(checkpoint))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def _same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Folders of models of 1 and of 3 parts, trained for 5 steps."""
    folders = {}
    for parts in (1, 3):
        folders[parts] = tmp_path_factory.mktemp("earlier")
        _Trained(folders[parts], seed=1, steps=5, parts=parts)
    return folders


@pytest.mark.parametrize("parts_before, parts", [(1, 1), (1, 3), (3, 1), (3, 5)])
def test_model_variables_begin_bit_for_bit_and_the_rest_anew(
    earlier, tmp_path, parts_before, parts
):
    source = earlier[parts_before] / "model.ckpt-5"
    trained = _Trained(tmp_path, seed=2, steps=1, parts=parts, load=str(source))
    # The Estimator saves step 0 before the first step.
    before, begin = _values(source), _values(tmp_path / "model.ckpt-0")
    assert trained.taken == MODEL_VARIABLES
    assert [name for name in MODEL_VARIABLES if not _same(before[name], begin[name])] == []
    assert begin["global_step"] == 0 and before["global_step"] == 5
    assert begin["learning_rate_scale"] != before["learning_rate_scale"]
    slots = [name for name in begin if name.endswith("/Adagrad")]
    assert len(slots) == 7  # of the trainable variables
    for name in slots:
        assert (before[name] > START_OF_SLOTS).any()
        assert (begin[name] == START_OF_SLOTS).all()


def test_taken_variables_are_reported_in_one_line(earlier, tmp_path):
    source = str(earlier[1] / "model.ckpt-5")
    trained = _Trained(tmp_path, seed=2, steps=1, load=source)
    assert trained.lines == ["warm start from %s: %s" % (source, ", ".join(MODEL_VARIABLES))]


@pytest.mark.parametrize(
    "hidden, anew",
    [
        pytest.param(
            [4, 2],
            [
                "deep/hidden_1/bias [2] (there: [3])",
                "deep/hidden_1/kernel [4, 2] (there: [4, 3])",
                "deep/hidden_1/moving_mean [2] (there: [3])",
                "deep/hidden_1/moving_variance [2] (there: [3])",
                "deep/logit/kernel [2, 1] (there: [3, 1])",
            ],
            id="last_layer",
        ),
        pytest.param(
            [4, 3, 3],
            [
                "deep/hidden_2/bias [3] (there: none)",
                "deep/hidden_2/kernel [3, 3] (there: none)",
                "deep/hidden_2/moving_mean [3] (there: none)",
                "deep/hidden_2/moving_variance [3] (there: none)",
            ],
            id="one_layer_more",
        ),
        pytest.param([], ["deep/logit/kernel [6, 1] (there: [3, 1])"], id="no_layers"),
    ],
)
def test_other_hidden_sizes_take_what_fits(earlier, tmp_path, hidden, anew):
    source = earlier[1] / "model.ckpt-5"
    trained = _Trained(tmp_path, seed=2, steps=1, parts=3, hidden=hidden, load=str(source))
    assert trained.lines[1:] == ["begin anew: " + ", ".join(anew)]
    assert "embedding/table" in trained.taken and "deep/logit/bias" in trained.taken
    before, begin = _values(source), _values(tmp_path / "model.ckpt-0")
    names = [name for name in begin if name.rsplit("/", 1)[-1] != "Adagrad"]
    same = sorted(name for name in names if name in before and _same(before[name], begin[name]))
    assert same == trained.taken


def test_folder_stands_for_its_latest_checkpoint(earlier, tmp_path):
    assert os.path.exists(str(earlier[3] / "model.ckpt-0.index"))
    trained = _Trained(tmp_path, seed=2, steps=1, load=str(earlier[3]))
    assert trained.lines[0].startswith("warm start from %s: " % (earlier[3] / "model.ckpt-5"))


def test_model_dir_with_a_checkpoint_goes_on_from_it(earlier, tmp_path):
    source = str(earlier[1])
    _Trained(tmp_path, seed=2, steps=2, load=source)
    begin = _Begin()
    _Trained(tmp_path, seed=3, steps=1, hooks=[begin], load=source)
    own = _values(tmp_path / "model.ckpt-2")
    assert begin.values["global_step"] == 2
    assert _same(begin.values["embedding/table/part_0"], own["embedding/table"])
    assert not _same(
        own["embedding/table"], _values(earlier[1] / "model.ckpt-5")["embedding/table"]
    )
    assert _same(begin.values["deep/logit/kernel/Adagrad"], own["deep/logit/kernel/Adagrad"])


def test_each_ps_reads_its_own_part(earlier):
    cluster = {"ps": ["ps0:1", "ps1:1", "ps2:1"], "chief": ["chief:1"]}
    device = tf.compat.v1.train.replica_device_setter(
        cluster=cluster, worker_device="/job:chief/task:0"
    )
    with tf.Graph().as_default() as graph, tf.device(device):
        _logits(tf.zeros([1, 2], tf.int64), {"parts": 3})
        warm_start.load(str(earlier[1]), lambda line: None)
        parts = [v for v in tf.compat.v1.global_variables() if "table" in v.name]
        devices = [(v.device, _restore_of(v, graph).device) for v in parts]
    assert devices == [
        ("/job:ps/task:%d" % i, "/job:ps/task:%d/device:CPU:0" % i) for i in range(3)
    ]


def _restore_of(variable, graph):
    op = graph.as_graph_element(variable.initializer).op
    while op.type != "RestoreV2":
        op = op.inputs[-1].op
    return op


def _load(path, **params):
    with tf.Graph().as_default():
        _logits(tf.zeros([1, 2], tf.int64), params)
        return warm_start.load(str(path), lambda line: None)


def test_missing_checkpoint_is_refused_with_its_path(earlier):
    path = str(earlier[1] / "model.ckpt-7")
    with pytest.raises(ValueError, match="expected a checkpoint, got none") as e:
        _load(path)
    assert str(e.value).startswith(path + ": ")


def test_folder_without_a_checkpoint_is_refused_with_its_path(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with a checkpoint, got") as e:
        _load(tmp_path)
    assert str(e.value).startswith("%s: " % tmp_path)


def test_checkpoint_without_a_table_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("other", [2])
        session.run(tf.compat.v1.global_variables_initializer())
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    want = r"model.ckpt: expected embedding/table of shape \[12, 3\], got none; .*table_rows"
    with pytest.raises(ValueError, match=want):
        _load(path)


@pytest.mark.parametrize(
    "params, text",
    [
        pytest.param({"rows": 13}, r"\[13, 3\]", id="rows"),
        pytest.param({"dim": 4}, r"\[12, 5\]", id="dim"),
    ],
)
def test_table_of_another_shape_is_refused_with_a_hint(earlier, params, text):
    want = r"model.ckpt-5: expected embedding/table of shape %s, got \[12, 3\]; a warm start needs"
    with pytest.raises(ValueError, match=(want + " the table_rows and embedding_dim") % text):
        _load(earlier[1], parts=3, **params)


def test_graph_without_a_table_is_refused(earlier):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="graph: expected a trainable"):
        warm_start.load(str(earlier[1]), lambda line: None)
