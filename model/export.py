"""Checkpoint to SavedModel, which takes raw Criteo lines or the cells of a sparse tensor."""

import math
import os
import re
import shutil
import tempfile
import time
from typing import Any, Dict, NamedTuple, Optional

import tensorflow as tf
from google.protobuf import any_pb2  # type: ignore[import]  # has no stubs
from tensorflow.core.protobuf import saved_model_pb2

from data_pipeline import errors, text_ops, wire_ops
from model import checkpoint_record, code_digest, deepfm, hyper_parameters, serving_schema

# Assets of the model: what clients must know, and where it comes from.
SCHEMA_PATH = os.path.join(tf.saved_model.ASSETS_DIRECTORY, "schema.json")
FACTS_PATH = os.path.join(tf.saved_model.ASSETS_DIRECTORY, checkpoint_record.NAME)

# What an evaluation's record has beside metrics.
_NO_METRICS = ("checkpoint", "global_step", "index_sha256")


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
    rows = tf.compat.v1.placeholder(tf.string, [None], name=serving_schema.ROWS_INPUT.op)
    decoded = text_ops.decode(rows)
    encoded = wire_ops.encode(decoded["dense"], decoded["sparse"], decoded["missing"])
    # tf.identity could be fed as well, but TF optimises no graph in which such an op is fed: it
    # would be slower and, with its matrix products not fused, differ in the last bit.
    cells = [
        tf.compat.v1.placeholder_with_default(cell, cell.shape, name=item.op)
        for cell, item in zip(encoded, serving_schema.CELL_INPUTS)
    ]
    keys = [item.key for item in serving_schema.CELL_INPUTS]
    return ServingInput(rows, dict(zip(keys, cells)), wire_ops.decode(*cells))


def export_saved_model(
    checkpoint_path: str,
    parameters: hyper_parameters.HyperParameters,
    export_base_dir: str,
    facts: Dict[str, Any],
    evaluation: Optional[Dict[str, Any]] = None,
) -> str:
    """Writes a SavedModel to a new folder, which appears complete or not at all.

    Both signatures give PROBABILITIES and LOGITS, float32 [n, 1], for any n:
      serving_default: the cells of ServingInput.
      rows: "rows" string [n], raw lines with or without the label column.
    Equal arguments give equal files.

    Args:
      checkpoint_path: As tf.train.latest_checkpoint gives it.
      parameters: Those of the training.
      export_base_dir: Made where it does not exist.
      facts: What to tell about the training, JSON values, as checkpoint_record has them; written to
        FACTS_PATH together with the hyper-parameters, the step and the metrics.
      evaluation: The checkpoint's record in the history, if it was evaluated. Numbers that are not
        finite become null, as JSON has none.

    Returns:
      The folder, export_base_dir/<Unix time in seconds>.

    Raises:
      InputError: There is no such checkpoint, it is of other hyper-parameters, or it is not whole.
      ValueError, TypeError: A fact is no JSON value, or has a name of the record's own.
    """
    os.makedirs(export_base_dir, exist_ok=True)
    parent = tempfile.mkdtemp(prefix=".export-", dir=export_base_dir)
    try:
        folder = os.path.join(parent, "model")
        training = checkpoint_record.content(parameters, facts)
        training[checkpoint_record.METRICS] = _metrics(evaluation or {})
        # Other than the code of the training where a checkpoint is exported later on.
        training[checkpoint_record.EXPORT_CODE] = code_digest.sha256()
        _write_model(checkpoint_path, parameters, folder, training)
        return _publish(folder, export_base_dir)
    finally:
        shutil.rmtree(parent)


def _metrics(evaluation: Dict[str, Any]) -> Dict[str, Any]:
    return {
        name: value if math.isfinite(value) else None
        for name, value in evaluation.items()
        if name not in _NO_METRICS
    }


def _write_model(
    checkpoint_path: str,
    parameters: hyper_parameters.HyperParameters,
    folder: str,
    training: Dict[str, Any],
) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        global_step = tf.compat.v1.train.create_global_step()
        inputs = serving_input()
        outputs = _outputs(inputs, parameters)
        _check_names(inputs, outputs)
        saver = tf.compat.v1.train.Saver()
        _restore(saver, session, checkpoint_path)
        training[checkpoint_record.GLOBAL_STEP] = int(session.run(global_step))
        builder = tf.compat.v1.saved_model.Builder(folder)
        schema = serving_schema.document(parameters, outputs[deepfm.LOGITS].name)
        for path, content in ((SCHEMA_PATH, schema), (FACTS_PATH, training)):
            _add_asset(folder, path, checkpoint_record.to_bytes(content))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map=_signatures(inputs, outputs),
            saver=saver,
            strip_default_attrs=True,
        )
        builder.save()
    _write_canonically(os.path.join(folder, tf.saved_model.SAVED_MODEL_FILENAME_PB))


def _outputs(
    inputs: ServingInput, parameters: hyper_parameters.HyperParameters
) -> Dict[str, tf.Tensor]:
    cells = deepfm.cells(inputs.features, parameters)
    logits = deepfm.tower(cells, parameters, training=False, num_ps=0).logits
    return {
        deepfm.PROBABILITIES: tf.sigmoid(logits, name=serving_schema.PROBABILITY_OP),
        deepfm.LOGITS: logits,
    }


def _signatures(inputs: ServingInput, outputs: Dict[str, tf.Tensor]) -> Dict[str, Any]:
    rows = {serving_schema.ROWS_INPUT.key: inputs.rows}
    signature = tf.compat.v1.saved_model.predict_signature_def
    return {
        serving_schema.SERVING_SIGNATURE: signature(inputs.cells, outputs),
        serving_schema.ROWS_SIGNATURE: signature(rows, outputs),
    }


def _write_canonically(path: str) -> None:
    """Writes a SavedModel's graph again, without what differs between exports of one checkpoint.

    That is the order of entries, and two things that only gradients would need: the names of custom
    gradients, which count what the process did before, and the contexts of conditions.
    """
    model = saved_model_pb2.SavedModel()
    with open(path, "rb") as source:
        model.ParseFromString(source.read())
    for meta_graph in model.meta_graphs:
        meta_graph.collection_def.pop(tf.compat.v1.GraphKeys.COND_CONTEXT, None)
        for node in meta_graph.graph_def.node:
            node.attr.pop("_gradient_op_type", None)
    with open(path, "wb") as output:
        output.write(model.SerializeToString(deterministic=True))


def _check_names(inputs: ServingInput, outputs: Dict[str, tf.Tensor]) -> None:
    tensors = list(inputs.cells.values())
    tensors += [inputs.rows, outputs[deepfm.PROBABILITIES]]
    names = [tensor.name for tensor in tensors]
    ops = [item.op for item in serving_schema.CELL_INPUTS]
    ops += [serving_schema.ROWS_INPUT.op, serving_schema.PROBABILITY_OP]
    expected = ["%s:0" % op for op in ops]
    assert names == expected, "an op took one of the names %s: got %s" % (expected, names)


def _restore(
    saver: tf.compat.v1.train.Saver, session: tf.compat.v1.Session, checkpoint_path: str
) -> None:
    try:
        saved = tf.train.load_checkpoint(checkpoint_path).get_variable_to_shape_map()
        _check_variables(saved, checkpoint_path)
        saver.restore(session, checkpoint_path)
    except errors.InputError:
        raise
    except (tf.errors.OpError, ValueError) as e:
        raise errors.InputError(
            "%s: expected a checkpoint, got: %s" % (checkpoint_path, str(e).splitlines()[0])
        ) from e


def _check_variables(saved: Dict[str, Any], checkpoint_path: str) -> None:
    """The checkpoint has all variables of the graph, and no layer that the graph lacks."""
    wanted = {}
    for variable in tf.compat.v1.global_variables():
        # Checkpoints know the only part of a partitioned variable by the name of the whole.
        name = re.sub("/part_0$", "", variable.op.name)
        wanted[name] = variable.shape.as_list()
        if saved.get(name) != wanted[name]:
            raise _other_parameters(checkpoint_path, name, wanted[name], saved.get(name))
    scopes = {name.split("/")[0] for name in wanted if "/" in name}
    # The optimizer's variables are below those that they belong to, or in no scope.
    known = tuple(name + "/" for name in wanted)
    for name in sorted(saved):
        if name.split("/")[0] in scopes and not (name + "/").startswith(known):
            raise _other_parameters(checkpoint_path, name, None, saved[name])


def _other_parameters(
    checkpoint_path: str, name: str, expected: Optional[list], got: Optional[list]
) -> errors.InputError:
    shapes = ["none" if shape is None else str(shape) for shape in (expected, got)]
    return errors.InputError(
        "%s: not of these hyper-parameters: expected %s as variable %s, got %s"
        % (checkpoint_path, shapes[0], name, shapes[1])
    )


def _add_asset(folder: str, path: str, data: bytes) -> None:
    """Writes an asset and adds it to the default graph, as the builder would.

    The builder copies assets from the paths that it finds in the graph, and leaves these there: no
    two exports would be equal. No signature needs the op, so no request runs it.
    Source: tensorflow/python/saved_model/README.md, "Assets".
    """
    name = os.path.basename(path)
    asset = tf.compat.v1.MetaGraphDef().asset_file_def.add()
    asset.filename = name
    asset.tensor_info.name = tf.constant(name, name="asset").name
    packed = any_pb2.Any()
    packed.Pack(asset)
    tf.compat.v1.add_to_collection(tf.compat.v1.saved_model.constants.ASSETS_KEY, packed)
    os.makedirs(os.path.join(folder, tf.saved_model.ASSETS_DIRECTORY), exist_ok=True)
    with open(os.path.join(folder, path), "wb") as output:
        output.write(data)


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
