"""Tests of verification: each kind of damage is found and named."""

import json

import pytest

from data_pipeline import (
    encode,
    errors,
    local_engine,
    manifest,
    rows_testing,
    shard,
    text,
    verify,
)

_SHARD = "rows-00000-00001.tfrecord"


def _quiet(line):
    del line


@pytest.fixture(name="folder")
def _folder(tmp_path):
    data = text.format(rows_testing.random_rows(100)) + b"bad\n"
    (tmp_path / "f").write_bytes(data)
    encode.run(
        [str(tmp_path / "f")],
        str(tmp_path / "blocks"),
        local_engine.Engine(2),
        _quiet,
        max_reject_share=1,
        piece_bytes=10_000,
    )
    return tmp_path / "blocks"


def _problems(folder):
    return verify.run(str(folder), 2, _quiet)


def test_a_whole_data_set_has_no_problem(folder):
    assert _problems(folder) == []


def _edit_manifest(folder, change):
    path = folder / manifest.NAME
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _flip(folder):
    data = bytearray((folder / _SHARD).read_bytes())
    data[1000] ^= 1
    (folder / _SHARD).write_bytes(data)


def _swap_positives(data):
    data["shards"][0]["positives"] += 1
    data["shards"][1]["positives"] -= 1


@pytest.mark.parametrize(
    "damage, match",
    [
        pytest.param(_flip, "00001.tfrecord: byte 0: expected the block's checksum", id="a_bit"),
        pytest.param(
            lambda folder: (folder / _SHARD).write_bytes(b""), r"bytes, got 0", id="empty"
        ),
        pytest.param(lambda folder: (folder / _SHARD).unlink(), "got No such file", id="gone"),
        pytest.param(
            lambda folder: (folder / "rows-00000-00000.tfrecord").rename(folder / _SHARD),
            "00000.tfrecord",
            id="replaced",
        ),
        pytest.param(
            lambda folder: (folder / "rows-00009-00009.tfrecord").write_bytes(b""),
            "00009-00009.tfrecord: not in the manifest",
            id="stranger",
        ),
        pytest.param(
            lambda folder: _edit_manifest(folder, _swap_positives),
            r"expected positives \d+, got \d+",
            id="positives",
        ),
        pytest.param(
            lambda folder: _edit_manifest(
                folder, lambda data: data["shards"][0].update(sha256="0" * 64)
            ),
            "expected sha256 0000.*, got ",
            id="sha256",
        ),
        pytest.param(
            lambda folder: (folder / "rejects.jsonl").write_bytes(b""),
            "expected rejects: 1 columns, got: none",
            id="rejects_lost",
        ),
        pytest.param(
            lambda folder: (folder / "rejects.jsonl").write_bytes(b"bad\n"),
            "expected one JSON object a line",
            id="rejects_broken",
        ),
        pytest.param(
            lambda folder: (folder / "rejects.jsonl").unlink(),
            "got No such file",
            id="rejects_gone",
        ),
    ],
)
def test_damage_is_found_and_named(folder, damage, match):
    damage(folder)
    problems = _problems(folder)
    assert len(problems) >= 1
    with pytest.raises(ValueError, match=match):
        raise ValueError("\n".join(problems))


@pytest.mark.parametrize(
    "change, match",
    [
        pytest.param(lambda rows: rows.label.fill(2), "expected labels 0 and 1", id="label"),
        pytest.param(lambda rows: rows.dense.fill(7), "0 in every missing integer", id="missing"),
    ],
)
def test_rows_that_no_text_has_are_found(tmp_path, change, match):
    rows = rows_testing.random_rows(9)
    change(rows)
    with open(str(tmp_path / "rows-00000-00000.tfrecord"), "wb") as file:
        writer = shard.Writer(file)
        writer.add(rows)
        contents = writer.finish()
    source = manifest.Source("f", 1, 9, 9, True)
    item = manifest.Shard("rows-00000-00000.tfrecord", 0, contents)
    manifest.write(manifest.Manifest(str(tmp_path), (source,), (item,), {}))
    (problem,) = _problems(tmp_path)
    assert "byte 0 or later: " in problem and match in problem


def test_every_broken_shard_is_named(folder):
    paths = sorted(folder.glob("*.tfrecord"))
    for path in paths:
        path.write_bytes(b"x")
    assert [problem.split(":")[0] for problem in _problems(folder)] == [str(path) for path in paths]


def test_without_a_manifest_there_is_nothing_to_verify(folder):
    (folder / manifest.NAME).unlink()
    with pytest.raises(errors.InputError, match="manifest.json"):
        _problems(folder)
