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
Hosts that decode requests themselves may put arrays in place of lists: DeepFMService.takes_arrays.
The answer is {"auc": float or null, "prediction": [[p], ...]}; to `instances` it repeats the
predictions under "predictions", the key that clients of that form read.
"""

import logging
import os
import re
import reprlib
from array import array
from itertools import chain
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

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
_VERSION = re.compile(r"[0-9]+")

# For the parsing of many cells at once. Less than 6 rows take longer than one after the other.
_MANY = 6
_LINES_AT_ONCE = 1024  # Each takes 5 kB of memory.
_COLUMNS = frozenset(FIELD_NAMES + ("label",))
_MAX_DIGITS = 10  # Of an int32.
_HEX_DIGITS = 8
_WINDOW = _MAX_DIGITS  # The most that is looked at beside a cell.
_HEX = np.full(256, 16, np.uint8)  # Digit to value; 16 marks what is none.
_HEX[[ord(digit) for digit in "0123456789abcdef"]] = np.arange(16)
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
    """Serves the SavedModel below `model_dir`; thread-safe once loaded.

    Attributes:
      takes_arrays: "indexes", "values" and "labels" may be arrays, too. So may "rows": int64
        [n, 39], the value of each cell in the wire form, or -1 where it is missing; then "labels"
        has those of the rows, float64 [n], if they have any.
      saved_model: The folder of the model, once loaded.
    """

    takes_arrays = True

    def __init__(self, model_dir: str = "") -> None:
        super().__init__(model_dir)
        self.saved_model = None  # type: Optional[str]
        self._run = None  # type: Optional[Callable[..., np.ndarray]]

    def load(self) -> bool:
        """Loads the model; says in the log why when it returns False."""
        try:
            path = find_saved_model(self.model_dir)
            self._run = _load_callable(path)
            self.saved_model = path
        except ModelError as error:
            _logger.error("%s", error)
            return False
        except Exception:  # The border to the platform, which only understands a boolean.
            _logger.exception("cannot load the SavedModel below %r", self.model_dir)
            return False
        _logger.info("serving %s", path)
        return True

    @staticmethod
    def warmup_request() -> Dict[str, Any]:
        """Returns a request that is answered, of one row; the first request takes far longer."""
        return {"indexes": [[0, 0, 0]], "values": [DENSE_OFFSETS[0]], "labels": [[0]], "samples": 1}

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

    Both depths occur: the platform publishes the model below model/, an export has it directly. Of
    versions, folders side by side whose names are digits, the highest one is taken. Hidden folders,
    in which exports are under way, do not count.

    Raises:
      ModelError: there is none, or more than one that are not versions.
    """
    found = []  # type: List[str]
    for top in (os.path.join(model_dir, "model"), model_dir):
        found = found or sorted(_saved_models(top))
    names = [os.path.basename(path) for path in found]
    is_versioned = len({os.path.dirname(path) for path in found}) == 1
    if is_versioned and all(_VERSION.fullmatch(name) for name in names):
        return max(found, key=lambda path: int(os.path.basename(path)))
    if len(found) != 1:
        got = ", ".join(found) or "none"
        raise ModelError("expected exactly one SavedModel below %s, got %s" % (model_dir, got))
    return found[0]


def _saved_models(top: str) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if "saved_model.pb" in files or "saved_model.pbtxt" in files:
            yield folder


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
    # Neither frozen variables nor one thread between ops made this faster: 512 rows of a model of
    # the default sizes take 10 ms of processor time, one row 0.6 ms.
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
    found = _plain_integers(value, row_shape) if isinstance(value, list) else None
    if found is None:
        found = _asarray(value)
    if found.dtype.kind != "i" or found.ndim == 0 or found.shape[1:] != row_shape:
        wanted = "a list of %s" % ("[row, field, 0]" if row_shape else "integers below 2^63")
        raise _invalid(name, wanted, _described(value, found))
    return found.astype(np.int64, copy=False)


def _plain_integers(value: List[Any], row_shape: Tuple[int, ...]) -> Optional[np.ndarray]:
    """Does what np.asarray does, in half the time, for lists of integers; else returns None."""
    try:
        if row_shape and not set(map(len, value)) <= {row_shape[0]}:
            return None
        integers = list(chain.from_iterable(value)) if row_shape else value
        if integers and type(integers[0]) is bool:
            return None  # Booleans alone are of another type, which is refused.
        return np.array(array("q", integers), np.int64).reshape((-1,) + row_shape)
    except (TypeError, OverflowError):
        return None


def _asarray(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, OverflowError):  # Ragged lists, in some versions of numpy; 1e400.
        return np.array(None)


def _described(value: Any, found: np.ndarray) -> str:
    if found.ndim == 0 or found.dtype.kind == "O":
        return _shown(value)
    return "%s %s, %s" % (found.dtype, list(found.shape), _shown(value))


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
    found = np.zeros((0, 1)) if isinstance(value, list) and not value else _asarray(value)
    wanted = "[[0 or 1], ...], one for each of %d rows" % samples
    if found.dtype.kind not in "bif" or found.shape not in ((samples, 1), (samples,)):
        raise _invalid("labels", wanted, _described(value, found))
    labels = found.astype(np.float64).reshape(-1)
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        i = int(wrong.argmax())
        raise _invalid("labels[%d]" % i, "0 or 1", repr(float(labels[i])))
    return labels


def _from_rows(request: Dict[str, Any]) -> Dict[str, Any]:
    rows = request["rows"]
    if isinstance(rows, np.ndarray):
        _check_count("rows", len(rows))
        return _from_grid(request.get("labels"), rows)
    records = _records(request, "rows")
    columns = records[0].count("\t") + 1 if records and isinstance(records[0], str) else 0
    return _from_plain_lines(records, columns) or _from_any_rows(records)


def _from_any_rows(records: List[Any]) -> Dict[str, Any]:
    labels = []  # type: List[Optional[float]]
    cells = []  # type: List[List[int]]
    for i, line in enumerate(records):
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
    records = _records(request, "instances")
    lines = _plain_lines(records) if len(records) >= _MANY else []
    is_labelled = bool(lines) and records[0].get("label") is not None
    return _from_plain_lines(lines, NUM_FIELDS + is_labelled) or _from_any_instances(records)


def _plain_lines(records: List[Any]) -> List[str]:
    """Returns a line for each instance, or none if one of them is not plain."""
    lines = []
    for record in records:
        if not isinstance(record, dict) or not record.keys() <= _COLUMNS:
            return []
        label = record.get("label")
        # Otherwise a label could be mistaken for a tab in a cell of another instance.
        if (label is None) != (records[0].get("label") is None):
            return []
        cells = [record.get(name) for name in FIELD_NAMES]
        texts = [] if label is None else [_text(label)]
        texts += [_text(cell) for cell in cells[:NUM_DENSE]]
        texts += ["" if cell is None else cell for cell in cells[NUM_DENSE:]]
        try:
            lines.append("\t".join(texts))
        except TypeError:  # A category that is no text, although it may look like one.
            return []
    return lines


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return "%d" % cell if type(cell) is float and cell.is_integer() else str(cell)


def _from_any_instances(records: List[Any]) -> Dict[str, Any]:
    labels = []  # type: List[Optional[float]]
    cells = []  # type: List[List[int]]
    for i, instance in enumerate(records):
        where = "instances[%d]" % i
        if not isinstance(instance, dict):
            raise _invalid(where, "an object of named columns", _shown(instance))
        unknown = sorted(set(instance) - _COLUMNS)
        if unknown:
            raise _invalid(where, "columns label, I1..I13, C1..C26", _shown(unknown))
        label = instance.get("label")
        labels.append(None if label is None else _label(where, label))
        cells.append(_row(where, [instance.get(name) for name in FIELD_NAMES]))
    return _from_cells(labels, cells)


def _from_plain_lines(lines: List[Any], columns: int) -> Optional[Dict[str, Any]]:
    """Parses lines by numpy, several times as fast as _from_any_rows.

    Returns:
      The tensors, or None unless there are many lines, all of so many columns and well-formed; what
      is wrong with them is for others to say.
    """
    if len(lines) < _MANY or columns not in (NUM_FIELDS, NUM_FIELDS + 1):
        return None
    grids = []
    for start in range(0, len(lines), _LINES_AT_ONCE):
        grid = _plain_grid(lines[start : start + _LINES_AT_ONCE], columns)
        if grid is None:
            return None
        grids.append(grid)
    grid = np.concatenate(grids)
    labels = grid[:, 0].astype(np.float64) if columns > NUM_FIELDS else None
    return _from_grid(labels, grid[:, columns - NUM_FIELDS :])


def _plain_grid(lines: List[Any], columns: int) -> Optional[np.ndarray]:
    """Returns the wire values of well-formed lines, and before them the labels if there are any."""
    try:
        text = "\n".join(lines).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        return None
    # Every window below begins and ends within the text and these.
    text = b"\n" * _WINDOW + text + b"\n" * _WINDOW
    chars = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((chars == ord("\t")) | (chars == ord("\n")))[_WINDOW - 1 : 1 - _WINDOW]
    if len(ends) - 1 != len(lines) * columns:
        return None
    starts, ends = ends[:-1].reshape(-1, columns) + 1, ends[1:].reshape(-1, columns)
    # As many newlines as lines, each in its place: no cell holds one.
    if (chars[ends[:, :-1]] != ord("\t")).any() or (chars[ends[:, -1]] != ord("\n")).any():
        return None
    dense, sparse = columns - NUM_FIELDS, columns - NUM_SPARSE
    parts = [
        _plain_labels(chars, starts[:, :dense], ends[:, :dense]),
        _plain_dense(chars, starts[:, dense:sparse], ends[:, dense:sparse]),
        _plain_categories(chars, starts[:, sparse:], ends[:, sparse:]),
    ]
    return None if any(part is None for part in parts) else np.concatenate(parts, axis=1)


def _plain_labels(chars: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Optional[np.ndarray]:
    """Returns the labels, or None if one is not 0 or 1."""
    labels = chars[starts].astype(np.int64) - ord("0")
    is_label = (ends - starts == 1) & ((labels == 0) | (labels == 1))
    return labels if is_label.all() else None


def _plain_dense(chars: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Optional[np.ndarray]:
    """Returns the wire values of integer cells, or None if one is not well-formed."""
    is_negative = chars[starts] == ord("-")
    lengths = ends - starts - is_negative
    is_missing = ends == starts
    if (lengths > _MAX_DIGITS).any() or (is_negative & (lengths == 0)).any():
        return None
    digits = chars[ends[..., np.newaxis] + np.arange(-_MAX_DIGITS, 0)] - np.uint8(ord("0"))
    digits[np.arange(_MAX_DIGITS, 0, -1) > lengths[..., np.newaxis]] = 0
    first = chars[starts + is_negative]
    if (digits > 9).any() or ((first == ord("0")) & (is_negative | (lengths > 1))).any():
        return None
    values = digits.astype(np.float64) @ 10.0 ** np.arange(_MAX_DIGITS - 1, -1, -1)
    values = np.where(is_negative, -values, values).astype(np.int64)
    if (values < INT32_MIN).any() or (values > INT32_MAX).any():
        return None
    return np.where(is_missing, _MISSING, values + np.array(DENSE_OFFSETS))


def _plain_categories(
    chars: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> Optional[np.ndarray]:
    """Returns the wire values of category cells, or None if one is not well-formed."""
    is_missing = ends == starts
    if (~is_missing & (ends - starts != _HEX_DIGITS)).any():
        return None
    digits = _HEX[chars[starts[..., np.newaxis] + np.arange(_HEX_DIGITS)]]
    values = digits.astype(np.float64) @ 16.0 ** np.arange(_HEX_DIGITS - 1, -1, -1)
    is_hex = (digits < 16).all(axis=-1)
    if (~is_missing & ~is_hex).any():
        return None
    return np.where(is_missing, _MISSING, values.astype(np.int64))


def _records(request: Dict[str, Any], form: str) -> List[Any]:
    records = request[form]
    if not isinstance(records, list):
        raise _invalid(form, "a list of at most %d" % MAX_SAMPLES, _shown(records))
    _check_count(form, len(records))
    return records


def _check_count(form: str, count: int) -> None:
    if count > MAX_SAMPLES:
        raise _invalid(form, "a list of at most %d" % MAX_SAMPLES, "%d" % count)


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
    is_text = isinstance(cell, str) and _INTEGER.fullmatch(cell)
    # Whole floats too: pandas writes integer columns with gaps like that.
    is_whole = isinstance(cell, float) and cell.is_integer()
    if not (is_text or is_whole or type(cell) is int):
        return None
    number = int(cell)
    return number + DENSE_OFFSETS[field] if INT32_MIN <= number <= INT32_MAX else None


def _category(cell: Any) -> Optional[int]:
    return int(cell, 16) if isinstance(cell, str) and _CATEGORY.fullmatch(cell) else None


def _from_cells(labels: List[Optional[float]], cells: List[List[int]]) -> Dict[str, Any]:
    unlabelled = [i for i, label in enumerate(labels) if label is None]
    if unlabelled and len(unlabelled) < len(labels):
        raise _invalid("labels", "one in every row or in none", "none in row %d" % unlabelled[0])
    known = None if unlabelled else np.array(labels, np.float64)
    return _from_grid(known, np.array(cells, np.int64).reshape(-1, NUM_FIELDS))


def _from_grid(labels: Optional[np.ndarray], grid: np.ndarray) -> Dict[str, Any]:
    """Makes the tensors of rows whose cells have their wire values, or _MISSING."""
    rows, fields = np.nonzero(grid != _MISSING)
    indices = np.stack([rows, fields, np.zeros_like(rows)], axis=1)
    return _tensors(labels, indices, grid[rows, fields], len(grid))


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
    if isinstance(value, np.ndarray):
        value = value[: reprlib.aRepr.maxlist + 1].tolist()  # As the list that it stands for.
    return "nothing" if value is None else reprlib.repr(value)


# By the key that only this form has.
_FORMS = {
    "indexes": _from_wire,
    "rows": _from_rows,
    "instances": _from_instances,
}  # type: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]]
