"""Files of every kind hold the same float32s, and are whole or not there."""

import json
import os

import numpy as np
import pytest
from pyarrow import parquet

from data_pipeline import errors
from serving import score_output

_PROBABILITIES = np.array([0.1, 1e-9, 0.0, 1.0, 0.33333334], np.float32)
_LABELS = np.array([0, 1, 0, 1, 1], np.uint8)
_TEXTS = ["0.100000001", "9.99999972e-10", "0", "1", "0.333333343"]


def write(path, labels):
    """Writes the rows in two parts."""
    with score_output.create(str(path), labels is not None) as writer:
        for part in (slice(0, 2), slice(2, None)):
            writer.add(_PROBABILITIES[part], None if labels is None else labels[part])


def test_tsv_has_a_line_a_row(tmp_path):
    write(tmp_path / "a.tsv", _LABELS)
    want = ["%s\t%d" % pair for pair in zip(_TEXTS, _LABELS)]
    assert (tmp_path / "a.tsv").read_text().splitlines() == want
    write(tmp_path / "a.tsv", None)
    assert (tmp_path / "a.tsv").read_text().splitlines() == _TEXTS


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_has_an_object_a_line(tmp_path, name):
    write(tmp_path / name, _LABELS)
    lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    assert [list(line) for line in lines] == [["probability", "label"]] * 5
    assert [line["label"] for line in lines] == _LABELS.tolist()
    assert np.float32([line["probability"] for line in lines]).tolist() == _PROBABILITIES.tolist()
    write(tmp_path / name, None)
    assert json.loads((tmp_path / name).read_text().splitlines()[0]) == {"probability": 0.100000001}


def test_parquet_has_typed_columns(tmp_path):
    write(tmp_path / "a.parquet", _LABELS)
    table = parquet.read_table(str(tmp_path / "a.parquet"))
    assert [(field.name, str(field.type), field.nullable) for field in table.schema] == [
        ("probability", "float", False),
        ("label", "uint8", False),
    ]
    assert table["probability"].to_pylist() == _PROBABILITIES.tolist()
    assert table["label"].to_pylist() == _LABELS.tolist()
    write(tmp_path / "a.parquet", None)
    assert parquet.read_table(str(tmp_path / "a.parquet")).column_names == ["probability"]


def test_parquet_has_few_groups(tmp_path):
    path = str(tmp_path / "a.parquet")
    with score_output.create(path, False) as writer:
        for _ in range(100):
            writer.add(np.zeros(4096, np.float32), None)
    groups = parquet.ParquetFile(path).metadata
    assert (groups.num_rows, groups.num_row_groups) == (409600, 2)


@pytest.mark.parametrize("ending", score_output.ENDINGS)
def test_no_rows_are_a_file(tmp_path, ending):
    path = tmp_path / ("a" + ending)
    with score_output.create(str(path), True):
        pass
    if ending == ".parquet":
        assert parquet.read_table(str(path)).num_rows == 0
    else:
        assert path.read_bytes() == b""


@pytest.mark.parametrize("ending", score_output.ENDINGS)
def test_after_an_error_the_old_file_is_there(tmp_path, ending):
    path = tmp_path / ("a" + ending)
    path.write_text("old")

    def fail():
        with score_output.create(str(path), False) as writer:
            writer.add(_PROBABILITIES, None)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == [path.name]


def test_another_name_is_refused(tmp_path):
    want = "--output: expected a name that ends with .tsv, .json, .jsonl, .parquet, got a.csv"
    with pytest.raises(errors.InputError, match=want):
        score_output.check("a.csv")


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.InputError, match="expected .*writable folder"), score_output.create(
        str(tmp_path / "file" / "a.tsv"), False
    ):
        pass


def test_texts_survive_as_float32():
    every = np.random.RandomState(0).randint(0, 0x3F800000, 20000).astype(np.uint32)
    values = every.view(np.float32)
    texts = ["%.9g" % value for value in values.tolist()]
    assert np.array(texts, np.float64).astype(np.float32).tolist() == values.tolist()
