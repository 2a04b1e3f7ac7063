"""The assembled code package trains with plain `python3` and TF 1.15, as on TI-ONE's nodes."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from data_pipeline import generator, text
from e2e import programs
from launch import local_cluster, processes

_DEADLINE_SECS = 120

# Where the platform puts things on each node: the guide's mounts, and what it picks up at the end.
_DATA, _SHARED, _OUTPUT = "/opt/ml/input/data/criteo", "/opt/ml/input/data/cfs", "/opt/ml/model"

# Gives a node an /opt/ml of its own, beside whatever else is in /opt, and runs its command in the
# folder of the code. $1: the node's folder; $2: the folder of all nodes; $3: the code.
_NODE = """
mkdir "$1/opt"
mount --rbind /opt "$1/opt"
mount -t tmpfs none /opt
for kept in "$1"/opt/*/; do
  mkdir -p "/opt/$(basename "$kept")"
  mount --rbind "$kept" "/opt/$(basename "$kept")"
done
mkdir -p %(data)s %(shared)s %(output)s
mount --bind "$2/criteo" %(data)s
mount --bind "$2/cfs" %(shared)s
mount --bind "$1/model" %(output)s
cd "$3"
shift 3
exec "$@"
""" % {"data": _DATA, "shared": _SHARED, "output": _OUTPUT}


@pytest.fixture(name="platform")
def _platform(tmp_path):
    platform = _Platform(tmp_path)
    yield platform
    processes.stop_all(platform.running)


class _Platform:
    """Nodes of one job.

    Attributes:
      code: The assembled package.
      shared: Folder with criteo/ and cfs/, which all nodes see.
      running: What was started.
    """

    def __init__(self, folder):
        self._folder = folder
        # With a space, since users' folders have them.
        self.code = folder / "my code"
        command = [programs.binary("kerberos_pkg/assemble"), "--output=%s" % self.code]
        subprocess.run(command, check=True)
        self.shared = folder / "shared"
        for name in ("criteo", "cfs"):
            (self.shared / name).mkdir(parents=True)
        rows, _ = generator.Generator(5).rows(0, 1500)
        train, val = rows.take(slice(0, 1000)), rows.take(slice(1000, None))
        (self.shared / "criteo/train_new.txt").write_bytes(text.format(train))
        (self.shared / "criteo/val.txt").write_bytes(text.format(val))
        self.running = []

    def node(self, name):
        """The folder of a node, made; its model/ is what the platform picks up."""
        (self._folder / name / "model").mkdir(parents=True, exist_ok=True)
        return self._folder / name

    def start(self, role, index, cluster, command, report=print):
        """Starts a node's command with the TF_CONFIG that TI-ONE gives it."""
        name = "%s_%d" % (role, index)
        process = processes.Process(
            name,
            command,
            dict(
                _plain_python(self._folder), TF_CONFIG=local_cluster.tf_config(cluster, role, index)
            ),
            str(self._folder / (name + ".log")),
            report,
        )
        self.running.append(process)
        return process

    def log(self, role, index):
        return (self._folder / ("%s_%d.log" % (role, index))).read_text()


def _plain_python(folder):
    """An environment whose python3 has the wheels and nothing of this repository."""
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin" / "python3").exists():
        (folder / "bin" / "python3").symlink_to(sys.executable)
    # In runfiles, but not ours: rules_python, in-tree or released, chooses a wheel's folder.
    runfiles = os.path.join(os.environ["TEST_SRCDIR"], "")
    ours = os.path.join(runfiles, os.environ["TEST_WORKSPACE"])
    wheels = [path for path in sys.path if path.startswith(runfiles) and not path.startswith(ours)]
    return {
        "PATH": "%s:%s" % (folder / "bin", os.environ["PATH"]),
        "PYTHONPATH": os.pathsep.join(wheels),
        "HOME": str(folder),
    }


def _cluster(num_workers):
    ps, *workers = local_cluster.free_addresses(1 + num_workers)
    return {"ps": [ps], "worker": workers}


def _own_paths(platform, node):
    """The four paths, for a start without /opt/ml."""
    return [
        "--train_file=%s" % (platform.shared / "criteo/train_new.txt"),
        "--eval_file=%s" % (platform.shared / "criteo/val.txt"),
        "--model_dir=%s" % (platform.shared / "cfs"),
        "--export_dir=%s" % (node / "model/export"),
    ]


def _in_code_folder(platform, node, script):
    """The guide's command on the guide's paths, with nothing overridden."""
    guides = ["sh", script]
    if subprocess.run(["unshare", "-rm", "true"]).returncode == 0:
        folders = [str(node), str(platform.shared), str(platform.code)]
        return ["unshare", "-rm", "sh", "-euc", _NODE, "sh"] + folders + guides
    # Where the kernel lets no user do that, paths change as the guide has users change them.
    edited = node / "code"
    subprocess.run(["cp", "-r", str(platform.code), str(edited)], check=True)
    lines = (edited / "start.sh").read_text()
    for old, new in (
        (_DATA, platform.shared / "criteo"),
        (_SHARED, platform.shared / "cfs"),
        (_OUTPUT, node / "model"),
    ):
        lines = lines.replace(old, str(new))
    (edited / "start.sh").chmod(0o755)
    (edited / "start.sh").write_text(lines)
    return ["sh", "-euc", 'cd "$1"; shift; exec "$@"', "sh", str(edited)] + guides


def test_guides_commands_train_on_the_platforms_paths(platform):
    cluster = _cluster(num_workers=2)
    nodes = [("ps", 0, "start_1ps.sh")]
    nodes += [("worker", index, "start_1worker1eval.sh") for index in range(2)]
    for role, index, script in nodes:
        node = platform.node("%s_%d_node" % (role, index))
        platform.start(role, index, cluster, _in_code_folder(platform, node, script))
    processes.wait_all(platform.running, [], _DEADLINE_SECS)

    # The guide's training_model_cos_path ends with model/export/saved_model/1662111628/.
    (timestamp,) = os.listdir(str(platform.node("worker_0_node") / "model/export/saved_model"))
    exported = platform.node("worker_0_node") / "model/export/saved_model" / timestamp
    assert timestamp.isdigit() and (exported / "saved_model.pb").is_file()
    # Only the evaluator of worker 0 worked; and checkpoints went where all see them.
    assert "the evaluator runs beside the chief" in platform.log("worker", 1)
    assert "the evaluator runs beside the chief" not in platform.log("worker", 0)
    for name in ("ps_0_node", "worker_1_node"):
        assert os.listdir(str(platform.node(name) / "model")) == []
    assert tf.train.latest_checkpoint(str(platform.shared / "cfs"))


def test_every_path_can_be_given_and_the_scripts_started_from_anywhere(platform, tmp_path):
    cluster = _cluster(num_workers=1)
    # Modules of our names in the user's folder, which are not to be taken.
    elsewhere = tmp_path / "elsewhere"
    for package in ("launch", "model", "data_pipeline"):
        (elsewhere / package).mkdir(parents=True)
        (elsewhere / package / "__init__.py").write_text("raise ImportError(__file__)\n")
    go = ["sh", "-euc", 'cd "$1"; shift; exec "$@"', "sh", str(elsewhere)]
    node = platform.node("worker_node")
    flags = programs.SMALL_MODEL + _own_paths(platform, node)
    # One relative to where the command is given.
    flags[-1] = "--export_dir=../worker_node/model/export"
    for role, script in (("ps", "start_1ps.sh"), ("worker", "start_1worker1eval.sh")):
        platform.start(role, 0, cluster, go + ["sh", "../my code/" + script] + flags)
    processes.wait_all(platform.running, [], _DEADLINE_SECS)
    (timestamp,) = os.listdir(str(node / "model/export/saved_model"))
    assert timestamp.isdigit()


def test_script_that_is_told_to_end_lets_the_chief_save(platform):
    cluster = _cluster(num_workers=1)
    trains = threading.Event()

    def report(line):
        print(line)
        # Of the chief: "step 120/50000 ...".
        if "| step " in line and "samples/s" in line:
            trains.set()

    node = platform.node("worker_node")
    flags = programs.SMALL_MODEL + _own_paths(platform, node)
    # More than there is time for; without the signal nothing would be saved for as long.
    flags += ["--epochs=100000", "--log_steps=5", "--save_checkpoints_steps=1000000"]
    ps = platform.start("ps", 0, cluster, ["sh", str(platform.code / "start_1ps.sh")] + flags)
    command = ["sh", str(platform.code / "start_1worker1eval.sh")] + flags
    worker = platform.start("worker", 0, cluster, command, report)
    assert trains.wait(_DEADLINE_SECS), worker.last_lines()
    # To the script alone: a platform knows nothing of its children.
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(processes.STOP_SECS) == 128 + signal.SIGTERM
    os.kill(ps.pid, signal.SIGTERM)
    assert ps.wait(processes.STOP_SECS) == 128 + signal.SIGTERM
    saved = tf.train.latest_checkpoint(str(platform.shared / "cfs"))
    assert tf.train.load_variable(saved, "global_step") >= 5
