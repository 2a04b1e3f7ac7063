"""//kerberos_pkg:assemble as a user starts it."""

import os
import pathlib
import subprocess
import sys

from data_pipeline import fake_keytab

_HERE = pathlib.Path(__file__).absolute().parent


def _assemble(folder, output):
    command = [
        str(_HERE / "assemble"),
        "--output=" + output,
        "--emr_id=emr-1",
        "--keytab=emr.keytab",
    ]
    env = dict(os.environ, BUILD_WORKING_DIRECTORY=str(folder))
    # The stub must find its own runfiles, not this test's.
    for name in ("RUNFILES_DIR", "RUNFILES_MANIFEST_FILE", "PYTHONPATH"):
        env.pop(name, None)
    subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_runs_give_equal_packages_that_compile(tmp_path):
    data = fake_keytab.keytab(fake_keytab.entry("hadoop@EXAMPLE.COM"))
    (tmp_path / "emr.keytab").write_bytes(data)
    _assemble(tmp_path, "a")
    _assemble(tmp_path, "b")
    files = _files(tmp_path / "a")
    assert files == _files(tmp_path / "b")
    assert files["emr-1/username.txt"] == b"hadoop"
    assert {"launch/worker.py", "model/deepfm.py", "data_pipeline/schema.py"} <= set(files)
    # Compiled without TensorFlow, which this test has no need of.
    command = [sys.executable, "-m", "compileall", "-q", str(tmp_path / "a")]
    subprocess.run(command, check=True)
