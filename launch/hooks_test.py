import json
import re

import pytest
import tensorflow as tf

from launch import hooks


class FakeClock:
    """Each step of training takes 1/8 s, the first 5 s more."""

    now = 1000.0

    def __call__(self):
        return self.now


class Run:
    """Trains with a ProgressHook: steps of 100 rows, a line every ten, 30 planned."""

    def __init__(self, path, first_step=0, planned_last_step=30):
        self.lines = []
        self.path = path
        clock = FakeClock()
        self._clock = clock
        self._first_step = first_step
        self._hook = hooks.ProgressHook(
            100, 10, planned_last_step, self.lines.append, str(path), clock
        )

    def train(self, steps):
        with tf.Graph().as_default():
            step = tf.compat.v1.train.get_or_create_global_step()
            # The Estimator adds the one of its spec last.
            tf.compat.v1.losses.add_loss(tf.constant(7.0))
            tf.compat.v1.losses.add_loss(tf.constant(0.5))
            train = tf.compat.v1.assign_add(step, 1)
            begin = step.assign(self._first_step)
            scaffold = tf.compat.v1.train.Scaffold(init_fn=lambda _, session: session.run(begin))
            with tf.compat.v1.train.SingularMonitoredSession([self._hook], scaffold) as session:
                self._clock.now += 5.0
                for _ in range(steps):
                    self._clock.now += 0.125
                    session.run(train)

    def records(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture(name="path")
def _path(tmp_path):
    return tmp_path / hooks.PROGRESS_NAME


def test_progress_shows_share_rate_loss_and_time_left(path):
    run = Run(path)
    run.train(21)
    first, second, third = run.lines
    # The hook may see the step before or after its increment.
    assert re.match(r"step [01]/30 \([03] %\)  loss 0\.5000$", first)
    assert re.match(r"step 1[01]/30 \(3[36] %\)  800 samples/s  loss 0\.5000  ETA 0:02$", second)
    assert re.match(r"step 2[01]/30 \((66|70) %\)  800 samples/s  loss 0\.5000  ETA 0:01$", third)


def test_file_has_the_same_as_json(path):
    run = Run(path)
    run.train(21)
    first_step = run.records()[0]["step"]
    assert first_step in (0, 1)
    assert run.records() == [
        {"step": first_step, "loss": 0.5, "samples_per_sec": None, "secs": 5.125},
        {"step": first_step + 10, "loss": 0.5, "samples_per_sec": 800.0, "secs": 6.375},
        {"step": first_step + 20, "loss": 0.5, "samples_per_sec": 800.0, "secs": 7.625},
    ]
    assert list(run.records()[0]) == ["loss", "samples_per_sec", "secs", "step"]


def test_file_of_a_session_follows_that_of_the_session_before(path):
    Run(path).train(11)
    run = Run(path, first_step=5)
    run.train(11)
    first, second, third, fourth = [record["step"] for record in run.records()]
    assert [second - first, third - first, fourth - first] == [10, 5, 15]
    assert [record["samples_per_sec"] for record in run.records()] == [None, 800.0] * 2


def test_more_steps_than_planned_are_no_more_than_all(path):
    run = Run(path, first_step=28)
    run.train(11)
    assert re.match(r"step 3[89]/30 \(100 %\) .* ETA 0:00$", run.lines[-1])


def test_time_left_is_in_minutes(path):
    run = Run(path, planned_last_step=10**4)
    run.train(11)
    assert run.lines[-1].endswith("ETA 20:48")  # 9990 steps at 8 a second, or one less


def test_full_disk_is_said_and_training_goes_on(path):
    path.symlink_to("/dev/full")
    run = Run(path)
    run.train(11)
    assert run.lines[1::2] == ["could not write to %s: No space left on device" % path] * 2
    assert [line.split()[0] for line in run.lines[::2]] == ["step", "step"]
