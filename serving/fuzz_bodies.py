"""Bodies of predict requests for the fuzz: good ones of every form, and each way to break one.

All functions take a random.Random and nothing else decides what they return.
"""

import json
import random
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from data_pipeline import schema, wire
from serving import predict_schemas

# Statuses that a body may be answered with.
GOOD = (200,)
BAD = (400,)
EITHER = (200, 400)

_OFFSETS = [int(offset) for offset in wire.OFFSETS]
_DEEPEST = 100000

# What damage puts in: bytes that mean something in JSON or in a line.
_LIKELY = b'{}[],:"\\\t\n 0123456789-+.eE\x00\xff\xc3tfnulrasNI'

# Of any type, none of them a number of rows, an index, a label or a line.
_JUNK: Tuple[Any, ...] = (
    *(True, False, -1, 1.5, 10**30, "", "x", "0", "\ud800", "\u2028", [], {}, [[]], [None]),
    *([[0]], [[0, 0]], [[0, 0, 0, 0]], [[0, 0, 0.5]], ["1"], [True], {"a": []}, [[], [1]]),
)
_WRONG_INTEGERS = ("+1", "01", "-0", "1.0", " 1", "1 ", "x", "1e3", "2147483648", "-2147483649")
_WRONG_CATEGORIES = ("ABCDEF01", "abc", "0x123456", "123456789", "abcdefg0", "\uff11" * 8, "nan")


class Body(NamedTuple):
    """The body of a request.

    Attributes:
      kind: What is special about it.
      data: Its bytes.
      statuses: What it may be answered with.
      rows: How many predictions the answer has if it is 200; None where that is open.
    """

    kind: str
    data: bytes
    statuses: Tuple[int, ...]
    rows: Optional[int] = None


# A request of one row, all of it missing.
WARM_UP = Body("warm_up", b'{"instances": [{}]}', GOOD, 1)


class _Row(NamedTuple):
    """A row of good cells, by field; the label is None in all rows of a request or in none."""

    label: Optional[int]
    cells: Dict[int, int]


def good(rng: random.Random) -> Body:
    """Returns a request that is answered."""
    rows = _rows(rng)
    form = rng.choice(list(_FORMS))
    return Body("good_" + form, _encode(rng, _FORMS[form](rng, rows)), GOOD, len(rows))


def broken(rng: random.Random) -> Body:
    """Returns a request of one of the forms with one thing wrong."""
    name = rng.choice(list(_BREAKERS))
    request = _BREAKERS[name](rng)
    statuses = EITHER if name in _MAY_BE_GOOD else BAD
    return Body(name, _encode(rng, request), statuses)


def damaged(rng: random.Random) -> Body:
    """Returns a good request with bytes changed, lost or doubled."""
    data = bytearray(good(rng).data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at : at + 1] = bytes([rng.choice(_LIKELY)])
        elif kind == 1:
            data[at:at] = bytes([rng.randrange(256)])
        elif kind == 2:
            del data[at : at + rng.randrange(1, 20)]
        else:
            data[at:at] = data[max(at - rng.randrange(1, 50), 0) : at]
    return Body("damaged", bytes(data), EITHER)


def not_json(rng: random.Random) -> Body:
    """Returns what is no JSON, or JSON of another encoding."""
    data = good(rng).data
    if rng.random() < 0.2:
        encoding = rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-16-le"))
        return Body("other_encoding", data.decode("ascii").encode(encoding), EITHER)
    garbage = rng.choice(
        (
            b"",
            data[: rng.randrange(len(data))],
            data + data,
            bytes(rng.randrange(256) for _ in range(rng.randrange(100))) + b"\xff",
            b"NaN",
            b"Infinity",
            b"'rows'",
            b"rows=" + data,
            b"<rows/>",
            b"\x00" * rng.randrange(1, 2000),
            b'{"rows": ["\xff\xfe"]}',
            b'{"rows": ["\t"]}',
        )
    )
    return Body("not_json", garbage, BAD)


def deep(rng: random.Random) -> Body:
    """Returns nested lists or objects, some deeper than any parser's stack."""
    depth = int(10 ** rng.uniform(1, 5)) if rng.random() < 0.5 else rng.randrange(10, 2000)
    start, end = rng.choice(((b"[", b"]"), (b'{"rows":', b"}"), (b'[{"a":', b"}]")))
    data = start * depth + (b"1" + end * depth if rng.random() < 0.7 else b"")
    around = rng.choice(
        (b"%s", b'{"rows":[%s]}', b'{"indexes":%s,"values":[],"samples":1}', b'{"instances":%s}')
    )
    return Body("deep", around % data, BAD)


def digits(rng: random.Random) -> Body:
    """Returns an integer of many digits, some more than Python reads (it takes quadratic time)."""
    number = rng.choice((b"", b"-")) + b"9" * int(10 ** rng.uniform(1.3, 6))
    bodies = (
        b'{"indexes":[[0,0,0]],"values":[%s],"samples":1}',
        b'{"indexes":[],"values":[],"samples":%s}',
        b'{"indexes":[[%s,0,0]],"values":[1],"samples":1}',
        b'{"instances":[{"I1":%s}]}',
        b'{"instances":[{"label":%s}]}',
        b"%s",
    )
    return Body("digits", rng.choice(bodies) % number, BAD)


def _rows(rng: random.Random) -> List[_Row]:
    count = rng.choice((0, 1, 1, 2, 3, 5, 8, 20))
    is_labelled = rng.random() < 0.5
    density = rng.choice((0.0, 0.1, 0.5, 1.0))
    rows = []
    for _ in range(count):
        fields = [field for field in range(schema.NUM_FIELDS) if rng.random() < density]
        label = rng.randrange(2) if is_labelled else None
        rows.append(_Row(label, {field: _cell(rng, field) for field in fields}))
    return rows


def _some_rows(rng: random.Random) -> List[_Row]:
    """Returns at least one row, with at least one cell of each kind in the first."""
    rows = _rows(rng) or [_Row(None, {})]
    for field in (rng.randrange(schema.NUM_DENSE), schema.NUM_DENSE):
        rows[0].cells.setdefault(field, _cell(rng, field))
    return rows


def _cell(rng: random.Random, field: int) -> int:
    if field >= schema.NUM_DENSE:
        return rng.choice((0, schema.UINT32_MAX, rng.getrandbits(32)))
    return rng.choice((0, -1, schema.INT32_MIN, schema.INT32_MAX, rng.randrange(1000)))


def _wire(rng: random.Random, rows: List[_Row]) -> Dict[str, Any]:
    cells = [
        ([i, field, 0], cell + _OFFSETS[field])
        for i, row in enumerate(rows)
        for field, cell in row.cells.items()
    ]
    rng.shuffle(cells)
    request: Dict[str, Any] = {
        "indexes": [index for index, _ in cells],
        "values": [value for _, value in cells],
        "samples": len(rows),
    }
    if rows and rows[0].label is not None:
        column = rng.random() < 0.7
        request["labels"] = [[row.label] if column else row.label for row in rows]
    return request


def _lines(rng: random.Random, rows: List[_Row]) -> Dict[str, Any]:
    return {"rows": ["\t".join(_columns(row)) for row in rows]}


def _columns(row: _Row) -> List[str]:
    label = [] if row.label is None else [str(row.label)]
    return label + [_text(row, field) for field in range(schema.NUM_FIELDS)]


def _text(row: _Row, field: int) -> str:
    if field not in row.cells:
        return ""
    return ("%d" if field < schema.NUM_DENSE else "%08x") % row.cells[field]


def _instances(rng: random.Random, rows: List[_Row]) -> Dict[str, Any]:
    instances = []
    for row in rows:
        instance: Dict[str, Any] = {}
        for field, cell in row.cells.items():
            is_dense = field < schema.NUM_DENSE
            name = schema.FIELD_NAMES[field]
            instance[name] = cell if is_dense and rng.random() < 0.7 else _text(row, field)
        if rng.random() < 0.2:
            instance.setdefault(rng.choice(schema.FIELD_NAMES), None)
        if row.label is not None:
            instance["label"] = row.label
        instances.append(instance)
    return {"instances": instances}


_FORMS: Dict[str, Callable[[random.Random, List[_Row]], Dict[str, Any]]] = {
    "wire": _wire,
    "rows": _lines,
    "instances": _instances,
}


def _encode(rng: random.Random, request: Any) -> bytes:
    """Returns JSON, with NaN where Python has it; its layout is the client's choice."""
    if isinstance(request, dict):
        items = list(request.items())
        rng.shuffle(items)
        request = dict(items)
        if rng.random() < 0.1:
            request["signature_name"] = rng.choice(_JUNK)
    text = json.dumps(
        request,
        indent=rng.choice((None, None, None, 1)),
        separators=rng.choice(((",", ":"), (", ", ": "))),
        ensure_ascii=rng.random() < 0.9,
    )
    return text.encode("utf-8", "surrogatepass")


# What is wrong with a request. Each takes a good one apart.


def _form_missing(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    del request[rng.choice(("indexes", "values", "samples"))]
    return request


def _form_twice(rng: random.Random) -> Any:
    rows = _rows(rng)
    first, second = rng.sample(list(_FORMS), 2)
    return dict(_FORMS[first](rng, rows), **_FORMS[second](rng, rows))


def _wrong_type(rng: random.Random) -> Any:
    request = _FORMS[rng.choice(list(_FORMS))](rng, _some_rows(rng))
    name = rng.choice(list(request))
    if isinstance(request[name], list) and request[name] and rng.random() < 0.6:
        request[name][rng.randrange(len(request[name]))] = rng.choice(_JUNK)
    else:
        request[name] = rng.choice(_JUNK)
    return request


def _no_object(rng: random.Random) -> Any:
    return rng.choice(_JUNK)


def _wrong_length(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    name = rng.choice(("values", "indexes"))
    if rng.random() < 0.5:
        request[name].pop()
    else:
        request[name].append(request[name][0])
    return request


def _labels_length(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    count = request["samples"] + rng.choice((-1, 1, 1000))
    request["labels"] = [[1]] * count
    return request


def _labels_value(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    request["labels"] = [[0]] * request["samples"]
    wrong = rng.choice((2, -1, 0.5, "1", None, [1], 10**30, float("nan"), 1e308))
    request["labels"][rng.randrange(request["samples"])] = [wrong]
    return request


def _cell_twice(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    at = rng.randrange(len(request["indexes"]))
    request["indexes"].append(request["indexes"][at])
    request["values"].append(request["values"][at])
    return request


def _index_outside(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    place = rng.randrange(3)
    wrong = (request["samples"], schema.NUM_FIELDS, 1)[place]
    index = list(rng.choice(request["indexes"]))
    index[place] = rng.choice((wrong, -1, wrong + rng.randrange(2**31), 2**63 - 1, 2**64))
    request["indexes"][rng.randrange(len(request["indexes"]))] = index
    return request


def _value_outside(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    at = rng.randrange(len(request["values"]))
    field = request["indexes"][at][1]
    low, high = (0, schema.UINT32_MAX)
    if field < schema.NUM_DENSE:
        low, high = (limit + _OFFSETS[field] for limit in (schema.INT32_MIN, schema.INT32_MAX))
    request["values"][at] = rng.choice((low - 1, high + 1, -1, 2**63 - 1, 2**63, -(2**70), 1e300))
    return request


def _not_a_number(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    wrong = float(rng.choice(("nan", "inf", "-inf")))
    request[rng.choice(("values", "labels"))] = [wrong] * len(request["values"])
    return request


def _samples(rng: random.Random) -> Any:
    request = _wire(rng, _some_rows(rng))
    wrong = (-1, -(10**9), predict_schemas.MAX_ROWS + 1, 10**9, 2**63, 10**100, 1.0, True, "1")
    request["samples"] = rng.choice(wrong)
    return request


def _line_columns(rng: random.Random) -> Any:
    request = _lines(rng, _some_rows(rng))
    lines = request["rows"]
    at = rng.randrange(len(lines))
    lines[at] = rng.choice(
        ("", lines[at] + "\t\t", lines[at][: len(lines[at]) // 3], " ".join(lines[at].split("\t")))
    )
    return request


def _line_cell(rng: random.Random) -> Any:
    rows = _some_rows(rng)
    columns = [_columns(row) for row in rows]
    at = rng.randrange(len(rows))
    field = rng.randrange(schema.NUM_FIELDS)
    wrong = rng.choice(_WRONG_INTEGERS if field < schema.NUM_DENSE else _WRONG_CATEGORIES)
    columns[at][field - schema.NUM_FIELDS] = wrong + rng.choice(("", "", "", "\n", "\r", "\x00"))
    return {"rows": ["\t".join(cells) for cells in columns]}


def _line_label(rng: random.Random) -> Any:
    rows = [_Row(1, row.cells) for row in _some_rows(rng)]
    columns = [_columns(row) for row in rows]
    at = rng.randrange(len(rows))
    columns[at][0] = rng.choice(("2", "", "-1", "1.0", "01", "x"))
    return {"rows": ["\t".join(cells) for cells in columns]}


def _some_labels(rng: random.Random) -> Any:
    rows = [_Row(1, {}), *[_Row(None, row.cells) for row in _some_rows(rng)]]
    rng.shuffle(rows)
    return rng.choice((_lines, _instances))(rng, rows)


def _instance_column(rng: random.Random) -> Any:
    request = _instances(rng, _some_rows(rng))
    name = rng.choice(("I0", "I14", "C0", "C27", "i1", "", "Label", "I1 ", "x" * 5000))
    rng.choice(request["instances"])[name] = rng.choice(_JUNK)
    return request


def _instance_cell(rng: random.Random) -> Any:
    request = _instances(rng, _some_rows(rng))
    kind = rng.randrange(3)
    name = ("label", rng.choice(schema.DENSE_NAMES), rng.choice(schema.SPARSE_NAMES))[kind]
    wrong: Tuple[Any, ...] = (2, -1, "x", [], {}, float("nan"))
    if kind == 1:
        wrong = (*_WRONG_INTEGERS, 1.5, 2**31, -(2**31) - 1, 1e300, True, [], {}, 10**400)
    elif kind == 2:
        wrong = (*_WRONG_CATEGORIES, 5, 1.5, True, [], {})
    rng.choice(request["instances"])[name] = rng.choice(wrong)
    return request


_BREAKERS: Dict[str, Callable[[random.Random], Any]] = {
    "form_missing": _form_missing,
    "form_twice": _form_twice,
    "wrong_type": _wrong_type,
    "no_object": _no_object,
    "wrong_length": _wrong_length,
    "labels_length": _labels_length,
    "labels_value": _labels_value,
    "cell_twice": _cell_twice,
    "index_outside": _index_outside,
    "value_outside": _value_outside,
    "not_a_number": _not_a_number,
    "samples": _samples,
    "line_columns": _line_columns,
    "line_cell": _line_cell,
    "line_label": _line_label,
    "some_labels": _some_labels,
    "instance_column": _instance_column,
    "instance_cell": _instance_cell,
}

# Junk can be right by chance: no labels for no rows, an empty list of lines.
_MAY_BE_GOOD = ("wrong_type",)
