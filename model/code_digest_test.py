import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from data_pipeline import errors
from model import code_digest

_PATHS = (
    "data_pipeline/names.py",
    "data_pipeline/native.so",
    "data_pipeline/plain.py",
    "data_pipeline/rows.py",
    "data_pipeline/text.py",
    "model/estimator.py",
    "model/export.py",
    "model/training_control.py",
    "model/training_input.py",
)
_TEXTS = {
    "model/estimator.py": "import os\n",
    "model/export.py": "def f():\n    from data_pipeline import rows as rows_lib, text\n",
    "model/training_control.py": "import data_pipeline.plain, data_pipeline.text\n",
    "model/training_input.py": "from data_pipeline.names import count\nimport numpy.so\n",
    "data_pipeline/names.py": "",
    "data_pipeline/plain.py": "",
    "data_pipeline/rows.py": '_FILE = "native.so"\n_OTHER = "/lib/x.so, .so"\n',
    "data_pipeline/text.py": "from . import nothing\nfrom launch import job\n",
    "data_pipeline/native.so": "\x7fELF",
}


@pytest.fixture
def folder(tmp_path):
    for path, text in _TEXTS.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def _sha256(folder):
    code_digest.sha256.cache_clear()
    return code_digest.sha256(str(folder))


def test_files_are_all_that_is_imported_and_the_libraries_named(folder):
    assert code_digest.files(str(folder)) == list(_PATHS)


def test_hash_is_that_of_sha256sum_over_its_own_listing(folder):
    listing = "".join(
        "%s  %s\n" % (hashlib.sha256(_TEXTS[path].encode()).hexdigest(), path) for path in _PATHS
    )
    assert _sha256(folder) == hashlib.sha256(listing.encode()).hexdigest()


@pytest.mark.parametrize("path", _PATHS)
def test_every_file_counts(folder, path):
    before = _sha256(folder)
    with open(str(folder / path), "a") as file:
        file.write("\n")
    assert _sha256(folder) != before


@pytest.mark.parametrize(
    "path",
    [
        "model/__init__.py",  # in code packages
        "data_pipeline/__init__.py",
        "model/export_test.py",  # in source trees
        "data_pipeline/criteo.py",
        "data_pipeline/native.c",
        "model/BUILD",
    ],
)
def test_what_only_some_places_have_does_not_count(folder, path):
    before = _sha256(folder)
    (folder / path).write_text("x = 1\n")
    assert _sha256(folder) == before


def test_place_does_not_count(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "folder"
    shutil.copytree(str(folder), str(other))
    assert _sha256(other) == _sha256(folder)


@pytest.mark.parametrize("path", _PATHS)
def test_missing_file_is_refused(folder, path):
    (folder / path).unlink()
    with pytest.raises(errors.InputError, match="expected the code .*: %s/%s$" % (folder, path)):
        _sha256(folder)


def test_file_that_is_no_python_is_refused(folder):
    (folder / "data_pipeline" / "text.py").write_text("def:\n")
    with pytest.raises(errors.InputError, match="expected Python, got .*data_pipeline/text.py"):
        _sha256(folder)


def test_own_code_is_all_there_and_all_that_runs():
    """What the roots really load of ours is what counts, and what is loaded on demand."""
    roots = [path[: -len(".py")].replace("/", ".") for path in code_digest.ROOTS]
    command = "import sys, %s; print(*sorted(sys.modules))" % ", ".join(roots)
    loaded = subprocess.run(
        [sys.executable, "-c", command],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        check=True,
    )
    modules = {
        name.replace(".", "/") + ".py"
        for name in loaded.stdout.decode().split()
        if name.startswith(("data_pipeline.", "model."))
    }
    files = set(code_digest.files())
    assert modules - files == set()
    of_hdfs = re.compile(r"data_pipeline/(hdfs_\w+|keytab|spnego)\.py")
    on_demand = {path for path in files - modules if not of_hdfs.match(path)}
    assert on_demand == {"data_pipeline/criteo_kernel.so", "model/id_kernel.so"}
