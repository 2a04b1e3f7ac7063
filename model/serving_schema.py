"""What a client of an exported model must know: its tensors, the columns, how values travel."""

from typing import Any, Dict, NamedTuple, Tuple, Union

import tensorflow as tf

from data_pipeline import schema, wire
from model import deepfm, hyper_parameters

SERVING_SIGNATURE = tf.compat.v1.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
ROWS_SIGNATURE = "rows"

# Of the probabilities, as services written for older packages know it. Source: the guide's
# model_service.py.
PROBABILITY_OP = "Sigmoid"

_FORMAT = 1

_MISSING_INTEGERS = {
    hyper_parameters.MISSING_OWN: "a missing integer is a value of its own; 0 means 0",
    hyper_parameters.MISSING_ZERO: "a missing integer is 0",
}


class Input(NamedTuple):
    """One input tensor.

    Attributes:
      key: In its signature.
      op: Name of the op in the graph; the tensor is its output 0.
      dtype: TensorFlow's name of the type.
      shape: A size, or a letter for any size, equal letters for equal sizes.
      content: For people.
    """

    key: str
    op: str
    dtype: str
    shape: Tuple[Union[int, str], ...]
    content: str


# Source of the names: the guide's model_service.py, which knows the ops, and the signature that
# Estimator derived from a sparse feature named "fea1", which has the keys.
CELL_INPUTS = (
    Input(
        "_c_indices_fea1",
        "Placeholder",
        "int64",
        ("m", 3),
        "row, field and 0 of each cell; any order, no cell twice; an absent cell is missing",
    ),
    Input("_c_values_fea1", "Placeholder_1", "int64", ("m",), "value of each cell; see kinds"),
    Input("_c_dense_shape_fea1", "Placeholder_2", "int64", (3,), "number of rows, 39, 1"),
)
ROWS_INPUT = Input("rows", "rows", "string", ("n",), "lines without their ends; see lines")


def document(parameters: hyper_parameters.HyperParameters, logits_name: str) -> Dict[str, Any]:
    """Returns all of it as JSON values.

    Args:
      parameters: Say how the graph makes table rows from cells.
      logits_name: Name of the logits' tensor; the others' names are constants.
    """
    outputs = {
        deepfm.PROBABILITIES: _tensor(PROBABILITY_OP + ":0", "float32", ("n", 1), "of a click"),
        deepfm.LOGITS: _tensor(logits_name, "float32", ("n", 1), "log odds of a click"),
    }
    return {
        "format": _FORMAT,
        "columns": [_column(position, column) for position, column in enumerate(schema.COLUMNS)],
        "kinds": {name: _kind(name, kind) for name, kind in schema.KINDS.items()},
        "lines": {
            "columns": [schema.NUM_FIELDS, schema.NUM_COLUMNS],
            "separator": "\t",
            "content": "columns in order of position, the label's may be left out; missing: empty",
        },
        "signatures": {
            SERVING_SIGNATURE: {"inputs": _inputs(*CELL_INPUTS), "outputs": outputs},
            ROWS_SIGNATURE: {"inputs": _inputs(ROWS_INPUT), "outputs": outputs},
        },
        "transform": {
            "table_rows": parameters.table_rows,
            "missing_integers": parameters.missing_integers,
            "content": _MISSING_INTEGERS[parameters.missing_integers],
        },
    }


def _column(position: int, column: schema.Column) -> Dict[str, Any]:
    entry = {"name": column.name, "kind": column.kind, "position": position}  # type: Dict[str, Any]
    if column.kind != schema.LABEL:
        entry.update(field=column.field, value_offset=int(wire.OFFSETS[column.field]))
    return entry


def _kind(name: str, kind: schema.Kind) -> Dict[str, Any]:
    entry = dict(kind._asdict())
    if name == schema.DENSE:
        entry.update(base=10, value="the integer + value_offset of its column")
    if name == schema.SPARSE:
        entry.update(base=16, value="the number that the digits are + value_offset of its column")
        entry.update(missing_value=schema.MISSING_CATEGORY)
    return entry


def _inputs(*inputs: Input) -> Dict[str, Any]:
    return {
        item.key: _tensor(item.op + ":0", item.dtype, item.shape, item.content) for item in inputs
    }


def _tensor(
    name: str, dtype: str, shape: Tuple[Union[int, str], ...], content: str
) -> Dict[str, Any]:
    return {"tensor": name, "dtype": dtype, "shape": list(shape), "content": content}
