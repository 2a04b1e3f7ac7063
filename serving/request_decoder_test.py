"""Requests decoded natively against Python's json, and for access out of bounds."""

import ctypes
import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from data_pipeline import errors, generator, guarded_memory, rows_testing, text, wire
from serving import model_service, request_decoder

OFFSET = 0xFFFFFFFF
# More than elsewhere: there are many ways to be no JSON.
PROPERTY = hypothesis.settings(rows_testing.PROPERTY, max_examples=200)

WIRE = {
    "labels": [[1.0], [0.0]],
    "indexes": [[0, 0, 0], [0, 13, 0], [1, 1, 0], [1, 38, 0]],
    "values": [OFFSET + 3, 0x68FD1E64, 2 * OFFSET - 2, 0xFFFFFFFF],
    "samples": 2,
}
LABELLED = ["1\t3" + "\t" * 13 + "68fd1e64" + "\t" * 25, "0\t\t-2" + "\t" * 37 + "ffffffff"]
UNLABELLED = [line[2:] for line in LABELLED]


def _outcome(decode, body):
    """What a service makes of a body, or the words with which it or the decoder refuses it."""
    try:
        request = decode(body)
    except (ValueError, RecursionError) as error:
        return type(error).__name__, str(error)
    try:
        tensors = model_service.DeepFMService().preprocess(request)
    except model_service.InvalidRequestError as error:
        return "refused", str(error)
    return {
        key: (str(value.dtype), value.tolist()) if isinstance(value, np.ndarray) else value
        for key, value in tensors.items()
    }


def _json(body):
    return json.loads(body, parse_constant=request_decoder._refuse_constant)


def _assert_as_json(body):
    assert _outcome(request_decoder.decode, body) == _outcome(_json, body)
    _assert_inside_its_arrays(body)


_HEAD = 64  # Bytes in front of an array, which have to stay as they are.


def _guarded(dtype, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = guarded_memory.allocate(_HEAD + size)
    memory[:_HEAD] = 0xA5
    return memory[_HEAD:].view(dtype).reshape(shape), memory[:_HEAD]


def _assert_inside_its_arrays(body):
    """Runs the library where each array, and the body, ends at a guard and has just its space."""
    size = len(body)
    arrays, heads = zip(
        _guarded(np.int64, [size // 8, 3]),
        _guarded(np.int64, [size // 2]),
        _guarded(np.uint8, [size // 2]),
        _guarded(np.uint8, [size]),
    )
    found = request_decoder._Request(*[ctypes.c_void_p(array.ctypes.data) for array in arrays])
    memory = guarded_memory.copy_of(body)
    arguments = ctypes.c_void_p(memory.ctypes.data), ctypes.c_int64(size), ctypes.byref(found)
    request_decoder._library().request_decode(*arguments)
    assert memory.tobytes() == body
    for head in heads:
        assert (head == 0xA5).all()


def _lists(request):
    return {
        key: value.tolist() if isinstance(value, np.ndarray) else value
        for key, value in request.items()
    }


def _has_arrays(request):
    return any(isinstance(value, np.ndarray) for value in request.values())


SPACED = '\n{ "samples"\t: 1 ,"values":[ 4294967295 ] , "indexes" : [\r[ 0,0 , 0 ] ]\n}\n '


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps(WIRE), id="wire"),
        pytest.param(json.dumps(WIRE, separators=(",", ":")), id="compact"),
        pytest.param(json.dumps(WIRE, indent=2, sort_keys=True), id="indented_and_sorted"),
        pytest.param(SPACED, id="spaced"),
        pytest.param(json.dumps(dict(WIRE, labels=[1.0, 0.0])), id="flat_labels"),
        pytest.param(json.dumps(dict(WIRE, labels=[[1], [0]])), id="integer_labels"),
        pytest.param(json.dumps(dict(WIRE, labels=[1, 0])), id="flat_integer_labels"),
        pytest.param('{"indexes": [], "values": [], "samples": 3}', id="no_cells"),
        pytest.param('{"indexes": [[-1, -0, 7]], "values": [-12]}', id="negative"),
        pytest.param('{"values": [%s]}' % ("9" * 18), id="longest_number"),
    ],
)
def test_wire_form_becomes_arrays_of_the_same(body):
    decoded = request_decoder.decode(body.encode())
    assert _has_arrays(decoded)
    assert _lists(decoded) == json.loads(body)
    for key in {"indexes", "values"} & set(decoded):
        assert decoded[key].dtype == np.int64 and decoded[key].ndim == (2 if key[0] == "i" else 1)
    if "labels" in decoded:
        assert decoded["labels"].dtype == np.asarray(json.loads(body)["labels"]).dtype
    _assert_as_json(body.encode())


def test_cells_of_many_rows_are_all_there():
    rows, _ = generator.Generator(3).rows(0, 600)
    request = wire.to_json_request(rows)
    decoded = request_decoder.decode(json.dumps(request).encode())
    assert _has_arrays(decoded) and _lists(decoded) == request


@pytest.mark.parametrize("lines", [LABELLED, UNLABELLED], ids=["labelled", "unlabelled"])
def test_rows_become_the_values_of_their_cells(lines):
    body = json.dumps({"rows": lines}).encode()
    decoded = request_decoder.decode(body)
    cells = np.full((2, 39), -1)
    cells[0, 0], cells[0, 13], cells[1, 1], cells[1, 38] = WIRE["values"]
    assert decoded["rows"].dtype == np.int64 and decoded["rows"].tolist() == cells.tolist()
    assert set(decoded) == ({"rows", "labels"} if lines is LABELLED else {"rows"})
    if lines is LABELLED:
        labels = decoded["labels"]
        assert labels.dtype == np.float64 and labels.tolist() == [1.0, 0.0]
    _assert_as_json(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"instances": [{"I1": 3}]}', id="instances"),
        pytest.param('{"indexes": [], "values": [], "samples": 1, "x": 0}', id="other_key"),
        pytest.param('{"samples": 1, "samples": 2, "indexes": [], "values": []}', id="key_twice"),
        pytest.param('{"values": [1], "values": [2]}', id="list_twice"),
        pytest.param('{"v\\u0061lues": [1]}', id="escaped_key"),
        pytest.param('{"values": [1.0]}', id="float"),
        pytest.param('{"values": [1e3]}', id="exponent"),
        pytest.param('{"values": [%s]}' % ("9" * 19), id="19_digits"),
        pytest.param('{"values": [null]}', id="null"),
        pytest.param('{"indexes": [[0, 0]]}', id="index_of_two"),
        pytest.param('{"indexes": [[0, 0, 0, 0]]}', id="index_of_four"),
        pytest.param('{"samples": 2.0}', id="samples_float"),
        pytest.param('{"labels": []}', id="no_labels"),
        pytest.param('{"labels": null}', id="labels_null"),
        pytest.param('{"labels": [1, 0.0]}', id="labels_of_two_types"),
        pytest.param('{"labels": [[1], 0]}', id="labels_of_two_shapes"),
        pytest.param('{"labels": [[1, 0]]}', id="labels_of_two_columns"),
        pytest.param('{"labels": [0.50]}', id="label_fraction"),
        pytest.param('{"labels": [1.00]}', id="label_with_more_digits"),
        pytest.param('{"labels": [-0]}', id="label_negative"),
        pytest.param('{"rows": []}', id="no_rows"),
        pytest.param(json.dumps({"rows": LABELLED, "samples": 2}), id="rows_and_more"),
        pytest.param(json.dumps({"rows": [LABELLED[0], UNLABELLED[1]]}), id="label_in_one_row"),
        pytest.param(json.dumps({"rows": [UNLABELLED[1], LABELLED[0]]}), id="label_in_other_row"),
        pytest.param(json.dumps({"rows": ["2" + LABELLED[0][1:]]}), id="row_with_other_label"),
        pytest.param(json.dumps({"rows": [LABELLED[1], LABELLED[0] + "\r"]}), id="row_with_cr"),
        pytest.param(json.dumps({"rows": ["\t" * 30]}), id="row_short"),
        pytest.param(json.dumps({"rows": ["\t" * 50]}), id="row_long"),
        pytest.param(json.dumps({"rows": [UNLABELLED[0] + "\xe9"]}), id="row_escaped"),
        pytest.param(json.dumps({"rows": [UNLABELLED[0]] * 3 + ["\n"]}), id="row_newline"),
        pytest.param(json.dumps({"rows": LABELLED}).replace("t6", "u00096"), id="tab_as_unicode"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="nothing"),
        pytest.param("7", id="number"),
    ],
)
def test_all_else_is_left_to_json(body):
    assert request_decoder.decode(body.encode()) == json.loads(body)
    _assert_as_json(body.encode())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_other_encodings_are_left_to_json(encoding):
    body = json.dumps(WIRE).encode(encoding)
    assert request_decoder.decode(body) == WIRE
    _assert_as_json(body)


def test_raw_characters_beyond_ascii_are_left_to_json():
    body = ('{"rows": ["%s\xe9"]}' % UNLABELLED[0].replace("\t", "\\t")).encode()
    assert request_decoder.decode(body) == json.loads(body)
    _assert_as_json(body)


NO_JSON = [
    '{"values": [1,]}',
    '{"values": [,1]}',
    '{"values": [1 2]}',
    '{"values": [01]}',
    '{"values": [-]}',
    '{"values": [--1]}',
    '{"values": [+1]}',
    '{"values": [1}',
    '{"values": [1]',
    '{"values": [1',
    '{"values": [',
    '{"values": ',
    '{"values"',
    '{"values',
    '{"values": [1],}',
    '{"values": [1]} 7',
    '{"values": [1]]}',
    '{"values" [1]}',
    '{"values": [NaN]}',
    '{"samples": Infinity}',
    '{"indexes": [[0, 0, 0,]]}',
    '{"indexes": [[0, 0, 0]',
    '{"labels": [',
    '{"labels": [1.]}',
    '{"labels": [1.0',
    '{"rows": ["',
    '{"rows": ["\t"]}',
    '{"rows": ["\\',
    '{"rows": ["\\x"]}',
    '{"rows": ["a" "b"]}',
    "{'values': [1]}",
    "{",
    "",
    " ",
    "\x00",
]


@pytest.mark.parametrize("body", NO_JSON)
def test_no_json_is_refused_in_the_words_of_json(body):
    with pytest.raises(ValueError):  # noqa: PT011  # the words are compared below
        request_decoder.decode(body.encode())
    _assert_as_json(body.encode())


def test_deep_nesting_is_refused_as_by_json():
    with pytest.raises(RecursionError):
        request_decoder.decode(b'{"values": ' + b"[" * 100000)


_SEPARATORS = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t: ")])
_INTEGERS = st.integers(-1, 60000000000) | st.sampled_from([0, 2**31, 10**17, 2**63, 2**64])
_LABELS = st.sampled_from([[0], [1], [0.0], [1.0], [0.5]])


@st.composite
def _wire_bodies(draw):
    """Requests of few cells, in the wire form or nearly so, as text."""
    count = draw(st.integers(0, 4))
    indexes = st.tuples(st.integers(0, 4), st.integers(0, 39), st.just(0))
    request = {
        "indexes": draw(st.lists(indexes, min_size=count, max_size=count)),
        "values": draw(st.lists(_INTEGERS, min_size=count, max_size=count)),
        "samples": draw(st.integers(3, 5)),
        "labels": draw(st.lists(draw(_LABELS.map(st.just) | st.just(_LABELS)), max_size=5)),
    }
    keys = draw(st.permutations(sorted(request)))[draw(st.integers(0, 1)) :]
    request = {key: request[key] for key in keys}
    return json.dumps(request, separators=draw(_SEPARATORS)).encode()


@st.composite
def _rows_bodies(draw):
    lines = text.format(draw(rows_testing.rows())).decode().splitlines()
    lines = [line[draw(st.sampled_from([0, 0, 2])) :] for line in lines]
    return json.dumps({"rows": lines}, separators=draw(_SEPARATORS)).encode()


_PIECES = [b"%c" % c for c in b'[]{},:"\\ \t\n\r\x00-+.0159eatu~\x7f\xff'] + [
    *[b'"%s"' % key for key in (b"indexes", b"values", b"samples", b"labels", b"rows")],
    *[b"[[0,0,0]]", b"[0, 0, 0]", b"0.0", b"1.0", b"00", b"9" * 19, b"null", b"true", b"NaN"],
    *[b"\\t", b"\\u0009", b"\\n", b"\xc3\xa9", b'"rows":[', b"\\t" * 38, b"\\t" * 39],
]


@st.composite
def _damaged(draw):
    """Bodies with some places cut out, doubled or replaced."""
    body = draw(_wire_bodies() | _rows_bodies())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 0, 1, 1, 2, 9, 100])))
        piece = draw(st.sampled_from([b"", body[start:end] * 2] + _PIECES))
        body = body[:start] + piece + body[end:]
    return body


@PROPERTY
@hypothesis.given(_wire_bodies() | _rows_bodies())
def test_any_request_is_decoded_as_by_json(body):
    _assert_as_json(body)


@PROPERTY
@hypothesis.given(_damaged() | st.binary(max_size=40))
def test_any_damaged_request_is_answered_or_refused_as_by_json(body):
    _assert_as_json(body)


@PROPERTY
@hypothesis.given(
    st.lists(st.sampled_from([b"{", b"}", b" "] + _PIECES), max_size=12).map(b"".join)
)
def test_any_pieces_of_requests_are_answered_or_refused_as_by_json(body):
    _assert_as_json(body)
    _assert_as_json(b'{"rows":["' + body)
    _assert_as_json(b'{"values":[' + body)


@pytest.mark.parametrize(
    "key, item",
    [("indexes", "[0,0,0]"), ("values", "0"), ("labels", "1"), ("rows", '"%s"' % ("\\t" * 38))],
)
def test_bodies_of_the_shortest_items_fill_no_more_than_the_space(key, item):
    body = '{"%s":[%s]}' % (key, ",".join([item] * 4))
    for size in range(len(body) + 1):
        _assert_inside_its_arrays(body[:size].encode())


def test_missing_library_is_refused(monkeypatch):
    monkeypatch.setattr(request_decoder, "_FILE", "no_such_library.so")
    request_decoder._library.cache_clear()
    try:
        with pytest.raises(errors.InputError, match="expected the native library .*no_such_lib"):
            request_decoder.decode(b"{}")
    finally:
        request_decoder._library.cache_clear()
