"""The assembled code package trains with plain `python3` and TF 1.15, as on a TI-ONE node."""

import os
import subprocess
import sys

from data_pipeline import generator, text
from e2e import programs
from launch import local_cluster, processes


def test_start_scripts_train_and_export(tmp_path):
    package = tmp_path / "package"
    subprocess.run([programs.binary("kerberos_pkg/assemble"), "--output=%s" % package], check=True)
    rows, _ = generator.Generator(5).rows(0, 1000)
    (tmp_path / "rows.tsv").write_bytes(text.format(rows))
    flags = programs.SMALL_MODEL + ["--model_dir=%s" % (tmp_path / "cfs")]
    flags += ["--train_file=%s" % (tmp_path / "rows.tsv")]
    flags += ["--eval_file=%s" % (tmp_path / "rows.tsv")]
    flags += ["--export_dir=%s" % (tmp_path / "model" / "export")]
    ps, worker = local_cluster.free_addresses(2)
    cluster = {"ps": [ps], "worker": [worker]}
    running = []
    try:
        for name, role, script in (
            ("ps", "ps", "start_1ps.sh"),
            ("worker", "worker", "start_1worker1eval.sh"),
        ):
            running.append(
                processes.Process(
                    name,
                    ["sh", str(package / script)] + flags,
                    dict(
                        _plain_python(tmp_path), TF_CONFIG=local_cluster.tf_config(cluster, role, 0)
                    ),
                    str(tmp_path / (name + ".log")),
                    print,
                )
            )
        processes.wait_all(running, [], deadline_secs=120)
    finally:
        for process in running:
            process.stop()
    (timestamp,) = os.listdir(str(tmp_path / "model" / "export" / "saved_model"))
    assert timestamp.isdigit()


def _plain_python(tmp_path):
    """An environment whose python3 has the wheels and nothing of this repository."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    if not (tmp_path / "bin" / "python3").exists():
        (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    # In runfiles, but not ours: rules_python, in-tree or released, chooses a wheel's folder.
    runfiles = os.path.join(os.environ["TEST_SRCDIR"], "")
    ours = os.path.join(runfiles, os.environ["TEST_WORKSPACE"])
    wheels = [path for path in sys.path if path.startswith(runfiles) and not path.startswith(ours)]
    return {
        "PATH": "%s:%s" % (tmp_path / "bin", os.environ["PATH"]),
        "PYTHONPATH": os.pathsep.join(wheels),
        "HOME": str(tmp_path),
    }
