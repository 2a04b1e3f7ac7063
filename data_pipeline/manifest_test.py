"""Tests of the manifest: round trip, and every contradiction refused."""

import json

import pytest

from data_pipeline import errors, manifest, shard


def _made(folder):
    contents = shard.Contents(rows=5, positives=2, size_bytes=900, sha256="0f" * 32)
    return manifest.Manifest(
        str(folder),
        (
            manifest.Source("a.tsv", 1000, 6, 5, True),
            manifest.Source("b.tsv", 10, 1, 0, False),
        ),
        (manifest.Shard(manifest.shard_name(0, 0), 0, contents),),
        {"columns": 2},
    )


def test_read_inverts_write(tmp_path):
    made = _made(tmp_path)
    assert not manifest.is_manifest(str(tmp_path))
    manifest.write(made)
    assert manifest.is_manifest(str(tmp_path))
    assert manifest.read(str(tmp_path)) == made
    assert manifest.read(str(tmp_path / "manifest.json")) == made
    assert (made.rows, made.positives, made.lines, made.size_bytes) == (5, 2, 7, 900)


def test_the_bytes_say_nothing_of_the_folder(tmp_path):
    assert manifest.to_bytes(_made("a")) == manifest.to_bytes(_made("b"))
    assert str(tmp_path).encode() not in manifest.to_bytes(_made(tmp_path))


def test_names_of_shards_sort_in_their_order():
    names = [
        manifest.shard_name(*numbers) for numbers in ((0, 0), (0, 1), (0, 10), (2, 0), (10, 0))
    ]
    assert names == sorted(names)
    assert all(map(manifest.is_shard_name, names))


@pytest.mark.parametrize(
    "change, match",
    [
        pytest.param({"kind": "x"}, "got kind 'x'", id="kind"),
        pytest.param({"format": 2}, "format 1, got format 2 of 1024 rows", id="format"),
        pytest.param({"block_rows": 7}, "got format 1 of 7 rows", id="block_rows"),
        pytest.param({"rows": 6}, "expected 5 as number of rows, got 6", id="rows"),
        pytest.param({"positives": 3}, "expected 2 as number of positives, got 3", id="positives"),
        pytest.param({"lines": 8}, "expected 7 as number of lines, got 8", id="lines"),
        pytest.param({"rejects": {}}, "expected 5 as number of lines, got 7", id="rejects"),
        pytest.param({"rejects": None}, "expected a manifest of row blocks", id="no_rejects"),
        pytest.param({"shards": [{}]}, "got no entry 'name'", id="shard_without_name"),
    ],
)
def test_a_changed_entry_is_refused(tmp_path, change, match):
    data = json.loads(manifest.to_bytes(_made(tmp_path)).decode())
    (tmp_path / "manifest.json").write_text(json.dumps(dict(data, **change)))
    with pytest.raises(errors.InputError, match=match):
        manifest.read(str(tmp_path))


@pytest.mark.parametrize(
    "change, match",
    [
        pytest.param({"name": "../../etc/passwd"}, "a shard '../../etc/passwd'", id="other_folder"),
        pytest.param({"sha256": "x"}, "with sha256 'x'", id="sha256"),
        pytest.param({"rows": -5}, "got rows -5", id="negative"),
        pytest.param({"rows": 5.0}, "got rows 5.0", id="float"),
        pytest.param({"more": 1}, "got entries", id="unknown_entry"),
        pytest.param({"source": 2}, "expected sources below 2", id="source"),
        pytest.param({"source": 1}, r"number of rows of the sources, got \[5, 0\]", id="which"),
    ],
)
def test_a_changed_shard_is_refused(tmp_path, change, match):
    data = json.loads(manifest.to_bytes(_made(tmp_path)).decode())
    data["shards"][0].update(change)
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(errors.InputError, match=match):
        manifest.read(str(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "{}"])
def test_other_text_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(errors.InputError, match="expected a manifest of row blocks of format 1"):
        manifest.read(str(tmp_path))


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="got No such file or directory: .*manifest.json"):
        manifest.read(str(tmp_path))
