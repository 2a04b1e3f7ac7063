"""What changes the fingerprint of the models in a folder, and what does not."""

import os

import pytest

from serving import model_files


@pytest.fixture
def model(tmp_path):
    return make(tmp_path / "model" / "1662111628")


def make(folder):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_nothing_without_a_model(tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    assert model_files.fingerprint(str(tmp_path)) == ()
    assert model_files.fingerprint(str(tmp_path / "none")) == ()
    assert model_files.version(()) == ""


def test_holds_each_file_of_the_model(tmp_path, model):
    found = model_files.fingerprint(str(tmp_path))
    stat = os.stat(str(model / "saved_model.pb"))
    assert found[0] == (
        str(model / "saved_model.pb"),
        stat.st_mtime_ns,
        len(b"graph"),
        stat.st_ino,
    )
    assert [look[0] for look in found[1:]] == [str(model / "variables" / "variables.index")]


def test_stays_while_nothing_changes(tmp_path, model):
    (tmp_path / "readme.txt").write_text("x")
    first = model_files.fingerprint(str(tmp_path))
    (tmp_path / "readme.txt").write_text("changed")
    assert model_files.fingerprint(str(tmp_path)) == first


def _rewrite(model):
    (model / "variables" / "variables.index").write_bytes(b"other size")


def _touch(model):
    os.utime(str(model / "saved_model.pb"), ns=(1, 1))


def _add(model):
    (model / "assets").mkdir()
    (model / "assets" / "schema.json").write_text("{}")


def _remove(model):
    (model / "variables" / "variables.index").unlink()


def _replace(model):
    path = str(model / "saved_model.pb")
    stat = os.stat(path)
    with open(path + ".tmp", "wb") as stream:
        stream.write(b"GRAPH")
    os.utime(path + ".tmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(path + ".tmp", path)


def _add_version(model):
    make(model.parent / "1662111629")


@pytest.mark.parametrize("change", [_rewrite, _touch, _add, _remove, _replace, _add_version])
def test_changes_with_the_model(tmp_path, model, change):
    first = model_files.fingerprint(str(tmp_path))
    change(model)
    assert model_files.fingerprint(str(tmp_path)) != first


def test_only_the_model_that_is_found_counts(tmp_path, model):
    def find(model_dir):
        assert model_dir == str(tmp_path)
        return str(model)

    first = model_files.fingerprint(str(tmp_path), find)
    assert first == model_files.fingerprint(str(model))
    _add_version(model)
    assert model_files.fingerprint(str(tmp_path), find) == first
    _rewrite(model)
    assert model_files.fingerprint(str(tmp_path), find) != first


def test_all_models_count_when_none_is_found(tmp_path, model):
    def find(model_dir):
        raise RuntimeError("expected exactly one")

    assert model_files.fingerprint(str(tmp_path), find) == model_files.fingerprint(str(tmp_path))


@pytest.mark.parametrize("graph", ["saved_model.pb", "saved_model.pbtxt"])
def test_version_is_the_name_of_the_folder(tmp_path, graph):
    (tmp_path / "7" / "assets").mkdir(parents=True)
    (tmp_path / "7" / graph).write_text("x")
    (tmp_path / "7" / "assets" / "a").write_text("x")
    assert model_files.version(model_files.fingerprint(str(tmp_path))) == "7"


def test_version_of_several_is_the_highest_number(tmp_path):
    for name in ["9", "10", "1"]:
        make(tmp_path / name)
    assert model_files.version(model_files.fingerprint(str(tmp_path))) == "10"


def test_version_of_the_folder_itself(tmp_path, model, monkeypatch):
    monkeypatch.chdir(model)
    assert model_files.version(model_files.fingerprint(".")) == "1662111628"
