"""The rows come as they are, in order, and a line that is no row is named."""

import gzip
import json

import numpy as np
import pytest

from data_pipeline import encode, errors, generator, local_engine, text, wire
from data_pipeline import rows as rows_lib
from serving import score_input

_ROWS, _ = generator.Generator(3).rows(0, 30)
_TEXT = text.format(_ROWS)
_UNLABELLED = b"".join(line[2:] + b"\n" for line in _TEXT.splitlines())


def read(spec):
    """All rows of an input, and whether they have labels."""
    found = score_input.find(str(spec))
    parts = list(found.parts)
    if parts:
        assert parts[-1].done == pytest.approx(found.total)
    return rows_lib.concatenate([part.rows for part in parts]), found.is_labelled


def assert_same(rows, want, is_labelled=True):
    label = want.label if is_labelled else np.zeros(want.count, np.uint8)
    for got, array in zip(rows, want._replace(label=label)):
        assert got.tolist() == array.tolist()


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("data, is_labelled", [(_TEXT, True), (_UNLABELLED, False)])
@pytest.mark.parametrize("ended", [True, False])
def test_text_is_read(tmp_path, pack, data, is_labelled, ended):
    path = write(tmp_path / "rows", pack(data if ended else data[:-1]))
    rows, labelled = read(path)
    assert labelled == is_labelled
    assert_same(rows, _ROWS, is_labelled)


def test_a_folder_and_a_glob_are_their_files_in_order(tmp_path):
    lines = _TEXT.splitlines(keepends=True)
    write(tmp_path / "b.gz", gzip.compress(b"".join(lines[10:])))
    write(tmp_path / "a.tsv", b"".join(lines[:10]))
    write(tmp_path / "empty", b"")
    assert_same(read(tmp_path)[0], _ROWS)
    assert_same(read(tmp_path / "[ab].*")[0], _ROWS)


def test_row_blocks_are_read(tmp_path):
    path = write(tmp_path / "rows", _TEXT)
    encode.run([str(path)], str(tmp_path / "blocks"), local_engine.Engine(1), print)
    rows, labelled = read(tmp_path / "blocks")
    assert labelled
    assert_same(rows, _ROWS)


@pytest.mark.parametrize("is_labelled", [True, False])
def test_a_request_is_read(tmp_path, is_labelled):
    request = wire.to_json_request(_ROWS)
    if not is_labelled:
        del request["labels"]
    rows, labelled = read(write(tmp_path / "r.json", json.dumps(request).encode()))
    assert labelled == is_labelled
    assert_same(rows, _ROWS, is_labelled)


def test_nothing_is_no_rows(tmp_path):
    rows, _ = read(write(tmp_path / "rows", b""))
    assert rows.count == 0


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file, a glob or a folder with files"):
        score_input.find(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    "data, message",
    [
        pytest.param(
            _TEXT + b"2" + b"\t" * 39 + b"\n", r":31: expected 0 or 1 in label, got b'2'", id="cell"
        ),
        pytest.param(
            _TEXT * 200 + b"x\n", r":6001: expected 40 tab-separated columns, got 1", id="columns"
        ),
        pytest.param(
            _UNLABELLED + b"\t\n",
            r":31: expected 39 tab-separated columns, as in the first line, got 2",
            id="unlabelled",
        ),
        pytest.param(_UNLABELLED + _TEXT, r":31: expected 39 tab-separated", id="label_later"),
        pytest.param(_TEXT + _UNLABELLED, r":31: expected 40 tab-separated", id="no_label_later"),
        pytest.param(
            _TEXT + b"x" * (2 << 20), r":31: expected at most 1048576 bytes in a line", id="long"
        ),
        pytest.param(gzip.compress(_TEXT)[:-9], "expected a whole gzip file", id="cut_gzip"),
    ],
)
def test_what_is_no_row_is_named(tmp_path, data, message):
    path = write(tmp_path / "rows", data)
    with pytest.raises(errors.InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_flaw_in_the_second_file_is_found_there(tmp_path):
    write(tmp_path / "a", _TEXT)
    write(tmp_path / "b", _TEXT.splitlines(keepends=True)[0] + b"x\n")
    with pytest.raises(errors.InputError, match=str(tmp_path / "b") + ":2: "):
        read(tmp_path)


@pytest.mark.parametrize("data", [b"{", b"[" * 100000, b'{"rows": ["x"]}', b"\xff"])
def test_a_request_that_is_none_is_refused(tmp_path, data):
    path = write(tmp_path / "r.json", data)
    with pytest.raises(errors.InputError, match="^%s: expected a predict request: " % path):
        read(path)


@pytest.mark.parametrize("sizes", [[30], [1] * 30, [10, 20], [7, 0, 16, 7], []])
@pytest.mark.parametrize("batch_size", [1, 7, 10, 30, 31])
def test_batches_are_the_same_rows(sizes, batch_size):
    ends = np.cumsum(sizes, dtype=int)
    parts = [
        score_input.Part(_ROWS.take(slice(end - size, end)), float(end))
        for end, size in zip(ends, sizes)
    ]
    batches = list(score_input.batches(parts, batch_size))
    counts = [batch.rows.count for batch in batches]
    total = sum(sizes)
    rest = [total % batch_size] if total % batch_size else []
    assert counts == [batch_size] * (total // batch_size) + rest
    assert_same(rows_lib.concatenate([batch.rows for batch in batches]), _ROWS.take(slice(total)))
    done = [batch.done for batch in batches]
    assert done == sorted(done) and done[-1:] == [float(total)][: len(done)]
