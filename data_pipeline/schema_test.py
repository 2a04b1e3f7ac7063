"""Tests of the column declaration."""

from data_pipeline import schema


def test_columns_are_the_label_then_13_integers_then_26_categories():
    names = [column.name for column in schema.COLUMNS]
    assert names[:3] == ["label", "I1", "I2"]
    assert names[13:15] == ["I13", "C1"]
    assert names[-1] == "C26"
    assert len(names) == 40 == schema.NUM_COLUMNS


def test_fields_number_the_features_from_0():
    assert [column.field for column in schema.COLUMNS] == list(range(-1, 39))
    assert [schema.COLUMNS[field + 1].name for field in range(39)] == list(schema.FIELD_NAMES)


def test_names_and_kinds_agree():
    assert schema.COLUMNS[0].kind == schema.LABEL
    assert all(c.kind == schema.DENSE for c in schema.COLUMNS if c.name.startswith("I"))
    assert all(c.kind == schema.SPARSE for c in schema.COLUMNS if c.name.startswith("C"))
    assert (len(schema.DENSE_NAMES), len(schema.SPARSE_NAMES)) == (13, 26)


def test_every_kind_has_its_range_and_form():
    assert {column.kind for column in schema.COLUMNS} == set(schema.KINDS)
    ranges = {name: (kind.low, kind.high) for name, kind in schema.KINDS.items()}
    assert ranges == {
        schema.LABEL: (0, 1),
        schema.DENSE: (-2147483648, 2147483647),
        schema.SPARSE: (0, 4294967295),
    }
    assert [name for name, kind in schema.KINDS.items() if not kind.may_miss] == [schema.LABEL]
