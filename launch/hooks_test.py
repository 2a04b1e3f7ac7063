import re

import tensorflow as tf

from launch import hooks, job


class FakeClock:
    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def _train(hook_list, steps):
    """Runs `steps` steps of a graph with a loss, as the Estimator would."""
    with tf.Graph().as_default():
        step = tf.compat.v1.train.get_or_create_global_step()
        tf.compat.v1.losses.add_loss(tf.constant(0.5))
        train = tf.compat.v1.assign_add(step, 1)
        with tf.compat.v1.train.MonitoredTrainingSession(hooks=hook_list) as session:
            for _ in range(steps):
                session.run(train)


def test_progress_shows_rate_share_and_time_left():
    lines = []
    # One tick of the clock per line: 10 steps of 100 rows in 1 s.
    _train([hooks.ProgressHook(100, 10, 30, None, lines.append, FakeClock())], 21)
    first, second, third = lines
    assert "samples/s" not in first
    # The hook may read the step before or after its increment.
    assert re.match(r"step 1[01]/3[01] \(3\d %\)  1,000 samples/s  loss 0.5000  ETA 0:02$", second)
    assert third.endswith("1,000 samples/s  loss 0.5000  ETA 0:01")


def test_progress_plans_no_further_than_max_steps():
    lines = []
    _train([hooks.ProgressHook(100, 10, 30, 12, lines.append, FakeClock())], 11)
    assert re.match(r"step \d+/12 \(", lines[-1])


def test_final_checkpoint_waits_for_workers_and_says_so(tmp_path):
    marks = job.Job(str(tmp_path), "a")
    lines = []

    def report(line):
        lines.append(line)
        marks.worker_done(1)

    hook = hooks.FinalCheckpointHook(
        marks, 2, 30.0, report, checkpoint_dir=str(tmp_path), save_steps=1000
    )
    _train([hook], 2)
    assert lines == ["waiting for worker(s) 1 to end"]
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-2")


def test_final_checkpoint_is_saved_without_a_worker_that_never_ends(tmp_path):
    lines = []
    hook = hooks.FinalCheckpointHook(
        job.Job(str(tmp_path), "a"),
        2,
        0.0,
        lines.append,
        checkpoint_dir=str(tmp_path),
        save_steps=1000,
    )
    _train([hook], 2)
    assert "worker(s) 1 did not end within 0 s" in lines[-1]
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-2")


def test_worker_leaves_its_mark_at_the_end(tmp_path):
    marks = job.Job(str(tmp_path), "a")
    _train([hooks.WorkerDoneHook(marks, 1)], 1)
    assert marks.missing_workers(2) == []
