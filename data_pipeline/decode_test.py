"""Tests of where decoded text goes; that it is the same, encode_test.py shows."""

import os

import pytest

from data_pipeline import decode, encode, errors, local_engine, rows_testing, text


def _quiet(line):
    del line


@pytest.fixture(name="files")
def _files(tmp_path):
    """Two files of the same rows; neither ends with a newline."""
    data = text.format(rows_testing.random_rows(40))[:-1]
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / "a.tsv"), str(tmp_path / "b.tsv")], data


def _encode(paths, folder):
    encode.run(paths, str(folder), local_engine.Engine(1), _quiet, piece_bytes=3000)
    return str(folder)


def test_one_file_gets_all_sources_with_newlines_between(tmp_path, files):
    paths, data = files
    blocks = _encode(paths, tmp_path / "blocks")
    output = tmp_path / "new" / "all.tsv"
    assert decode.run(blocks, str(output), 2, _quiet) == 80
    assert output.read_bytes() == data + b"\n" + data


def test_a_folder_gets_a_file_for_each_source(tmp_path, files):
    paths, data = files
    blocks = _encode(paths, tmp_path / "blocks")
    assert decode.run(blocks, str(tmp_path / "out") + "/", 2, _quiet) == 80
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["a.tsv", "b.tsv"]
    assert {(tmp_path / "out" / name).read_bytes() for name in ("a.tsv", "b.tsv")} == {data}


def test_sources_of_one_name_are_refused_in_a_folder(tmp_path, files):
    paths, data = files
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.tsv").write_bytes(data)
    blocks = _encode([paths[0], str(tmp_path / "sub" / "a.tsv")], tmp_path / "blocks")
    with pytest.raises(
        errors.InputError, match="sources of different names, got .'a.tsv', 'a.tsv'"
    ):
        decode.run(blocks, str(tmp_path / "out") + "/", 2, _quiet)


def test_a_broken_shard_leaves_no_output(tmp_path, files):
    blocks = _encode(files[0], tmp_path / "blocks")
    shard = tmp_path / "blocks" / "rows-00000-00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(errors.InputError, match="00001.tfrecord: byte 0: .*cut off"):
        decode.run(blocks, str(tmp_path / "all.tsv"), 2, _quiet)
    assert not (tmp_path / "all.tsv").exists()
