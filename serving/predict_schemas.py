"""JSON schemas of predict requests and answers, in OpenAPI 3.0's dialect, and examples of each.

What a schema cannot say (as many values as indexes, each row below `samples`, labels for all rows
or for none) is said in words, and the service says it to who gets it wrong.
"""

from typing import Any, Dict, List, NamedTuple, Tuple

from data_pipeline import schema, wire

# Held equal to model_service's by the test: to import that would load TensorFlow.
MAX_ROWS = 100000

_LABEL = {"type": "number", "enum": [0, 1]}
_REQUESTS = ("WireRequest", "RowsRequest", "InstancesRequest")
# The key that only this form has.
_KEYS = ("indexes", "rows", "instances")

# Two rows with a few of their cells, the same ones in every form.
_EXAMPLE_ROWS: Tuple[Dict[str, Any], ...] = (
    {"label": 1, "I1": 3, "I4": -1, "C1": "68fd1e64", "C9": "a73ee510"},
    {"label": 0, "I2": 120, "C1": "05db9164", "C26": "0c7c1b0f"},
)


class Example(NamedTuple):
    """A request that can be sent as it is."""

    summary: str
    value: Dict[str, Any]


def requests() -> Dict[str, Any]:
    """Returns the schemas of the three forms and of "PredictRequest", which is any of them."""
    references = [{"$ref": "#/components/schemas/" + name} for name in _REQUESTS]
    return {
        "PredictRequest": {
            "description": "One of three forms. Keys that none of them has are ignored.",
            "oneOf": references,
        },
        "WireRequest": _form(
            "indexes",
            "The cells that are not missing, in any order, as the platform's guide sends them.",
            {
                "indexes": _indexes(),
                "values": _values(),
                "samples": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MAX_ROWS,
                    "description": "Number of rows.",
                },
                "labels": _labels(),
            },
            ["indexes", "values", "samples"],
        ),
        "RowsRequest": _form(
            "rows",
            "Lines of the Criteo data, as they are in its files.",
            {"rows": _list({"type": "string", "pattern": _line_pattern()}, _ROWS_TEXT)},
            ["rows"],
        ),
        "InstancesRequest": _form(
            "instances",
            "Rows of named columns, as TensorFlow Serving and KServe (v1) take them.",
            {"instances": _list({"$ref": "#/components/schemas/Instance"}, _INSTANCES_TEXT)},
            ["instances"],
        ),
        "Instance": _instance(),
    }


def answer() -> Dict[str, Any]:
    """Returns the schema of "PredictResponse"."""
    probabilities: Dict[str, Any] = {
        "type": "array",
        "maxItems": MAX_ROWS,
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {"type": "number", "format": "float", "minimum": 0, "maximum": 1},
        },
    }
    return {
        "type": "object",
        "required": ["auc", "prediction"],
        "additionalProperties": False,
        "properties": {
            "auc": {
                "type": "number",
                "format": "double",
                "nullable": True,
                "minimum": 0,
                "maximum": 1,
                "description": "Area under the ROC curve of these rows; null without labels, or "
                "where all of them are equal.",
            },
            "prediction": dict(probabilities, description="[probability] of each row, in order."),
            "predictions": dict(
                probabilities, description="The same, in the answer to `instances` only."
            ),
        },
    }


def examples() -> Dict[str, Example]:
    """Returns an example of each form, all of the same rows; the first one is the shortest."""
    return {
        "instances": Example("named columns", {"instances": [dict(row) for row in _EXAMPLE_ROWS]}),
        "rows": Example("Criteo lines", {"rows": [_line(row) for row in _EXAMPLE_ROWS]}),
        "wire": Example("indexes and values", _wire_request()),
    }


def example_answer() -> Dict[str, Any]:
    """Returns what a model may answer to the examples."""
    return {"auc": 1.0, "prediction": [[0.3125], [0.125]]}


def _form(
    key: str, description: str, properties: Dict[str, Any], required: List[str]
) -> Dict[str, Any]:
    others = [{"required": [other]} for other in _KEYS if other != key]
    return {
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
        "not": {"anyOf": others},
    }


def _list(items: Dict[str, Any], description: str) -> Dict[str, Any]:
    return {"type": "array", "maxItems": MAX_ROWS, "items": items, "description": description}


_ROWS_TEXT = (
    "%d columns separated by tabs, I1 to I%d and C1 to C%d, empty where missing; in front of them "
    "the label, in all rows or in none." % (schema.NUM_FIELDS, schema.NUM_DENSE, schema.NUM_SPARSE)
)
_INSTANCES_TEXT = "Columns that are absent or null are missing. Labels: in all rows or in none."


def _indexes() -> Dict[str, Any]:
    return {
        "type": "array",
        "items": {
            "type": "array",
            "minItems": 3,
            "maxItems": 3,
            "items": {"type": "integer", "minimum": 0, "maximum": MAX_ROWS - 1},
        },
        "description": "[row, field, 0] of each cell: row below `samples`, field 0 to %d for I1 to "
        "I%d and %d to %d for C1 to C%d. A cell that is absent is missing; none comes twice."
        % (
            schema.NUM_DENSE - 1,
            schema.NUM_DENSE,
            schema.NUM_DENSE,
            schema.NUM_FIELDS - 1,
            schema.NUM_SPARSE,
        ),
    }


def _values() -> Dict[str, Any]:
    return {
        "type": "array",
        "items": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": int(wire.OFFSETS.max()) + schema.INT32_MAX,
        },
        "description": "One for each of `indexes`: of field f below %d the int32 plus "
        "(f + 1) * %d, of the others the 32 bits of the category."
        % (schema.NUM_DENSE, wire.OFFSETS[0]),
    }


def _labels() -> Dict[str, Any]:
    column = {"type": "array", "minItems": 1, "maxItems": 1, "items": _LABEL}
    return {
        "nullable": True,
        "oneOf": [
            {"type": "array", "maxItems": MAX_ROWS, "minItems": 1, "items": column},
            {"type": "array", "maxItems": MAX_ROWS, "items": _LABEL},
        ],
        "description": "[[0 or 1], ...] or [0 or 1, ...], one for each row; may be left out.",
    }


def _instance() -> Dict[str, Any]:
    properties: Dict[str, Any] = {"label": dict(_LABEL, nullable=True, enum=[0, 1, None])}
    for column in schema.COLUMNS:
        kind = schema.KINDS[column.kind]
        if column.kind == schema.DENSE:
            properties[column.name] = {
                "type": "integer",
                "format": "int32",
                "minimum": kind.low,
                "maximum": kind.high,
                "nullable": True,
            }
        elif column.kind == schema.SPARSE:
            properties[column.name] = {
                "type": "string",
                "pattern": "^(%s)?$" % kind.form,
                "nullable": True,
            }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _line_pattern() -> str:
    """Returns the regular expression of a line with or without label, int32 range left aside."""
    label, dense, sparse = (
        schema.KINDS[kind].form for kind in (schema.LABEL, schema.DENSE, schema.SPARSE)
    )
    cells = r"((%s)?\t){%d}((%s)?\t){%d}(%s)?"
    return (r"^(%s\t)?" % label) + (
        cells % (dense, schema.NUM_DENSE, sparse, schema.NUM_SPARSE - 1, sparse) + "$"
    )


def _line(row: Dict[str, Any]) -> str:
    return "\t".join(str(row.get(column.name, "")) for column in schema.COLUMNS)


def _wire_request() -> Dict[str, Any]:
    indexes, values = [], []
    for i, row in enumerate(_EXAMPLE_ROWS):
        for column in schema.COLUMNS[1:]:
            cell = row.get(column.name)
            if cell is not None:
                number = int(cell, 16) if isinstance(cell, str) else cell
                indexes.append([i, column.field, 0])
                values.append(number + int(wire.OFFSETS[column.field]))
    labels = [[row["label"]] for row in _EXAMPLE_ROWS]
    return {
        "indexes": indexes,
        "values": values,
        "samples": len(_EXAMPLE_ROWS),
        "labels": labels,
    }
