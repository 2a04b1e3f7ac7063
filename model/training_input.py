"""Batches as a dataset whose table rows are made ahead of the training step."""

from typing import Callable, Iterator

import tensorflow as tf

from data_pipeline import inputs, kernel, schema
from model import distinct_ids, hyper_parameters

_PREFETCHED_BATCHES = 4


def dataset(
    batches: Callable[[], Iterator[kernel.Batch]], parameters: hyper_parameters.HyperParameters
) -> tf.data.Dataset:
    """Returns ({"ids": int64 [u], "positions": int32 [n, 39]}, label float32 [n, 1]).

    With numeric_inputs, "dense" and "missing" are there as well, as of inputs.features().

    Args:
      batches: Called once for each pass over the dataset.
      parameters: Say how cells become table rows; deepfm.cells gives the same in the graph.
    """

    def generate() -> Iterator[tuple]:
        for batch in batches():
            cells = distinct_ids.of(batch, parameters.table_rows, parameters.missing_integers)
            features = dict(cells._asdict())
            if parameters.numeric_inputs:
                features.update(dense=batch.dense, missing=batch.missing)
            yield features, batch.label

    features = {
        "ids": tf.TensorSpec([None], tf.int64),
        "positions": tf.TensorSpec([None, schema.NUM_FIELDS], tf.int32),
    }
    if parameters.numeric_inputs:
        raw = inputs.features()
        features.update(dense=raw["dense"], missing=raw["missing"])
    specs = (features, inputs.label())
    types = tf.nest.map_structure(lambda spec: spec.dtype, specs)
    shapes = tf.nest.map_structure(lambda spec: spec.shape, specs)
    return tf.data.Dataset.from_generator(generate, types, shapes).prefetch(_PREFETCHED_BATCHES)
