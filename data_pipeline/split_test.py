"""Tests of splitting: each row goes to one side, the same in every run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import encode, errors, local_engine, manifest, rows_testing, shard, split, text
from data_pipeline import rows as rows_lib


def _quiet(line):
    del line


def _numbered(count):
    """Rows with their number as the first category; every 10 share the second, a user."""
    rows = rows_testing.random_rows(count)
    rows.sparse[:, 0] = np.arange(count)
    rows.sparse[:, 1] = np.arange(count) // 10
    rows.missing[:, 13:15] = False
    return rows.check()


@pytest.fixture(name="blocks", scope="module")
def _blocks(tmp_path_factory):
    """5,000 rows in several shards."""
    folder = tmp_path_factory.mktemp("split")
    (folder / "f").write_bytes(text.format(_numbered(5000)))
    engine = local_engine.Engine(2)
    encode.run([str(folder / "f")], str(folder / "b"), engine, _quiet, piece_bytes=300_000)
    return str(folder / "b")


def _rows(data):
    segments = data.segments(1 << 20)
    return rows_lib.concatenate([shard.read_rows(segment) for segment in segments])


def _numbers(blocks, output, *rule):
    made = split.run(blocks, str(output), split.Rule(*rule), 2, _quiet)
    assert [manifest.read(part.folder) for part in made] == made
    return [_rows(part).sparse[:, 0].tolist() for part in made]


@pytest.mark.parametrize("method", split.METHODS)
def test_every_row_goes_to_one_side_in_its_order(blocks, tmp_path, method):
    train, evaluation = _numbers(blocks, tmp_path, method, 0.3)
    assert train == sorted(train) and evaluation == sorted(evaluation)
    assert sorted(train + evaluation) == list(range(5000))
    assert abs(len(evaluation) - 1500) < 150  # more than four standard errors


def test_time_takes_exactly_the_last_rows(blocks, tmp_path):
    assert _numbers(blocks, tmp_path, split.BY_TIME, 0.1)[1] == list(range(4500, 5000))


def test_hash_keeps_rows_of_equal_columns_together(blocks, tmp_path):
    train, evaluation = _numbers(blocks, tmp_path, split.BY_HASH, 0.3, 0, ("C2",))
    assert {number // 10 for number in train}.isdisjoint(number // 10 for number in evaluation)


def test_the_same_seed_gives_the_same_split_and_another_another(blocks, tmp_path):
    first = _numbers(blocks, tmp_path / "1", split.BY_RATIO, 0.3, 1)
    assert first == _numbers(blocks, tmp_path / "2", split.BY_RATIO, 0.3, 1)
    assert first != _numbers(blocks, tmp_path / "3", split.BY_RATIO, 0.3, 2)


@rows_testing.PROPERTY
@given(st.sampled_from(split.METHODS), st.integers(1, 49), st.integers(0, 2**64))
def test_the_choice_does_not_depend_on_how_rows_are_cut(method, cut, seed):
    rows, rule = _numbered(50), split.Rule(method, 0.5, seed)
    parts = [
        split.for_eval(rule, rows.take(slice(0, cut)), 0, 50),
        split.for_eval(rule, rows.take(slice(cut, None)), cut, 50),
    ]
    assert np.concatenate(parts).tolist() == split.for_eval(rule, rows, 0, 50).tolist()


def test_hash_tells_a_missing_integer_from_0():
    rows = rows_lib.empty(1000)
    rows.sparse[:, 0] = np.arange(1000)
    rows.missing[:, 13] = False
    with_zero = rows_lib.concatenate([rows])
    with_zero.missing[:, 0] = False
    rule = split.Rule(split.BY_HASH, 0.5)
    got = [split.for_eval(rule, each, 0, 1000) for each in (rows, with_zero)]
    assert got[0].tolist() != got[1].tolist()


def test_shards_are_cut_at_their_size(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(split, "_SHARD_ROWS", 2048)
    train, evaluation = split.run(blocks, str(tmp_path), split.Rule(split.BY_TIME, 0.1), 2, _quiet)
    assert [item.contents.rows for item in train.shards] == [2048, 2048, 404]
    assert [item.contents.rows for item in evaluation.shards] == [500]


@pytest.mark.parametrize(
    "rule, match",
    [
        pytest.param(("random", 0.1), "expected one of", id="method"),
        pytest.param((split.BY_TIME, 0.0), "a share above 0 and below 1", id="share_0"),
        pytest.param((split.BY_TIME, 1.0), "a share above 0 and below 1", id="share_1"),
        pytest.param((split.BY_TIME, 0.1, 0, ("C1",)), "with the method hash only", id="columns"),
        pytest.param((split.BY_HASH, 0.1, 0, ("C27",)), "got 'C27'", id="column"),
    ],
)
def test_a_rule_is_refused(blocks, tmp_path, rule, match):
    with pytest.raises(errors.InputError, match=match):
        _numbers(blocks, tmp_path / "new", *rule)
    assert not (tmp_path / "new").exists()


def test_a_folder_in_the_way_is_refused(blocks, tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "f").write_text("")
    with pytest.raises(errors.InputError, match="an empty folder, got one with f"):
        _numbers(blocks, tmp_path, split.BY_TIME, 0.1)
