"""The bundle as it is written; bundle_binary_test runs what is in it."""

import os

import pytest

from serving import bundle, sample_model

_FILES = ["config.json", "input.json", "model_service.py", "requirements.txt"]
_NAMES = ["MANIFEST.json", "config.json", "input.json"] + [
    *["model/saved_model.pb", "model_service.py", "requirements.txt"]
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Relative paths of the user are below tmp_path/user, and what lies beside a model is small."""
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "user"


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    return sample_model.export(str(tmp_path_factory.mktemp("export") / "1662111628"))


def _listing(folder):
    paths = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder) for path in paths)


def test_items_are_the_model_and_the_files_beside_it(tmp_path, saved_model):
    for name in _FILES:
        (tmp_path / name).write_text(name)
    items = {item.path: item for item in bundle.items(saved_model, str(tmp_path))}
    assert sorted(items) == sorted(set(_NAMES) - {"MANIFEST.json"})
    assert {item.mode for item in items.values()} == {0o644}
    for name in _FILES:
        assert items[name].open().read() == name.encode()
    with open(os.path.join(saved_model, "saved_model.pb"), "rb") as file:
        assert items["model/saved_model.pb"].open().read() == file.read()


def _main(capsys, *flags):
    code = bundle.main(list(flags))
    return code, capsys.readouterr()


@pytest.fixture
def small_files(tmp_path, monkeypatch):
    """Files to lie beside the model, but for the service, which has to be the real one."""
    folder = tmp_path / "files"
    folder.mkdir()
    os.symlink(os.path.join(bundle._FOLDER, "model_service.py"), str(folder / "model_service.py"))
    for name in set(_FILES) - {"model_service.py"}:
        (folder / name).write_text(name)
    monkeypatch.setattr(bundle, "_FOLDER", str(folder))


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("name", ["bundle", "a/b/bundle.tar.gz", "bundle.zip"])
def test_main_writes_it_where_the_user_said(here, saved_model, capsys, name):
    code, output = _main(capsys, "--model_dir=" + os.path.dirname(saved_model), "--output=" + name)
    assert code == 0
    assert output.out.startswith("%s: model %s, 5 files, content sha256 " % (name, saved_model))
    written = here / name
    assert _listing(str(written)) == _NAMES if name == "bundle" else written.is_file()


@pytest.mark.usefixtures("small_files")
def test_main_refuses_to_replace_what_is_no_bundle(here, saved_model, capsys):
    (here / "bundle").mkdir()
    (here / "bundle" / "notes.txt").write_text("mine")
    code, output = _main(capsys, "--model_dir=" + saved_model, "--output=bundle")
    assert code == 2 and output.out == ""
    assert "not empty and not an earlier bundle" in output.err
    assert _listing(str(here)) == ["bundle/notes.txt"]


def test_main_refuses_a_folder_without_a_model_and_writes_nothing(here, capsys):
    (here / "empty").mkdir()
    code, output = _main(capsys, "--model_dir=empty", "--output=bundle")
    assert code == 2
    assert "bundle: error: DeepFMService.load did not succeed for empty" in output.err
    assert os.listdir(str(here)) == ["empty"]


def test_main_refuses_a_folder_that_is_not_there(here, capsys):
    code, output = _main(capsys, "--model_dir=none", "--output=bundle")
    assert code == 2
    assert "model_dir: expected a folder, got 'none'" in output.err
    assert os.listdir(str(here)) == []


@pytest.mark.usefixtures("small_files")
def test_main_says_in_one_line_that_it_cannot_write(here, saved_model, capsys):
    (here / "file").write_text("")
    code, output = _main(capsys, "--model_dir=" + saved_model, "--output=file/bundle")
    assert code == 1
    assert "bundle: error: cannot write file/bundle: " in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize("flags", [["--output=x"], ["--model_dir=x"], ["--model=x", "--output=y"]])
def test_main_refuses_other_flags(flags):
    with pytest.raises(SystemExit) as caught:
        bundle.main(flags)
    assert caught.value.code == 2
