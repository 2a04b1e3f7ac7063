import hashlib
import json

import pytest

from data_pipeline import errors, manifest, shard
from model import code_digest, training_facts


def _manifest(folder, **changes):
    contents = shard.Contents(rows=3, positives=1, size_bytes=900, sha256="0" * 64)
    data = manifest.Manifest(
        folder=str(folder),
        sources=(manifest.Source("/secret/place/day_0.gz", 70, 4, 3, True),),
        shards=(manifest.Shard(manifest.shard_name(0, 0), 0, contents._replace(**changes)),),
        rejects={"columns": 1},
    )
    folder.mkdir()
    manifest.write(data)
    return str(folder / manifest.NAME)


def test_row_blocks_are_told_by_the_hash_of_their_manifest(tmp_path):
    path = _manifest(tmp_path / "a")
    with open(path, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    assert training_facts.data([path]) == {
        "kind": "row_blocks",
        "manifest_sha256": sha256,
        "positives": 1,
        "rows": 3,
        "shards": 1,
        "sources": [{"name": "day_0.gz", "rows": 3}],
    }


def test_row_blocks_are_the_same_wherever_they_lie(tmp_path):
    facts = [training_facts.data([_manifest(tmp_path / name)]) for name in "ab"]
    assert facts[0] == facts[1]


def test_row_blocks_of_other_bytes_are_others(tmp_path):
    ours = training_facts.data([_manifest(tmp_path / "a")])
    others = training_facts.data([_manifest(tmp_path / "b", sha256="1" * 64)])
    assert ours.pop("manifest_sha256") != others.pop("manifest_sha256")
    assert ours == others


def test_text_files_are_told_by_base_name_and_size(tmp_path):
    paths = [tmp_path / "b.tsv", tmp_path / "a.tsv"]
    for size, path in zip((5, 7), paths):
        path.write_text("x" * size)
    assert training_facts.data([str(path) for path in paths]) == {
        "kind": "text",
        "files": [{"name": "b.tsv", "size_bytes": 5}, {"name": "a.tsv", "size_bytes": 7}],
    }


def test_text_file_that_is_gone_is_refused(tmp_path):
    path = str(tmp_path / "a.tsv")
    with pytest.raises(errors.InputError, match="expected a file, got No such file.*: %s" % path):
        training_facts.data([path, path])


def test_facts_are_data_code_and_flags_without_paths(tmp_path):
    train, evaluation = _manifest(tmp_path / "blocks"), tmp_path / "eval.tsv"
    evaluation.write_text("x")
    facts = training_facts.of([train], [str(evaluation)], {"max_steps": None})
    assert facts == {
        "code_sha256": code_digest.sha256(),
        "data": {
            "train": training_facts.data([train]),
            "eval": training_facts.data([str(evaluation)]),
        },
        "flags": {"max_steps": None},
    }
    text = json.dumps(facts)
    assert str(tmp_path) not in text and "/secret" not in text
