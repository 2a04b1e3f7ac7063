"""Who keeps the embedding table and looks it up: TensorFlow, or tiacc_training.

tiacc_training comes only with the platform's own images, for Python 3.6 and GPUs; nobody here could
run it. Only what its documentation shows is used, tested against a fake module that has those
names. Source: "使用TI-ACC训练加速", section "TensorFlow+PS", of Tencent Cloud's documentation.
"""

import importlib
from typing import Any, List

import tensorflow as tf

from data_pipeline import errors
from model import embedding, hyper_parameters

_TIACC_MODULE = "tiacc_training.tensorflow"


def check(parameters: hyper_parameters.HyperParameters) -> None:
    """Raises InputError where the accelerator that was asked for is not installed."""
    if parameters.accelerator == hyper_parameters.TIACC:
        _tiacc()


def lookup(ids: tf.Tensor, parameters: hyper_parameters.HyperParameters, num_ps: int) -> tf.Tensor:
    """Returns the rows of distinct ids, of a table that it creates.

    Args:
      ids: int64 [u] in [0, table_rows), distinct.
      parameters: Say how large the table is, how it starts, and who keeps it.
      num_ps: Number of PS tasks, 0 for none.

    Returns:
      float32 [u, embedding_dim + 1]; the last column holds the first-order weights.

    Raises:
      InputError: The accelerator is not installed.
    """
    if parameters.accelerator == hyper_parameters.TIACC:
        return _tiacc_lookup(ids, parameters, num_ps)
    table = embedding.table(
        parameters.table_rows,
        parameters.embedding_dim,
        max(1, num_ps),
        parameters.initial_range,
        parameters.seed,
    )
    return embedding.lookup(table, ids)


def _tiacc_lookup(
    ids: tf.Tensor, parameters: hyper_parameters.HyperParameters, num_ps: int
) -> tf.Tensor:
    tiacc = _tiacc()
    table = tiacc.get_variable(
        name="table",
        devices=_devices(num_ps),
        initializer=tf.compat.v1.random_uniform_initializer(
            -parameters.initial_range, parameters.initial_range, parameters.seed
        ),
        dim=parameters.embedding_dim + 1,
    )
    # One id a row, so that it does not matter how ids of a row are combined.
    count = tf.shape(ids, out_type=tf.int64)[0]
    rows = tf.range(count, dtype=tf.int64)
    sparse_ids = tiacc.SparseTensor(
        indices=tf.stack([rows, tf.zeros_like(rows)], axis=1),
        values=ids,
        dense_shape=tf.stack([count, 1]),
    )
    # The text names tiacc's own function, the sample calls TensorFlow's.
    function = getattr(tiacc, "embedding_lookup_sparse", tf.nn.embedding_lookup_sparse)
    found = function(params=table, sp_ids=sparse_ids, name="lookup")
    return tf.ensure_shape(found, [None, parameters.embedding_dim + 1])


def _devices(num_ps: int) -> List[str]:
    """In the form of the documentation, which has no example without PS."""
    if not num_ps:
        return ["/job:localhost/replica:0/task:0/CPU:0"]
    return ["/job:ps/replica:0/task:%d/CPU:0" % index for index in range(num_ps)]


def _tiacc() -> Any:
    try:
        return importlib.import_module(_TIACC_MODULE)
    except ImportError as e:
        raise errors.InputError(
            "accelerator tiacc: expected the package tiacc_training, which only the platform's "
            "image ti-acc1.0-tf1.15-py3.6-cuda10.0-gpu has, got: %s; accelerator native needs "
            "nothing" % e
        ) from e
