"""Tests of text and row blocks as sources of training; inputs_test.py reads from both."""

import pytest

from data_pipeline import encode, errors, local_engine, row_source, rows_testing, text

_TEXT = text.format(rows_testing.random_rows(3000))


def _quiet(line):
    del line


@pytest.fixture(name="file")
def _file(tmp_path):
    (tmp_path / "f").write_bytes(_TEXT)
    return str(tmp_path / "f")


@pytest.fixture(name="blocks")
def _blocks(file, tmp_path):
    engine = local_engine.Engine(1)
    encode.run([file], str(tmp_path / "blocks"), engine, _quiet, piece_bytes=300_000)
    return tmp_path / "blocks"


def test_find_tells_manifests_from_text(file, blocks):
    assert row_source.find(file) == (file,)
    manifest = (str(blocks / "manifest.json"),)
    assert row_source.find(str(blocks)) == row_source.find(manifest[0]) == manifest


def test_text_and_blocks_have_the_same_rows_and_head(file, blocks):
    sources = [row_source.of(row_source.find(spec)) for spec in (file, str(blocks))]
    assert [source.count_rows() for source in sources] == [3000, 3000]
    want = _TEXT.decode().splitlines()
    assert [source.head(5) for source in sources] == [want[:5], want[:5]]
    for source in sources:
        source.check()


@pytest.mark.parametrize("shares", [1, 3])
def test_parts_are_enough_for_all_shares(file, blocks, shares):
    for spec in (file, str(blocks)):
        assert len(row_source.of(row_source.find(spec)).parts(shares)) >= min(shares, 3)


def test_check_refuses_a_shard_of_another_size(blocks):
    shard = sorted(blocks.glob("*.tfrecord"))[1]
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(errors.InputError, match=r"expected \d+ bytes, got \d+: .*00001.tfrecord"):
        row_source.of(row_source.find(str(blocks))).check()


def test_check_refuses_blocks_without_rows(tmp_path):
    (tmp_path / "f").write_bytes(b"bad\n")
    engine = local_engine.Engine(1)
    encode.run([str(tmp_path / "f")], str(tmp_path / "blocks"), engine, _quiet, 1.0)
    with pytest.raises(errors.InputError, match="expected rows, got a data set without"):
        row_source.of(row_source.find(str(tmp_path / "blocks"))).check()
