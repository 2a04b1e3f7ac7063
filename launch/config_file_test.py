"""What a file's values become by their flags' readers, and what the writer makes of values."""

import math
import os
import re

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from data_pipeline import errors
from launch import config_file


def _integer(text):
    if not re.match(r"-?[0-9]+\Z", text):
        raise ValueError("expected an integer, got %r" % text)
    return int(text)


def _boolean(text):
    if text not in ("true", "false"):
        raise ValueError("expected true or false, got %r" % text)
    return text == "true"


def _integers(text):
    return tuple(_integer(part) for part in text.split(",") if part)


_READERS = {
    "batch_size": _integer,
    "learning_rate": float,
    "sync": _boolean,
    "hidden": _integers,
    "train_file": str,
}


def _read(folder, text):
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return config_file.read(str(path), _READERS)


def test_values_are_typed_by_their_flags(tmp_path):
    text = "batch_size: 64\nlearning_rate: 1\nsync: true\nhidden: [400, 8]\ntrain_file: /a/*.tsv\n"
    values = _read(tmp_path, text)
    assert values == {
        "batch_size": 64,
        "learning_rate": 1.0,
        "sync": True,
        "hidden": (400, 8),
        "train_file": "/a/*.tsv",
    }
    assert [type(values[name]) for name in ("learning_rate", "sync")] == [float, bool]


@pytest.mark.parametrize(
    "line, want",
    [
        ("learning_rate: 1e-3", 0.001),  # text in YAML 1.1
        ("learning_rate: 1.0e-3", 0.001),
        ("hidden: 400", (400,)),
        ("hidden: 400,8", (400, 8)),
        ("hidden: '400,8'", (400, 8)),
        ("hidden: []", ()),
        ("hidden: ''", ()),
        ("hidden:\n- 4\n- 2", (4, 2)),
        ("train_file: '010'", "010"),
        ("train_file: ''", ""),
        ("train_file: 文件", "文件"),
    ],
)
def test_a_value_is_written_as_the_flag_takes_it(tmp_path, line, want):
    assert list(_read(tmp_path, line).values()) == [want]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "\nbatchsize: 3",
            "c.yaml:2: expected the name of a flag, got 'batchsize'; the nearest is batch_size",
        ),
        (
            "--sync: true",
            "c.yaml:1: expected the name of a flag, got '--sync'; the nearest is sync",
        ),
        ("Train-File: x", "got 'Train-File'; the nearest is train_file"),
        ("'': x", "c.yaml:1: expected the name of a flag, got ''; the nearest is "),
        ("sync: true\n\nsync: true", "c.yaml:3: expected each key once, got sync as in line 1"),
        ("batch_size: x", "c.yaml:1: batch_size: expected an integer, got 'x'"),
        ("batch_size: 1.5", "c.yaml:1: batch_size: expected an integer, got '1.5'"),
        ("batch_size: true", "c.yaml:1: batch_size: expected an integer, got 'true'"),
        ("batch_size: '64'", "batch_size: expected 64 without quotes, got the text '64'"),
        ("batch_size: 010", "expected a decimal number, got 010, which YAML takes for 8"),
        ("batch_size: [1, 2]", "c.yaml:1: batch_size: expected an integer, got '1,2'"),
        ("batch_size: [1]", "c.yaml:1: batch_size: expected one value, got a list of 1"),
        ("batch_size:", "c.yaml:1: batch_size: expected a value, got none; without the line"),
        ("train_file: ~", "c.yaml:1: train_file: expected a value, got none; without the line"),
        ("train_file: [a]", "c.yaml:1: train_file: expected one value, got a list of 1"),
        ("train_file: 010", "expected text in quotes, got 010, which YAML takes for 8"),
        ("train_file: on", "expected text in quotes, got on, which YAML takes for true"),
        ("train_file: 2024-01-02", "got 2024-01-02, which YAML takes for 2024-01-02"),
        ("sync: yes", "c.yaml:1: sync: expected true or false, got 'yes'"),
        ("sync: 'true'", "sync: expected true without quotes, got the text 'true'"),
        ("sync: 1", "sync: expected true or false, got '1'"),
        ("hidden: [4, x]", "c.yaml:1: hidden: expected an integer, got 'x'"),
        ("hidden: ['4']", "c.yaml:1: hidden: expected [4], got ['4']"),
        ("hidden: ['4,2', 3]", "c.yaml:1: hidden: expected [4, 2, 3], got ['4,2', 3]"),
        ("hidden: [4, 010]", "c.yaml:1: hidden: expected [4, 10], got [4, 8]"),
        ("hidden: 010", "expected text in quotes, got 010, which YAML takes for 8"),
    ],
)
def test_refuses_a_key_or_value(tmp_path, text, message):
    with pytest.raises(errors.InputError, match=re.escape(message)):
        _read(tmp_path, text)


def test_refuses_what_is_no_mapping(tmp_path):
    with pytest.raises(errors.InputError, match="c.yaml:1: expected lines of `flag: value`"):
        _read(tmp_path, "- sync")


@pytest.mark.parametrize(
    "name, want",
    [
        ("batchsize", "batch_size"),
        ("--sync", "sync"),
        ("BATCH-SIZE", "batch_size"),
        ("hid", "hidden"),
    ],
)
def test_nearest_looks_alike(name, want):
    assert config_file.nearest(name, _READERS) == want


def test_text_is_a_line_for_each_value():
    values = {
        "train_file": "/data/train.tsv",
        "sync": False,
        "hidden": (400, 8),
        "none": (),
        "rate": 1e-05,
        "rows": 7,
        "job_id": "no",
        "name": 'a "b"\\\n文\U0001f600',
    }
    assert config_file.to_text(values) == (
        "train_file: /data/train.tsv\n"
        "sync: false\n"
        "hidden: [400, 8]\n"
        "none: []\n"
        "rate: 1.0e-05\n"
        "rows: 7\n"
        'job_id: "no"\n'
        'name: "a \\"b\\"\\\\\\u000a文\\U0001f600"\n'
    )


_SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    # All of Unicode, lone surrogates too: so Python spells file names that are not UTF-8.
    st.text(st.characters()),
    st.text("0123456789_.:-+eExXob~#=<>!&*[]{}|%@`,?'\" \n\t\\"),
    st.sampled_from(["", "y", "No", "ON", "off", "true", "NULL", "~", "1e3", "0o7", ".nan", "---"]),
)


@hypothesis.settings(max_examples=500, deadline=None)
@hypothesis.given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        st.one_of(_SCALARS, st.lists(_SCALARS, max_size=4)),
    )
)
def test_yaml_reads_the_text_as_the_same_values(values):
    # YAML has no lines for no values.
    read = yaml.safe_load(config_file.to_text(values)) or {}
    assert read == values
    assert [_types(read[name]) for name in values] == [_types(value) for value in values.values()]


def _types(value):
    return [list] + list(map(type, value)) if isinstance(value, list) else type(value)


def test_writes_the_text_whole(tmp_path):
    path = tmp_path / "new" / "config.yaml"
    config_file.write(str(path), {"train_file": "文件"})
    config_file.write(str(path), {"train_file": "文件", "sync": True})
    assert path.read_bytes() == 'train_file: "文件"\nsync: true\n'.encode("utf-8")
    assert os.listdir(str(path.parent)) == ["config.yaml"]


@pytest.mark.parametrize(
    "value, error, message",
    [
        (None, TypeError, "expected text, a number, a bool or a list of these, got None"),
        ({"a": 1}, TypeError, "got {'a': 1}"),
        ([None], TypeError, "got None"),
        (math.inf, ValueError, "expected a finite number, got inf"),
        (math.nan, ValueError, "expected a finite number, got nan"),
    ],
)
def test_refuses_to_write(tmp_path, value, error, message):
    with pytest.raises(error, match=message):
        config_file.write(str(tmp_path / "config.yaml"), {"ok": 1, "name": value})
    assert os.listdir(str(tmp_path)) == []
