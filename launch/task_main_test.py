import errno
import json
import os
import re
import types

import pytest
import tensorflow as tf

from data_pipeline import errors
from launch import cluster, task_config, task_main, termination
from launch import job as job_lib
from launch import options as options_lib

_CLUSTER = {"ps": ["p:1"], "worker": ["w:1", "w:2"]}


class Main:
    """Runs a program, whose part of the job is `run`, as task 0 of its first role."""

    def __init__(self, folder):
        self.model_dir = str(folder)
        self.job = job_lib.Job(self.model_dir, "a")
        self.order = []

    def __call__(self, run=lambda task: None, devices="", **changed):
        program = task_main.Program(
            name="worker",
            description="",
            roles=("chief", "worker"),
            run=lambda task: self.order.append("run") or run(task),
        )
        return task_main.main(program._replace(**changed), devices, argv=[])

    def last_word(self, task="chief_0"):
        """State and reason of the task's last note."""
        record = self.job.alive(task)
        return record["state"], record.get("reason")


@pytest.fixture(name="main")
def _main(tmp_path, monkeypatch):
    # Whoever sets them in the end, pytest's process gets its own back.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(termination.Termination, "install", lambda self: None)
    options = types.SimpleNamespace(model_dir=str(tmp_path), job_id="a", require_gpu=False)
    monkeypatch.setattr(options_lib, "parse", lambda argv, prog, description: options)
    return Main(tmp_path)


def _raise(error):
    def run(task):
        raise error

    return run


def test_program_that_comes_to_its_end_is_done(main):
    assert main() == 0
    assert main.last_word() == ("done", "")


@pytest.mark.parametrize(
    "error, code, word, line",
    [
        pytest.param(
            job_lib.JobError("the chief failed"),
            1,
            ("failed", "the chief failed"),
            "^worker: error: the chief failed\n$",
            id="job",
        ),
        pytest.param(
            errors.InputError("--train_file: no rows"),
            2,
            ("failed", "--train_file: no rows"),
            "^worker: error: --train_file: no rows\n$",
            id="input",
        ),
        pytest.param(
            termination.TerminatedError(), 143, ("stopped", "told to end"), "^$", id="sigterm"
        ),
        pytest.param(
            KeyboardInterrupt(),
            130,
            ("stopped", "told to end"),
            "^worker: interrupted\n$",
            id="sigint",
        ),
        pytest.param(ZeroDivisionError(), 1, ("failed", "see its log"), "", id="any_other"),
    ],
)
def test_exit_code_and_last_word_tell_how_it_ended(main, capfd, error, code, word, line):
    assert main(_raise(error)) == code
    assert main.last_word() == word
    assert re.match(line, capfd.readouterr().err)


@pytest.mark.parametrize(
    "error, what",
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (
            tf.errors.ResourceExhaustedError(None, None, "/m/graph.pbtxt; Disk quota exceeded"),
            "Disk quota exceeded",
        ),
    ],
    ids=["python", "tensorflow"],
)
def test_full_disk_is_one_line(main, capfd, error, what):
    assert main(_raise(error)) == 1
    assert main.last_word() == ("failed", "%s: %s" % (main.model_dir, what))
    assert capfd.readouterr().err == "worker: error: %s: %s\n" % (main.model_dir, what)


def test_full_memory_is_no_full_disk(main):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert main(_raise(error)) == 1
    assert main.last_word() == ("failed", "see its log")


def test_any_other_error_is_in_the_log(main, caplog):
    main(_raise(ZeroDivisionError("by zero")))
    (record,) = caplog.records
    assert record.getMessage() == "worker failed"
    assert str(record.exc_info[1]) == "by zero"


def test_task_says_that_it_is_alive_after_it_began_and_before_it_runs(main):
    def begin(task):
        assert main.job.alive("chief_0") is None
        main.order.append("begin")

    def run(task):
        assert main.last_word()[0] == "starting"

    assert main(run, begin=begin) == 0
    assert main.order == ["begin", "run"]


def test_task_that_may_not_begin_says_nothing(main, capfd):
    assert main(begin=_raise(errors.InputError("in use"))) == 2
    assert main.order == []
    assert main.job.alive("chief_0") is None
    assert capfd.readouterr().err == "worker: error: in use\n"


def test_folder_that_cannot_be_written_at_the_end_does_not_hide_why_it_ended(
    main, monkeypatch, capfd
):
    def no_space(self, task, record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def run(task):
        monkeypatch.setattr(job_lib.Job, "write_alive", no_space)
        raise job_lib.JobError("the chief failed")

    assert main(run) == 1
    out, err = capfd.readouterr()
    assert out == "could not write to %s: No space left on device\n" % main.model_dir
    assert err == "worker: error: the chief failed\n"


def _tf_config(monkeypatch, role, index):
    value = {"cluster": _CLUSTER, "task": {"type": role, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(value))


def test_task_is_the_one_of_tf_config(main, monkeypatch):
    _tf_config(monkeypatch, "worker", 1)
    assert main() == 0
    assert main.last_word("worker_0")[0] == "done"


def test_job_is_named_after_the_cluster_unless_it_has_a_name(main, monkeypatch):
    monkeypatch.setattr(
        options_lib,
        "parse",
        lambda *args: types.SimpleNamespace(model_dir=main.model_dir, job_id="", require_gpu=False),
    )
    assert main() == 0
    assert os.listdir(os.path.join(main.model_dir, "job")) == [
        task_config.TaskConfig.local("chief").cluster_id()
    ]


def test_role_of_another_program_is_refused(main, monkeypatch, capfd):
    _tf_config(monkeypatch, "ps", 0)
    assert main() == 2
    assert main.order == []
    assert capfd.readouterr().err == (
        "worker: error: TF_CONFIG task type: worker is for chief or worker, got 'ps'\n"
    )


def test_program_may_act_as_another_task(main):
    assert main(acts_as=lambda config: config.as_evaluator()) == 0
    assert main.last_word("evaluator_0")[0] == "done"


def test_program_with_nothing_to_do_says_why_and_leaves(main, capfd):
    assert main(nothing_to_do=lambda config: "%s 0 has nothing to do" % config.role) == 0
    assert main.order == []
    assert main.job.alive("chief_0") is None
    assert capfd.readouterr().out == "chief 0 has nothing to do\n"


def test_gpu_that_is_required_and_not_there_is_refused(main, monkeypatch, capfd):
    def check_gpu(require_gpu, report):
        if require_gpu:
            raise errors.InputError("--require_gpu: there is none")

    monkeypatch.setattr(cluster, "check_gpu", check_gpu)
    assert main() == 0
    options_lib.parse([], "", "").require_gpu = True
    assert main() == 2
    assert capfd.readouterr().err == "worker: error: --require_gpu: there is none\n"


def test_time_to_leave_is_the_programs(main, monkeypatch):
    given = []

    class Termination(termination.Termination):
        def __init__(self, leave_secs):
            super().__init__(leave_secs)
            given.append(leave_secs)

    monkeypatch.setattr(termination, "Termination", Termination)
    main()
    main(leave_secs=0.0)
    assert given == [termination.LEAVE_SECS, 0.0]


@pytest.mark.parametrize("named, want", [(None, "0"), ("", ""), ("1", "1")])
def test_devices_that_the_user_named_go_before_those_of_the_program(main, monkeypatch, named, want):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(cluster, "visible_gpus", lambda: ["GPU:0"])
    seen = []
    assert main(lambda task: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]), devices="0") == 0
    assert seen == [want]
