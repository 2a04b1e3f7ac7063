r"""DeepFMService: answers click-through requests with an exported DeepFM.

Stands alone, because it is uploaded as a single file beside the model: it imports only the
standard library, numpy, tensorflow and tiinfer, and runs on Python 3.6 as well as 3.7. The
columns and the value encoding are therefore written down here a second time; the test holds
them equal to //data_pipeline.

A request is one JSON object in one of three forms (other keys are ignored):

    {"indexes": [[row, field, 0], ...], "values": [...], "samples": n, "labels": [[y], ...]}
    {"rows": ["<label>\t<I1>\t...\t<C26>", ...]}
    {"instances": [{"label": 0, "I1": 3, "C1": "68fd1e64"}, ...]}

Labels are optional, for all rows or none; a cell that is absent, empty or null is missing.
The answer is {"auc": float or null, "prediction": [[p], ...]}; to `instances` it repeats the
predictions under "predictions", the key that clients of that form read.
"""

import logging
import os
import re
import reprlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

# Not `from tiinfer import Model`: tiinfer takes the alphabetically first subclass of
# tiinfer.Model that it finds in this module, and would take the bare base class.
import tiinfer

NUM_DENSE = 13
NUM_SPARSE = 26
NUM_FIELDS = NUM_DENSE + NUM_SPARSE
FIELD_NAMES = tuple(
    ["I%d" % i for i in range(1, NUM_DENSE + 1)] + ["C%d" % i for i in range(1, NUM_SPARSE + 1)]
)
INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
UINT32_MAX = 2**32 - 1

# On the wire an integer of dense field i (from 0) travels as integer + DENSE_OFFSETS[i], and a
# category as its 32 bits. All wire values are positive, so -1 can mark a missing cell below.
DENSE_OFFSETS = tuple((i + 1) * 0xFFFFFFFF for i in range(NUM_DENSE))
_MISSING = -1
_LOWEST = np.array([offset + INT32_MIN for offset in DENSE_OFFSETS] + [0] * NUM_SPARSE)
_HIGHEST = np.array([offset + INT32_MAX for offset in DENSE_OFFSETS] + [UINT32_MAX] * NUM_SPARSE)

# `samples` alone decides how much memory a request takes, whatever its size in bytes.
MAX_SAMPLES = 100000

SIGNATURE = "serving_default"
INPUTS = ("_c_indices_fea1", "_c_values_fea1", "_c_dense_shape_fea1")
OUTPUT = "probabilities"

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,9}")
_CATEGORY = re.compile(r"[0-9a-f]{8}")
_logger = logging.getLogger(__name__)


class InvalidRequestError(ValueError):
    """The request does not fit; the text is one line for the client: expected what, got what.

    A server that knows HTTP answers with `http_code`; under tiinfer it is an exception like
    any other.
    """

    http_code = 400


class ModelError(Exception):
    """The model folder does not hold one SavedModel that this service can run."""


class DeepFMService(tiinfer.Model):
    """Serves the one SavedModel below `model_dir`; thread-safe once loaded."""

    def __init__(self, model_dir: str = "") -> None:
        super().__init__(model_dir)
        self._run = None  # type: Optional[Callable[..., np.ndarray]]

    def load(self) -> bool:
        """Loads the model; says in the log why when it returns False."""
        try:
            path = find_saved_model(self.model_dir)
            self._run = _load_callable(path)
        except ModelError as error:
            _logger.error("%s", error)
            return False
        except Exception:  # The border to the platform, which only understands a boolean.
            _logger.exception("cannot load the SavedModel below %r", self.model_dir)
            return False
        _logger.info("serving %s", path)
        return True

    def preprocess(self, request: Any) -> Dict[str, Any]:
        """Turns any of the three forms into the tensors of the wire form.

        Needs no loaded model, and its result can be pickled: tiinfer may run it elsewhere.

        Returns:
          "form" (which of the three), "labels" float64 [n] or None, "indices" int64 [cells, 3],
          "values" int64 [cells], "dense_shape" int64 [3].

        Raises:
          InvalidRequestError: the request is of none of the forms.
        """
        if not isinstance(request, dict):
            raise _invalid("request", "a JSON object", _shown(request))
        forms = [form for form in _FORMS if form in request]
        if len(forms) != 1:
            wanted = 'exactly one of "indexes", "rows" and "instances"'
            raise _invalid("request", wanted, _shown(sorted(request)))
        return dict(_FORMS[forms[0]](request), form=forms[0])

    def predict(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Runs the model: adds "probabilities", float32 [n, 1], to "form" and "labels"."""
        if self._run is None:
            raise RuntimeError("predict before a successful load()")
        probabilities = self._run(request["indices"], request["values"], request["dense_shape"])
        samples = int(request["dense_shape"][0])
        if probabilities.shape != (samples, 1) or not np.isfinite(probabilities).all():
            raise RuntimeError("the model gave no %d finite probabilities" % samples)
        return {
            "form": request["form"],
            "labels": request["labels"],
            "probabilities": probabilities,
        }

    def postprocess(self, request: Dict[str, Any]) -> Dict[str, Any]:
        """Makes the answer, of plain lists and floats, that is sent as JSON."""
        probabilities, labels = request["probabilities"], request["labels"]
        answer = {
            "auc": None if labels is None else auc(labels, probabilities[:, 0]),
            "prediction": probabilities.tolist(),
        }
        if request["form"] == "instances":
            answer["predictions"] = answer["prediction"]
        return answer


def find_saved_model(model_dir: str) -> str:
    """Finds the SavedModel folder below <model_dir>/model, or else below model_dir itself.

    Both depths occur: the platform publishes the model below model/, an export has it directly.

    Raises:
      ModelError: there is none, or more than one.
    """
    found = []  # type: List[str]
    for top in (os.path.join(model_dir, "model"), model_dir):
        found = found or sorted(
            folder
            for folder, _, files in os.walk(top)
            if "saved_model.pb" in files or "saved_model.pbtxt" in files
        )
    if len(found) != 1:
        got = ", ".join(found) or "none"
        raise ModelError("expected exactly one SavedModel below %s, got %s" % (model_dir, got))
    return found[0]


def _load_callable(path: str) -> Callable[..., np.ndarray]:
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True  # By default TF takes all the memory of the GPU.
    session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
    tags = [tf.saved_model.SERVING]
    signatures = tf.compat.v1.saved_model.load(session, tags, path).signature_def
    if SIGNATURE not in signatures:
        got = _shown(sorted(signatures))
        raise ModelError("%s: expected signature %r, got %s" % (path, SIGNATURE, got))
    signature = signatures[SIGNATURE]
    if not set(INPUTS) <= set(signature.inputs) or OUTPUT not in signature.outputs:
        got = "%s -> %s" % (sorted(signature.inputs), sorted(signature.outputs))
        raise ModelError("%s: expected %s -> %r, got %s" % (path, list(INPUTS), OUTPUT, got))
    feeds = [signature.inputs[name].name for name in INPUTS]
    return session.make_callable(signature.outputs[OUTPUT].name, feeds)


def auc(labels: np.ndarray, scores: np.ndarray) -> Optional[float]:
    """Returns the area under the ROC curve, or None unless both classes occur.

    Equal to sklearn.metrics.roc_auc_score to the last bit, and therefore summed as it does: the
    trapezoids of the curve without the points that lie on a straight line.

    Args:
      labels: float64 [n], each 0 or 1.
      scores: float [n], finite; the higher, the more likely a 1.
    """
    descending = np.unique(-scores, return_inverse=True)[1]
    ones = np.cumsum(np.bincount(descending, labels))
    zeros = np.cumsum(np.bincount(descending, 1.0 - labels))
    if not ones.size or not ones[-1] or not zeros[-1]:
        return None
    if ones.size > 2:
        corners = (np.diff(ones, 2) != 0) | (np.diff(zeros, 2) != 0)
        kept = np.concatenate([[True], corners, [True]])
        ones, zeros = ones[kept], zeros[kept]
    true_positive_rate = np.concatenate([[0.0], ones]) / ones[-1]
    false_positive_rate = np.concatenate([[0.0], zeros]) / zeros[-1]
    return float(np.trapz(true_positive_rate, false_positive_rate))


def _from_wire(request: Dict[str, Any]) -> Dict[str, Any]:
    samples = request.get("samples")
    if type(samples) is not int or not 0 <= samples <= MAX_SAMPLES:
        wanted = "a number of rows from 0 to %d" % MAX_SAMPLES
        raise _invalid("samples", wanted, _shown(samples))
    indices = _integers("indexes", request["indexes"], (3,))
    values = _integers("values", request.get("values"), ())
    if len(values) != len(indices):
        raise _invalid("values", "one per index, %d" % len(indices), "%d" % len(values))
    _check_cells(indices, values, samples)
    labels = None if request.get("labels") is None else _labels(request["labels"], samples)
    return _tensors(labels, indices, values, samples)


def _integers(name: str, value: Any, row_shape: Tuple[int, ...]) -> np.ndarray:
    if value == []:
        return np.zeros((0,) + row_shape, np.int64)
    array = _array(value)
    if array.dtype.kind != "i" or array.ndim == 0 or array.shape[1:] != row_shape:
        wanted = "a list of %s" % ("[row, field, 0]" if row_shape else "integers below 2^63")
        raise _invalid(name, wanted, _described(value, array))
    return array.astype(np.int64, copy=False)


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, OverflowError):  # Ragged lists, in some versions of numpy; 1e400.
        return np.array(None)


def _described(value: Any, array: np.ndarray) -> str:
    if array.ndim == 0 or array.dtype.kind == "O":
        return _shown(value)
    return "%s %s, %s" % (array.dtype, list(array.shape), _shown(value))


def _check_cells(indices: np.ndarray, values: np.ndarray, samples: int) -> None:
    rows, fields, zeros = indices.T
    outside = (rows < 0) | (rows >= samples) | (fields < 0) | (fields >= NUM_FIELDS) | (zeros != 0)
    if outside.any():
        i = int(outside.argmax())
        wanted = "[row below %d, field below %d, 0]" % (samples, NUM_FIELDS)
        raise _invalid("indexes[%d]" % i, wanted, _shown(indices[i].tolist()))
    outside = (values < _LOWEST[fields]) | (values > _HIGHEST[fields])
    if outside.any():
        i = int(outside.argmax())
        field = int(fields[i])
        wanted = "%d to %d in field %d" % (_LOWEST[field], _HIGHEST[field], field)
        raise _invalid("values[%d]" % i, wanted, "%d" % values[i])
    cells = np.bincount(rows * NUM_FIELDS + fields, minlength=1)
    if cells.max() > 1:
        row, field = divmod(int(cells.argmax()), NUM_FIELDS)
        got = "%d for row %d, field %d" % (cells.max(), row, field)
        raise _invalid("indexes", "at most one value per cell", got)


def _labels(value: Any, samples: int) -> np.ndarray:
    array = np.zeros((0, 1)) if value == [] else _array(value)
    wanted = "[[0 or 1], ...], one for each of %d rows" % samples
    if array.dtype.kind not in "bif" or array.shape not in ((samples, 1), (samples,)):
        raise _invalid("labels", wanted, _described(value, array))
    labels = array.astype(np.float64).reshape(-1)
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        i = int(wrong.argmax())
        raise _invalid("labels[%d]" % i, "0 or 1", repr(float(labels[i])))
    return labels


def _from_rows(request: Dict[str, Any]) -> Dict[str, Any]:
    labels = []  # type: List[Optional[float]]
    cells = []  # type: List[List[int]]
    for i, line in enumerate(_records(request, "rows")):
        where = "rows[%d]" % i
        columns = line.split("\t") if isinstance(line, str) else []
        if len(columns) not in (NUM_FIELDS, NUM_FIELDS + 1):
            wanted = "a line of %d columns, or %d with the label" % (NUM_FIELDS, NUM_FIELDS + 1)
            got = "%d columns" % len(columns) if columns else _shown(line)
            raise _invalid(where, wanted, got)
        labels.append(_label(where, columns.pop(0)) if len(columns) > NUM_FIELDS else None)
        cells.append(_row(where, columns))
    return _from_cells(labels, cells)


def _from_instances(request: Dict[str, Any]) -> Dict[str, Any]:
    labels = []  # type: List[Optional[float]]
    cells = []  # type: List[List[int]]
    for i, instance in enumerate(_records(request, "instances")):
        where = "instances[%d]" % i
        if not isinstance(instance, dict):
            raise _invalid(where, "an object of named columns", _shown(instance))
        unknown = sorted(set(instance) - set(FIELD_NAMES) - {"label"})
        if unknown:
            raise _invalid(where, "columns label, I1..I13, C1..C26", _shown(unknown))
        label = instance.get("label")
        labels.append(None if label is None else _label(where, label))
        cells.append(_row(where, [instance.get(name) for name in FIELD_NAMES]))
    return _from_cells(labels, cells)


def _records(request: Dict[str, Any], form: str) -> List[Any]:
    records = request[form]
    if not isinstance(records, list) or len(records) > MAX_SAMPLES:
        got = "%d" % len(records) if isinstance(records, list) else _shown(records)
        raise _invalid(form, "a list of at most %d" % MAX_SAMPLES, got)
    return records


def _label(where: str, cell: Any) -> float:
    if isinstance(cell, (str, int, float)) and cell in ("0", "1", 0, 1):
        return float(cell)
    raise _invalid("%s, label" % where, "0 or 1", _shown(cell))


def _row(where: str, columns: Sequence[Any]) -> List[int]:
    row = []
    for field, cell in enumerate(columns):
        if cell is None or cell == "":
            value = _MISSING  # type: Optional[int]
        else:
            value = _integer(field, cell) if field < NUM_DENSE else _category(cell)
        if value is None:
            wanted = "an int32" if field < NUM_DENSE else "8 lower-case hexadecimal digits"
            raise _invalid("%s, %s" % (where, FIELD_NAMES[field]), wanted, _shown(cell))
        row.append(value)
    return row


def _integer(field: int, cell: Any) -> Optional[int]:
    """Returns the wire value of an int32, given as text or as a JSON number; None if it is not."""
    if isinstance(cell, str) and _INTEGER.fullmatch(cell):
        number = int(cell)
    elif type(cell) is int or (isinstance(cell, float) and cell.is_integer()):
        number = int(cell)  # Whole floats too: pandas writes integer columns with gaps like that.
    else:
        return None
    return number + DENSE_OFFSETS[field] if INT32_MIN <= number <= INT32_MAX else None


def _category(cell: Any) -> Optional[int]:
    return int(cell, 16) if isinstance(cell, str) and _CATEGORY.fullmatch(cell) else None


def _from_cells(labels: List[Optional[float]], cells: List[List[int]]) -> Dict[str, Any]:
    unlabelled = [i for i, label in enumerate(labels) if label is None]
    if unlabelled and len(unlabelled) < len(labels):
        raise _invalid("labels", "one in every row or in none", "none in row %d" % unlabelled[0])
    grid = np.array(cells, np.int64).reshape(-1, NUM_FIELDS)
    rows, fields = np.nonzero(grid != _MISSING)
    indices = np.stack([rows, fields, np.zeros_like(rows)], axis=1)
    known = None if unlabelled else np.array(labels, np.float64)
    return _tensors(known, indices, grid[rows, fields], len(grid))


def _tensors(
    labels: Optional[np.ndarray], indices: np.ndarray, values: np.ndarray, samples: int
) -> Dict[str, Any]:
    return {
        "labels": labels,
        "indices": indices,
        "values": values,
        "dense_shape": np.array([samples, NUM_FIELDS, 1], np.int64),
    }


def _invalid(where: str, expected: str, got: str) -> InvalidRequestError:
    return InvalidRequestError("%s: expected %s, got %s" % (where, expected, got))


def _shown(value: Any) -> str:
    """Returns a short form of any JSON value; never the whole request, however deep."""
    return "nothing" if value is None else reprlib.repr(value)


# By the key that only this form has.
_FORMS = {
    "indexes": _from_wire,
    "rows": _from_rows,
    "instances": _from_instances,
}  # type: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]]
