"""The bundle that users get, unpacked: the platform's host runs it, and ours does."""

import json
import os
import subprocess
import zipfile

import pytest
import requests

from serving import benchmark_server, sample_model

_FILES = [
    "MANIFEST.json",
    "config.json",
    "input.json",
    "model/saved_model.pb",
    "model_service.py",
    "requirements.txt",
]


def _program(name):
    folder = os.path.join(os.environ["TEST_SRCDIR"], os.environ["TEST_WORKSPACE"])
    return os.path.join(folder, "serving", name)


def _write(saved_model, output, cwd):
    subprocess.check_call(
        [_program("bundle"), "--model_dir=" + saved_model, "--output=" + str(output)], cwd=str(cwd)
    )


def _contents(folder):
    return {
        os.path.relpath(os.path.join(parent, name), str(folder)): _read(parent, name)
        for parent, _, names in os.walk(str(folder))
        for name in names
    }


def _read(*parts):
    with open(os.path.join(*map(str, parts)), "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A folder with the bundle of one model as folder, and twice as each archive."""
    top = tmp_path_factory.mktemp("bundles")
    saved_model = sample_model.export(str(top / "export" / "1662111628"))
    for name in ["folder", "1.tar.gz", "1.zip"]:
        _write(saved_model, name, top)
    # The same model elsewhere, later, with other permissions.
    copied = str(top / "copied")
    os.rename(saved_model, copied)
    os.utime(os.path.join(copied, "saved_model.pb"), (0, 0))
    os.chmod(os.path.join(copied, "saved_model.pb"), 0o600)
    for name in ["other_folder", "2.tar.gz", "2.zip"]:
        _write(copied, top / name, top)
    return top


def test_equal_models_give_equal_bytes(bundles):
    assert _read(bundles, "1.tar.gz") == _read(bundles, "2.tar.gz")
    assert _read(bundles, "1.zip") == _read(bundles, "2.zip")
    assert _contents(bundles / "folder") == _contents(bundles / "other_folder")


def test_archives_hold_what_the_folder_holds(bundles, tmp_path):
    with zipfile.ZipFile(str(bundles / "1.zip")) as archive:
        archive.extractall(str(tmp_path / "zip"))
    (tmp_path / "tar").mkdir()
    subprocess.check_call(["tar", "xzf", str(bundles / "1.tar.gz")], cwd=str(tmp_path / "tar"))
    files = _contents(bundles / "folder")
    assert sorted(files) == _FILES
    assert _contents(tmp_path / "zip") == _contents(tmp_path / "tar") == files


def _check_answer(server, request):
    url = "http://%s:%d%s" % server.target
    response = requests.post(url, data=request, timeout=60)
    assert response.status_code == 200
    answer = response.json()
    assert sorted(answer) == ["auc", "prediction"]
    assert 0.0 < answer["auc"] < 1.0
    assert [len(row) for row in answer["prediction"]] == [1] * 512
    return answer


def test_the_platform_and_our_server_answer_its_request(bundles, tmp_path):
    (tmp_path / "mv").mkdir()
    subprocess.check_call(["tar", "xzf", str(bundles / "1.tar.gz")], cwd=str(tmp_path / "mv"))
    folder, request = str(tmp_path / "mv"), _read(tmp_path, "mv", "input.json")
    with benchmark_server.tiinfer(folder, 1, str(tmp_path)) as server:
        answer = _check_answer(server, request)
    with benchmark_server.ours([_program("server")], folder, 1, str(tmp_path)) as server:
        assert _check_answer(server, request) == answer
    config = json.loads(_read(folder, "config.json").decode())
    assert config["apis"][0]["url"] == server.target.path
