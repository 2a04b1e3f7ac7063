import json

import pytest

from model import hyper_parameters, serving_schema


def _document(**parameters):
    return serving_schema.document(hyper_parameters.HyperParameters(**parameters), "x/logits:0")


def _column(document, name):
    (found,) = [column for column in document["columns"] if column["name"] == name]
    return found


def test_columns_are_those_of_a_line_in_order():
    document = _document()
    names = ["label"] + ["I%d" % i for i in range(1, 14)] + ["C%d" % i for i in range(1, 27)]
    assert [column["name"] for column in document["columns"]] == names
    assert [column["position"] for column in document["columns"]] == list(range(40))
    assert document["lines"]["columns"] == [39, 40]
    assert document["lines"]["separator"] == "\t"


@pytest.mark.parametrize(
    "name, want",
    [
        ("label", {"name": "label", "kind": "label", "position": 0}),
        (
            "I1",
            {
                "name": "I1",
                "kind": "dense",
                "position": 1,
                "field": 0,
                "value_offset": 4294967295,
            },
        ),
        (
            "I13",
            {
                "name": "I13",
                "kind": "dense",
                "position": 13,
                "field": 12,
                "value_offset": 55834574835,  # 13 * 0xFFFFFFFF
            },
        ),
        ("C1", {"name": "C1", "kind": "sparse", "position": 14, "field": 13, "value_offset": 0}),
        ("C26", {"name": "C26", "kind": "sparse", "position": 39, "field": 38, "value_offset": 0}),
    ],
)
def test_column_says_where_it_is_and_how_its_values_travel(name, want):
    assert _column(_document(), name) == want


def test_kinds_say_form_range_and_what_is_missing():
    kinds = _document()["kinds"]
    assert kinds["label"] == {"form": "[01]", "low": 0, "high": 1, "may_miss": False}
    dense, sparse = kinds["dense"], kinds["sparse"]
    assert dense.pop("value") == "the integer + value_offset of its column"
    assert sparse.pop("value") == "the number that the digits are + value_offset of its column"
    assert dense == {
        "base": 10,
        "form": "0|-?[1-9][0-9]*",
        "low": -2147483648,
        "high": 2147483647,
        "may_miss": True,
    }
    assert sparse == {
        "base": 16,
        "form": "[0-9a-f]{8}",
        "low": 0,
        "high": 4294967295,
        "may_miss": True,
        "missing_value": 4294967295,
    }


def test_signatures_name_the_promised_tensors():
    signatures = _document()["signatures"]
    cells, rows = signatures.pop("serving_default"), signatures.pop("rows")
    assert signatures == {}
    assert {key: (item["tensor"], item["shape"]) for key, item in cells["inputs"].items()} == {
        "_c_indices_fea1": ("Placeholder:0", ["m", 3]),
        "_c_values_fea1": ("Placeholder_1:0", ["m"]),
        "_c_dense_shape_fea1": ("Placeholder_2:0", [3]),
    }
    assert {key: item["tensor"] for key, item in rows["inputs"].items()} == {"rows": "rows:0"}
    for outputs in (cells["outputs"], rows["outputs"]):
        assert {key: item["tensor"] for key, item in outputs.items()} == {
            "probabilities": "Sigmoid:0",
            "logits": "x/logits:0",
        }


@pytest.mark.parametrize(
    "missing_integers, meaning",
    [
        ("own", "a missing integer is a value of its own; 0 means 0"),
        ("zero", "a missing integer is 0"),
    ],
)
def test_transform_says_what_missing_integers_mean(missing_integers, meaning):
    document = _document(table_rows=77, missing_integers=missing_integers)
    assert document["transform"] == {
        "table_rows": 77,
        "missing_integers": missing_integers,
        "content": meaning,
    }


def test_document_is_json():
    document = _document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
