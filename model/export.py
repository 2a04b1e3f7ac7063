"""Checkpoint to SavedModel, which takes raw Criteo lines or the cells of a sparse tensor."""

import json
import os
import shutil
import tempfile
import time
from typing import Any, Dict, NamedTuple

import tensorflow as tf

from data_pipeline import text_ops, wire_ops
from model import deepfm

SERVING_SIGNATURE = tf.compat.v1.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
ROWS_SIGNATURE = "rows"
# Beside the model, where TF keeps files that no op reads.
FACTS_PATH = os.path.join("assets.extra", "training.json")

# Names by which services written for older packages find their tensors. Source: the guide's
# model_service.py and the signature that Estimator derived from a sparse feature named "fea1".
_CELL_OPS = ("Placeholder", "Placeholder_1", "Placeholder_2")
_CELL_INPUTS = ("_c_indices_fea1", "_c_values_fea1", "_c_dense_shape_fea1")
_PROBABILITY_OP = "Sigmoid"


class ServingInput(NamedTuple):
    """The inputs of a serving graph and what they decode to.

    Attributes:
      rows: string [n], placeholder.
      cells: Name in the signature to tensor: indices int64 [m, 3], values int64 [m] and dense_shape
        int64 [3]. Made from `rows`, unless they are fed.
      features: As for feature_transform.row_ids, made from `cells`.
    """

    rows: tf.Tensor
    cells: Dict[str, tf.Tensor]
    features: Dict[str, tf.Tensor]


def serving_input() -> ServingInput:
    """Adds the inputs of both signatures to the default graph, which has no such names yet."""
    rows = tf.compat.v1.placeholder(tf.string, [None], name="rows")
    decoded = text_ops.decode(rows)
    encoded = wire_ops.encode(decoded["dense"], decoded["sparse"], decoded["missing"])
    # tf.identity could be fed as well, but TF optimises no graph in which such an op is fed: it
    # would be slower and, with its matrix products not fused, differ in the last bit.
    cells = [
        tf.compat.v1.placeholder_with_default(cell, cell.shape, name=name)
        for cell, name in zip(encoded, _CELL_OPS)
    ]
    return ServingInput(rows, dict(zip(_CELL_INPUTS, cells)), wire_ops.decode(*cells))


def export_saved_model(
    checkpoint_path: str,
    model_config: deepfm.ModelConfig,
    export_base_dir: str,
    facts: Dict[str, Any],
) -> str:
    """Writes a SavedModel to a new folder, which appears complete or not at all.

    Both signatures give PROBABILITIES and LOGITS, float32 [n, 1], for any n:
      serving_default: the cells of ServingInput.
      rows: "rows" string [n], raw lines with or without the label column.

    Args:
      checkpoint_path: As tf.train.latest_checkpoint gives it.
      model_config: That of the training.
      export_base_dir: Made where it does not exist.
      facts: What to tell about the training, JSON values; written to FACTS_PATH together with the
        model's configuration and step.

    Returns:
      The folder, export_base_dir/<Unix time in seconds>.

    Raises:
      ValueError: There is no such checkpoint.
      tf.errors.OpError: The checkpoint is of another model configuration.
    """
    os.makedirs(export_base_dir, exist_ok=True)
    parent = tempfile.mkdtemp(prefix=".export-", dir=export_base_dir)
    try:
        folder = os.path.join(parent, "model")
        step = _write_model(checkpoint_path, model_config, folder)
        _write_facts(folder, dict(facts, model=model_config._asdict(), global_step=step))
        return _publish(folder, export_base_dir)
    finally:
        shutil.rmtree(parent)


def _write_model(checkpoint_path: str, model_config: deepfm.ModelConfig, folder: str) -> int:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        global_step = tf.compat.v1.train.create_global_step()
        inputs = serving_input()
        logits = deepfm.tower(inputs.features, model_config, training=False, num_partitions=1)
        outputs = {
            deepfm.PROBABILITIES: tf.sigmoid(logits, name=_PROBABILITY_OP),
            deepfm.LOGITS: logits,
        }
        _check_names(list(inputs.cells.values()) + [outputs[deepfm.PROBABILITIES]])
        saver = tf.compat.v1.train.Saver()
        saver.restore(session, checkpoint_path)
        builder = tf.compat.v1.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map={
                SERVING_SIGNATURE: _signature(inputs.cells, outputs),
                ROWS_SIGNATURE: _signature({"rows": inputs.rows}, outputs),
            },
            saver=saver,
            strip_default_attrs=True,
        )
        builder.save()
        return int(session.run(global_step))


def _check_names(tensors: list) -> None:
    names = [tensor.name for tensor in tensors]
    expected = ["%s:0" % op for op in _CELL_OPS + (_PROBABILITY_OP,)]
    assert names == expected, "an op took one of the names %s: got %s" % (expected, names)


def _signature(inputs: Dict[str, tf.Tensor], outputs: Dict[str, tf.Tensor]) -> Any:
    return tf.compat.v1.saved_model.predict_signature_def(inputs, outputs)


def _write_facts(folder: str, facts: Dict[str, Any]) -> None:
    path = os.path.join(folder, FACTS_PATH)
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as output:
        json.dump(facts, output, indent=2, sort_keys=True)
        output.write("\n")


def _publish(folder: str, export_base_dir: str) -> str:
    """Renames `folder` to the time in seconds, or to the next second that is still free."""
    timestamp = int(time.time())
    while True:
        path = os.path.join(export_base_dir, str(timestamp))
        try:
            os.rename(folder, path)
            return path
        except OSError:
            if not os.path.exists(path):
                raise
        timestamp += 1
