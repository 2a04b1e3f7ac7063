import json
import os
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import errors, rows_testing, text
from launch import evaluation, task_config, termination
from launch import job as job_lib
from launch import task as task_lib
from model import checkpoint_record, export, history, hyper_parameters, trainer
from model import estimator as estimator_lib

_PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=50, embedding_dim=2, hidden=(4,), batch_size=20
)


class FakeTermination:
    requested = False

    def check(self):
        if self.requested:
            raise termination.TerminatedError()


class FakeLife:
    def __init__(self):
        self.updates = []

    def update(self, **facts):
        self.updates.append(facts)


class FakeWatch:
    """Each look at the chief runs the next of `events`; the chief has finished after the last."""

    def __init__(self, *events):
        self._events = list(events)

    def start_step(self):
        return 0

    def is_finished(self):
        if self._events:
            self._events.pop(0)()
        return not self._events


def _nothing():
    pass


class Job:
    """A model_dir to which checkpoints come, and an evaluator of it."""

    def __init__(self, folder):
        self.model_dir = os.path.join(folder, "model")
        self.export_dir = os.path.join(folder, "export")
        self.lines = []
        self.life = FakeLife()
        self.termination = FakeTermination()
        self.auc = {}
        checkpoint_record.write(self.model_dir, _PARAMETERS, {"code_sha256": "ab"})
        with tf.Graph().as_default() as graph:
            self._weight = tf.compat.v1.get_variable("weight", [])
            self._saver = tf.compat.v1.train.Saver(save_relative_paths=True)
        self._session = tf.compat.v1.Session(graph=graph)

    def save(self, step, weight=0.5):
        """Returns what saves a checkpoint."""

        def save():
            self._weight.load(weight, self._session)
            self._saver.save(self._session, os.path.join(self.model_dir, "model.ckpt"), step)

        return save

    def cut(self, step):
        """Returns what leaves half of a checkpoint's values."""
        path = os.path.join(self.model_dir, "model.ckpt-%d.data-00000-of-00001" % step)
        return lambda: os.truncate(path, 2)

    def run(self, *events, **options):
        return evaluation.run(self.task(**options), FakeWatch(*events))

    def task(self, **changed):
        options = {
            "model_dir": self.model_dir,
            "export_dir": self.export_dir,
            "export": "best",
            "parameters": _PARAMETERS,
            "eval_files": (),
            "save_checkpoints_steps": 10,
        }
        options.update(changed)
        return task_lib.Task(
            task_config.TaskConfig.local("chief"),
            types.SimpleNamespace(**options),
            None,
            self.life,
            self.termination,
            self.lines.append,
        )

    def evaluated(self):
        """Steps of the evaluations, in their order."""
        return [record["global_step"] for record in history.History(self.model_dir).records()]

    def exported(self):
        """The steps of the models in the export folder, by their places."""
        found = {}
        for parent, _, names in os.walk(self.export_dir):
            for name in names:
                with open(os.path.join(parent, name)) as file:
                    found[os.path.relpath(parent, self.export_dir)] = file.read()
        return found


@pytest.fixture(name="job")
def _job(tmp_path, monkeypatch):
    """A job whose models are single weights, and whose metrics say just what the test wants."""
    monkeypatch.setenv("TF_CONFIG", "{}")  # restored when the test ends: run_config sets it
    job = Job(str(tmp_path))

    def evaluate(estimator, parameters, eval_paths, checkpoint):
        step = int(checkpoint.rpartition("-")[2])
        tf.train.load_checkpoint(checkpoint).get_tensor("weight")
        return {"auc": job.auc[step], "log_loss": 0.5, "calibration": 1.0, "global_step": step}

    def export_saved_model(checkpoint, parameters, folder, facts, record):
        assert parameters == _PARAMETERS
        assert facts == {"code_sha256": "ab"}
        assert record["checkpoint"] == os.path.basename(checkpoint)
        timestamp = os.path.join(folder, str(1000 + record["global_step"]))
        os.makedirs(timestamp)
        with open(os.path.join(timestamp, "saved_model.pb"), "w") as file:
            file.write(str(record["global_step"]))

    monkeypatch.setattr(trainer, "evaluate", evaluate)
    monkeypatch.setattr(export, "export_saved_model", export_saved_model)
    return job


def test_checkpoints_are_evaluated_as_they_come_and_best_and_latest_exported(job):
    job.auc = {10: 0.6, 20: 0.7, 30: 0.65}
    published = job.run(
        job.save(10), job.save(20), _nothing, _nothing, _nothing, job.save(30), _nothing
    )
    assert job.evaluated() == [10, 20, 30]
    assert published == os.path.join(job.export_dir, "saved_model", "1020")
    assert job.exported() == {"saved_model/1020": "20", "latest/1030": "30"}
    assert job.lines == [
        "step 10  eval AUC 0.6000  log loss 0.5000  calibration 1.000",
        "step 20  eval AUC 0.7000  log loss 0.5000  calibration 1.000",
        "step 30  eval AUC 0.6500  log loss 0.5000  calibration 1.000",
        "exported the best model to %s" % published,
    ]
    assert job.life.updates == [{"state": "waiting for a checkpoint"}] + [
        update
        for step in (10, 20, 30)
        for update in (
            {"state": "evaluating", "step": step},
            {"state": "waiting for a checkpoint"},
        )
    ]


def test_latest_model_is_the_one_that_is_served_if_so_asked(job):
    job.auc = {10: 0.7, 20: 0.6}
    published = job.run(job.save(10), job.save(20), export="latest")
    assert published == os.path.join(job.export_dir, "saved_model", "1020")
    assert job.exported() == {"saved_model/1020": "20", "best/1010": "10"}


def test_last_checkpoint_that_comes_with_the_end_is_evaluated(job):
    job.auc = {10: 0.6, 20: 0.7}
    job.run(job.save(10), job.save(20))
    assert job.evaluated() == [10, 20]


def test_untrained_checkpoint_is_evaluated_only_when_it_is_the_last(job):
    job.auc = {0: 0.5, 10: 0.6}
    job.run(job.save(0), _nothing, job.save(10), _nothing)
    assert job.evaluated() == [10]


def test_job_of_no_steps_has_its_untrained_model_exported(job):
    job.auc = {0: 0.5}
    job.run(job.save(0), _nothing)
    assert job.exported() == {"saved_model/1000": "0", "latest/1000": "0"}


def test_job_without_a_checkpoint_is_refused(job):
    with pytest.raises(
        errors.InputError,
        match="^%s: expected a checkpoint of the finished job, got none$" % job.model_dir,
    ):
        job.run(_nothing, _nothing)


def _save_broken(job, step):
    def save():
        job.save(step)()
        job.cut(step)()

    return save


def test_broken_checkpoint_is_said_once_and_left_out(job):
    job.auc = {10: 0.6, 30: 0.7}
    job.run(
        job.save(10), _save_broken(job, 20), *[_nothing] * 12 + [job.save(30), _nothing, _nothing]
    )
    assert job.evaluated() == [10, 30]
    broken = [line for line in job.lines if "model.ckpt-20" in line]
    assert len(broken) == 1
    path = os.path.join(job.model_dir, "model.ckpt-20")
    assert broken[0].startswith("%s: expected a checkpoint, got: " % path)


@pytest.mark.parametrize(
    "looks", [pytest.param(1, id="seen_at_the_end"), pytest.param(9, id="was_seen_before")]
)
def test_broken_checkpoint_that_is_the_last_is_refused(job, looks):
    job.auc = {10: 0.6}
    with pytest.raises(errors.InputError, match="model.ckpt-20: expected a checkpoint, got: "):
        job.run(job.save(10), _save_broken(job, 20), *[_nothing] * (looks - 1))
    assert not os.path.exists(job.export_dir)


def test_same_step_with_other_values_is_evaluated_again(job):
    job.auc = {10: 0.6}
    # Both at a step of the same name, as after the chief went back to a checkpoint.
    job.run(job.save(10, 0.5), job.save(10, 0.25), _nothing)
    assert job.evaluated() == [10, 10]


def test_restarted_evaluator_does_not_evaluate_again_and_publishes_the_same(job):
    job.auc = {10: 0.6, 20: 0.5}
    job.run(job.save(10), job.save(20))
    before = job.exported()
    shutil.rmtree(job.export_dir)
    job.run(_nothing)
    assert job.evaluated() == [10, 20]
    assert job.exported() == before


def test_checkpoint_that_was_saved_again_as_it_is_counts_once(job):
    job.auc = {10: 0.6}
    job.run(job.save(10), job.save(10), _nothing)
    assert job.evaluated() == [10]


def test_best_is_that_of_this_job_alone(job, monkeypatch):
    history.History(job.model_dir).add({"auc": 0.99, "global_step": 5})
    monkeypatch.setattr(FakeWatch, "start_step", lambda self: 5)
    job.auc = {10: 0.6}
    job.run(job.save(10))
    assert job.exported()["saved_model/1010"] == "10"


def test_record_tells_the_checkpoint(job):
    job.auc = {10: 0.6}
    job.run(job.save(10))
    with open(os.path.join(job.model_dir, "evaluations.jsonl")) as lines:
        record = json.loads(lines.read())
    assert record["checkpoint"] == "model.ckpt-10"
    assert len(record["index_sha256"]) == 64


def test_checkpoint_that_the_chief_removed_meanwhile_is_not_missed(job, monkeypatch):
    job.auc = {10: 0.6, 20: 0.7}
    hold = evaluation.hold

    def hold_but_the_first(checkpoint, folder):
        if checkpoint.endswith("-10"):
            raise FileNotFoundError("no checkpoint %s" % checkpoint)
        return hold(checkpoint, folder)

    monkeypatch.setattr(evaluation, "hold", hold_but_the_first)
    job.run(job.save(10), _nothing, job.save(20), _nothing)
    assert job.evaluated() == [20]


def test_other_error_of_an_evaluation_is_none_of_the_checkpoint(job, monkeypatch):
    def evaluate(*args):
        raise errors.InputError("rows.tsv: line 7")

    monkeypatch.setattr(trainer, "evaluate", evaluate)
    with pytest.raises(errors.InputError, match=r"^rows\.tsv: line 7$"):
        job.run(job.save(10), _nothing)


def test_failure_of_the_chief_ends_the_evaluator(job):
    def fail():
        raise job_lib.JobError("the chief failed")

    job.auc = {10: 0.6}
    with pytest.raises(job_lib.JobError, match="the chief failed"):
        job.run(job.save(10), fail, _nothing)
    assert job.evaluated() == [10]


def test_evaluator_that_is_told_to_end_leaves_before_the_next_checkpoint(job):
    def terminate():
        job.termination.requested = True

    with pytest.raises(termination.TerminatedError):
        job.run(_nothing, terminate, job.save(10), _nothing)
    assert job.evaluated() == []


def _train(job, eval_path):
    """Three steps of a real model, with a checkpoint of each."""
    rows = rows_testing.random_rows(60)
    with open(eval_path, "wb") as file:
        file.write(text.format(rows))
    features = {
        "dense": rows.dense,
        "sparse": rows.sparse.astype(np.int64),
        "missing": rows.missing,
    }
    labels = rows.label[:, np.newaxis].astype(np.float32)
    config = tf.estimator.RunConfig(model_dir=job.model_dir, save_checkpoints_steps=1)
    estimator_lib.build(_PARAMETERS, config, job.model_dir).train(
        lambda: tf.data.Dataset.from_tensors((features, labels)).repeat(3)
    )


def test_real_model_is_exported_and_a_broken_one_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    job = Job(str(tmp_path))
    eval_path = str(tmp_path / "eval.tsv")
    _train(job, eval_path)
    published = job.run(_nothing, eval_files=(eval_path,))
    assert sorted(os.listdir(published)) == ["assets", "saved_model.pb", "variables"]
    assert job.evaluated() == [3]

    shutil.rmtree(job.export_dir)
    job.cut(3)()
    os.remove(os.path.join(job.model_dir, "evaluations.jsonl"))
    with pytest.raises(errors.InputError, match="model.ckpt-3: expected a checkpoint, got: "):
        job.run(_nothing, eval_files=(eval_path,))
    assert not os.path.exists(job.export_dir)


def test_held_checkpoint_survives_the_chiefs_clean_up(tmp_path):
    for step in (1, 2):
        for suffix in (".index", ".data-00000-of-00001", ".meta"):
            (tmp_path / ("model.ckpt-%d%s" % (step, suffix))).write_text("%d%s" % (step, suffix))
        held = evaluation.hold(str(tmp_path / ("model.ckpt-%d" % step)), str(tmp_path / "held"))
    for path in tmp_path.glob("model.ckpt-*"):
        path.unlink()
    assert held == str(tmp_path / "held" / "model.ckpt-2")
    assert (tmp_path / "held" / "model.ckpt-2.index").read_text() == "2.index"
    assert len(list((tmp_path / "held").iterdir())) == 3


def test_checkpoint_is_held_where_there_are_no_links(tmp_path, monkeypatch):
    def no_link(source, target):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    (tmp_path / "model.ckpt-2.index").write_text("index")
    held = evaluation.hold(str(tmp_path / "model.ckpt-2"), str(tmp_path / "held"))
    assert (tmp_path / "held" / "model.ckpt-2.index").read_text() == "index"
    assert held == str(tmp_path / "held" / "model.ckpt-2")


def test_checkpoint_that_is_gone_is_not_held(tmp_path):
    with pytest.raises(FileNotFoundError, match="model.ckpt-7"):
        evaluation.hold(str(tmp_path / "model.ckpt-7"), str(tmp_path / "held"))


def test_published_folder_holds_exactly_one_model(tmp_path):
    source, target = tmp_path / "candidate", tmp_path / "saved_model"
    (source / "222").mkdir(parents=True)
    (source / "222" / "saved_model.pb").write_bytes(b"new")
    (target / "111").mkdir(parents=True)
    published = evaluation.publish_folder(str(source), str(target))
    assert published == str(target / "222")
    assert [p.name for p in target.iterdir()] == ["222"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["candidate", "saved_model"]


def test_folder_being_published_always_holds_a_whole_model(tmp_path, monkeypatch):
    source, target = tmp_path / "candidate", tmp_path / "saved_model"
    for model in (source / "222", target / "111"):
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_bytes(b"model")
    seen = []

    def look(name):
        work = getattr(evaluation.shutil, name, None) or getattr(evaluation.os, name)

        def looking(*args, **kwargs):
            seen.append(sorted(p.name for p in target.iterdir() if (p / "saved_model.pb").exists()))
            return work(*args, **kwargs)

        return looking

    monkeypatch.setattr(evaluation.shutil, "copytree", look("copytree"))
    monkeypatch.setattr(evaluation.shutil, "rmtree", look("rmtree"))
    monkeypatch.setattr(evaluation.os, "rename", look("rename"))
    evaluation.publish_folder(str(source), str(target))
    assert seen == [["111"], ["111"], ["111"], ["111", "222"]]


def test_publishing_again_after_a_crash_gives_the_same(tmp_path):
    source, target = tmp_path / "candidate", tmp_path / "saved_model"
    (source / "222").mkdir(parents=True)
    (tmp_path / "saved_model.new" / "half").mkdir(parents=True)
    (tmp_path / "saved_model" / "111").mkdir(parents=True)
    for _ in range(2):
        assert evaluation.publish_folder(str(source), str(target)) == str(target / "222")
    assert [p.name for p in target.iterdir()] == ["222"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["candidate", "saved_model"]
