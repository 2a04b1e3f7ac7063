import math
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline import errors
from model import history, hyper_parameters, learning_rates, training_control


def _records(values, metric="auc"):
    """One evaluation every 10 steps, the first at step 10."""
    return [{metric: value, "global_step": 10 * n} for n, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    "values, auc_want, log_loss_want",
    [
        pytest.param([], 0, 0, id="none"),
        pytest.param([0.5], 0, 0, id="one"),
        pytest.param([0.5, 0.7, 0.6, 0.6], 2, 3, id="best_inside"),
        pytest.param([0.5, 0.5, 0.5], 2, 2, id="a_tie_is_no_improvement"),
        pytest.param([math.nan, 0.5, math.nan], 1, 1, id="nan_is_no_improvement"),
        pytest.param([math.nan, math.nan], 2, 2, id="nan_alone"),
    ],
)
def test_evaluations_since_best_counts_those_after_it(values, auc_want, log_loss_want):
    for metric, want in (("auc", auc_want), ("log_loss", log_loss_want)):
        assert training_control.evaluations_since_best(_records(values, metric), metric) == want


@pytest.mark.parametrize(
    "values, patience, want",
    [
        pytest.param([], 1, False, id="nothing_yet"),
        pytest.param([0.5, 0.4], 2, False, id="within_patience"),
        pytest.param([0.5, 0.4, 0.5], 2, True, id="patience_is_out"),
        pytest.param([0.5, 0.4, 0.6, 0.5], 2, False, id="an_improvement_counts_anew"),
        pytest.param([0.5, 0.4, 0.5, 0.6], 2, True, id="too_late"),
        pytest.param([0.5, 0.4, 0.3, 0.2], 0, False, id="patience_0_never"),
        pytest.param([math.nan, math.nan], 2, True, id="no_numbers"),
    ],
)
def test_should_stop_when_patience_has_been_out(values, patience, want):
    assert training_control.should_stop(_records(values), "auc", patience) is want


def test_should_stop_goes_by_the_metric():
    rising = _records([0.5, 0.6], "auc")
    assert not training_control.should_stop(rising, "auc", 1)
    assert training_control.should_stop(_records([0.5, 0.6], "log_loss"), "log_loss", 1)


@given(
    st.lists(st.sampled_from([0.5, 0.6, 0.7, math.nan]), max_size=12),
    st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.8]), max_size=4),
    st.integers(0, 3),
)
def test_should_stop_stays_true_whatever_follows(values, later, patience):
    if training_control.should_stop(_records(values), "auc", patience):
        assert training_control.should_stop(_records(values + later), "auc", patience)


@pytest.mark.parametrize(
    "values, patience, want",
    [
        pytest.param([0.5], 1, 0, id="the_first_improves"),
        pytest.param([0.5, 0.4, 0.4], 1, 2, id="each"),
        pytest.param([0.5, 0.4, 0.4, 0.4], 2, 1, id="anew_after_a_cut"),
        pytest.param([0.5, 0.4, 0.4, 0.4, 0.4], 2, 2, id="second"),
        pytest.param([0.5, 0.4, 0.4, 0.45, 0.48], 2, 2, id="the_best_stays_after_a_cut"),
        pytest.param([0.5, 0.4, 0.6, 0.4, 0.6], 2, 1, id="an_improvement_counts_anew"),
    ],
)
def test_num_cuts_counts_by_hand(values, patience, want):
    assert training_control.num_cuts(_records(values), "auc", patience) == want


@given(
    st.lists(st.one_of(st.integers(0, 6), st.just(math.nan)), max_size=30),
    st.integers(1, 4),
    st.sampled_from(["auc", "log_loss"]),
)
@settings(max_examples=50, deadline=None)  # each call of Keras runs a session
def test_num_cuts_is_that_of_keras(values, patience, metric):
    cuts = training_control.num_cuts(_records(values, metric), metric, patience)
    assert 0.5**cuts == _keras_rate(values, patience, "max" if metric == "auc" else "min")


def _keras_rate(values, patience, mode):
    """Where a rate of 1 ends that Keras halves at each cut."""
    keras_cut = tf.keras.callbacks.ReduceLROnPlateau(
        monitor="value", factor=0.5, patience=patience, mode=mode, min_delta=0.0
    )
    with tf.Graph().as_default(), tf.compat.v1.Session():
        rate = tf.keras.backend.variable(1.0, dtype="float64")
        keras_cut.set_model(types.SimpleNamespace(optimizer=types.SimpleNamespace(lr=rate)))
        keras_cut.on_train_begin()
        for epoch, value in enumerate(values):
            keras_cut.on_epoch_end(epoch, {"value": value})
        return tf.keras.backend.get_value(rate)


class Clock:
    now_secs = 1000.0

    def __call__(self):
        return self.now_secs


class Run:
    """Trains a graph of the two variables that the hooks know."""

    def __init__(self, folder, **parameters):
        self.clock = Clock()
        self.lines = []
        self.history = history.History(str(folder))
        self.parameters = hyper_parameters.HyperParameters(**parameters)
        self.folder = str(folder)

    def evaluate(self, *values, **kwargs):
        first_step = kwargs.get("first_step", 10)
        metric = self.parameters.metric
        for n, value in enumerate(values):
            self.history.add({metric: value, "global_step": first_step + 10 * n})

    def hook(self, kind, **kwargs):
        return kind(self.history, self.parameters, self.lines.append, self.clock, **kwargs)

    def train(self, hook, each_step, steps=8):
        """Calls `each_step(n)` before step n, n from 1; returns the scales that the steps had."""
        scales = []
        with tf.Graph().as_default():
            step = tf.compat.v1.train.get_or_create_global_step()
            learning_rates.learning_rate(self.parameters._replace(schedule="plateau"), step)
            scale = learning_rates.find_scale()
            train = tf.compat.v1.assign_add(step, 1)
            with tf.compat.v1.train.MonitoredTrainingSession(
                hooks=[hook], checkpoint_dir=self.folder, save_checkpoint_steps=1000
            ) as session:
                for n in range(1, steps + 1):
                    if session.should_stop():
                        break
                    each_step(n)
                    scales.append(session.run([scale, train])[0])
        return scales


def _nothing(n):
    del n


def test_training_stops_and_says_why(tmp_path):
    run = Run(tmp_path, patience=2)
    run.evaluate(0.7, 0.71234567, 0.65, 0.7)
    assert len(run.train(run.hook(training_control.EarlyStoppingHook), _nothing)) == 1
    assert run.lines == ["stopping early: no auc better than 0.712346 (step 20) in 2 evaluation(s)"]


def test_training_stops_without_numbers_and_says_so(tmp_path):
    run = Run(tmp_path, patience=2, metric="log_loss")
    run.evaluate(math.nan, math.nan)
    assert len(run.train(run.hook(training_control.EarlyStoppingHook), _nothing)) == 1
    assert run.lines == ["stopping early: log_loss was no number in 2 evaluation(s)"]


def test_training_goes_on_while_evaluations_improve(tmp_path):
    run = Run(tmp_path, patience=1)
    run.evaluate(0.6, 0.7, 0.8)
    assert len(run.train(run.hook(training_control.EarlyStoppingHook), _nothing, steps=3)) == 3
    assert run.lines == []


def test_task_that_looks_late_stops_for_the_reason_of_the_others(tmp_path):
    run = Run(tmp_path, patience=1)
    run.evaluate(0.7, 0.6, 0.8)
    assert len(run.train(run.hook(training_control.EarlyStoppingHook), _nothing)) == 1
    assert run.lines == ["stopping early: no auc better than 0.7 (step 10) in 1 evaluation(s)"]


def test_history_is_looked_at_every_ten_seconds(tmp_path):
    run = Run(tmp_path, patience=1)

    def each_step(n):
        if n == 2:
            run.evaluate(0.7, 0.6)
        run.clock.now_secs = {1: 1000.0, 2: 1009.9, 3: 1009.9, 4: 1010.0}[n]

    # The first look, at 1000 s, found nothing.
    assert len(run.train(run.hook(training_control.EarlyStoppingHook), each_step)) == 4


def test_continued_training_is_not_stopped_by_earlier_evaluations(tmp_path):
    run = Run(tmp_path, patience=1)
    run.train(run.hook(training_control.EarlyStoppingHook), _nothing, steps=20)
    run.evaluate(0.7, 0.6)  # of steps 10 and 20, before the 21st
    hook = run.hook(training_control.EarlyStoppingHook, every_secs=0.0)
    assert len(run.train(hook, _nothing, steps=5)) == 5

    def each_step(n):
        if n == 2:
            run.evaluate(0.5, 0.4, first_step=21)  # of this run

    hook = run.hook(
        training_control.EarlyStoppingHook,
        start=lambda: training_control.RunStart(20),
        every_secs=0.0,
    )
    assert len(run.train(hook, each_step, steps=5)) == 2
    assert run.lines == ["stopping early: no auc better than 0.5 (step 21) in 1 evaluation(s)"]


def test_replaced_session_goes_on_with_the_same_run(tmp_path):
    run = Run(tmp_path, patience=1)
    hook = run.hook(training_control.EarlyStoppingHook, every_secs=0.0)
    run.train(hook, _nothing, steps=30)
    run.evaluate(0.7, 0.6)  # of steps 10 and 20; the second session begins at 30
    assert len(run.train(hook, _nothing)) == 1


def test_early_stopping_leaves_the_graph_as_it_is(tmp_path):
    run = Run(tmp_path, patience=1)
    with tf.Graph().as_default() as graph:
        tf.compat.v1.train.get_or_create_global_step()
        before = graph.as_graph_def()
        run.hook(training_control.EarlyStoppingHook).begin()
        assert graph.as_graph_def() == before


def test_rate_is_cut_once_per_plateau_and_each_cut_reported(tmp_path):
    run = Run(tmp_path, plateau_patience=2, plateau_factor=0.5, schedule="plateau")

    def each_step(n):
        run.evaluate([0.7, 0.6, 0.6, 0.6, 0.6, 0.8][n - 1], first_step=10 * n)

    hook = run.hook(training_control.PlateauHook, every_secs=0.0)
    assert run.train(hook, each_step, steps=6) == [1, 1, 1, 0.5, 0.5, 0.25]
    assert run.lines == [
        "learning rate scale 1 -> 0.5: no auc better than 0.7 (step 10) in 2 evaluation(s)",
        "learning rate scale 0.5 -> 0.25: no auc better than 0.7 (step 10) in 4 evaluation(s)",
    ]


def test_cuts_go_by_plateau_patience_and_metric_every_ten_seconds(tmp_path):
    run = Run(tmp_path, metric="log_loss", patience=3, plateau_patience=1, schedule="plateau")

    def each_step(n):
        if n == 2:
            run.evaluate(0.4, 0.5)
        run.clock.now_secs = {1: 1000.0, 2: 1009.9, 3: 1010.0, 4: 1010.0}[n]

    scales = run.train(run.hook(training_control.PlateauHook), each_step, steps=4)
    assert scales == [1, 1, 1, np.float32(0.3)]


def test_resumed_run_keeps_its_rate_and_cuts_it_further(tmp_path):
    run = Run(tmp_path, plateau_factor=0.3, schedule="plateau")
    run.evaluate(0.7, 0.6)
    run.train(run.hook(training_control.PlateauHook), _nothing, steps=20)
    assert len(run.lines) == 1
    run.lines.clear()

    def each_step(n):
        if n == 2:
            run.evaluate(0.5, 0.4, first_step=25)  # those of steps 10 and 20 are of the first run

    scales = run.train(run.hook(training_control.PlateauHook, every_secs=0.0), each_step, steps=3)
    kept, cut = np.float32(0.3), np.float32(np.float32(0.3) * 0.3)
    assert scales == [kept, kept, cut]
    assert run.lines == [
        "learning rate scale 0.3 -> 0.09: no auc better than 0.5 (step 25) in 1 evaluation(s)"
    ]


def test_hook_of_each_turn_cuts_from_the_start_of_the_whole_run(tmp_path):
    run = Run(tmp_path, plateau_factor=0.3, schedule="plateau")
    start = training_control.RunStart(0, 1.0)
    scales = []
    for turn, value in enumerate([0.7, 0.6, 0.6, 0.8, 0.9]):
        hook = run.hook(training_control.PlateauHook, start=lambda: start)
        scales.append(run.train(hook, _nothing, steps=2))
        run.evaluate(value, first_step=2 * (turn + 1))
    # Each cut holds from the first step of the turn after its evaluation.
    once, twice = np.float32(0.3), np.float32(0.3**2)
    assert scales == [[1, 1], [1, 1], [once, once], [twice, twice], [twice, twice]]
    # What an earlier turn has cut is not reported again.
    assert [line.split(":")[0] for line in run.lines] == [
        "learning rate scale 1 -> 0.3",
        "learning rate scale 0.3 -> 0.09",
    ]


def test_lost_evaluations_do_not_raise_the_rate(tmp_path):
    run = Run(tmp_path, plateau_factor=0.5, schedule="plateau")
    run.evaluate(0.7, 0.6, 0.6)
    start = training_control.RunStart(0, 1.0)
    run.train(run.hook(training_control.PlateauHook, start=lambda: start), _nothing, steps=1)
    (tmp_path / "evaluations.jsonl").unlink()
    run.evaluate(0.7, 0.6)
    hook = run.hook(training_control.PlateauHook, start=lambda: start)
    assert run.train(hook, _nothing, steps=1) == [0.25]


def test_start_alone_is_no_cut(tmp_path):
    run = Run(tmp_path, schedule="plateau")
    hook = run.hook(training_control.PlateauHook, start=lambda: training_control.RunStart(0, 0.5))
    assert run.train(hook, _nothing, steps=1) == [1]
    assert run.lines == []


def test_rate_lost_with_a_session_is_cut_again(tmp_path):
    run = Run(tmp_path, plateau_factor=0.5, schedule="plateau")
    hook = run.hook(training_control.PlateauHook)
    run.evaluate(0.7, 0.6)
    run.train(hook, _nothing, steps=1)
    for path in tmp_path.glob("*ckpt*"):
        path.unlink()
    (tmp_path / "checkpoint").unlink()
    assert run.train(hook, _nothing, steps=1) == [0.5]


def test_plateau_without_the_variable_is_refused(tmp_path):
    run = Run(tmp_path, schedule="plateau")
    with tf.Graph().as_default():
        tf.compat.v1.train.get_or_create_global_step()
        with pytest.raises(ValueError, match="learning_rate_scale, got none"):
            run.hook(training_control.PlateauHook).begin()


def test_run_start_is_that_of_an_empty_folder(tmp_path):
    assert training_control.run_start(str(tmp_path)) == (0, 1.0)


def _save_starts(folder, *steps):
    """Checkpoints, each with a scale of its step / 100."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        step = tf.compat.v1.train.create_global_step()
        learning_rates.learning_rate(
            hyper_parameters.HyperParameters(schedule=hyper_parameters.PLATEAU), step
        )
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver()
        for number in steps:
            step.load(number, session)
            learning_rates.find_scale().load(number / 100, session)
            saver.save(session, str(folder / "model.ckpt"), number)


def test_run_start_is_what_the_last_checkpoint_holds(tmp_path):
    _save_starts(tmp_path, 25, 50)
    assert training_control.run_start(str(tmp_path)) == (50, 0.5)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("size_bytes", [0, 5, None])
def test_run_start_of_a_broken_checkpoint_is_that_of_the_one_before_it(
    tmp_path, suffix, size_bytes
):
    _save_starts(tmp_path, 25, 50)
    path = str(tmp_path / ("model.ckpt-50" + suffix))
    if size_bytes is None:
        os.remove(path)
    else:
        os.truncate(path, size_bytes)
    assert training_control.run_start(str(tmp_path)) == (25, 0.25)


def test_run_start_where_all_checkpoints_are_broken_is_0(tmp_path):
    _save_starts(tmp_path, 25, 50)
    for path in tmp_path.glob("*.data*"):
        path.write_bytes(b"")
    assert training_control.run_start(str(tmp_path)) == (0, 1.0)


def test_run_start_refuses_checkpoints_without_their_list(tmp_path):
    _save_starts(tmp_path, 25)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(errors.InputError, match="expected TensorFlow's list of checkpoints"):
        training_control.run_start(str(tmp_path))


@pytest.mark.parametrize(
    "first_step, want",
    [
        pytest.param(100, 100, id="new_run"),
        pytest.param(104, 100, id="chief_was_started_again"),
        # The last checkpoint, at which the run began, was broken.
        pytest.param(96, 96, id="went_back_before_the_start"),
    ],
)
def test_schedule_starts_where_the_run_does(first_step, want):
    parameters = hyper_parameters.HyperParameters(
        schedule=hyper_parameters.WARMUP_DECAY, learning_rate=1.0, decay_steps=10
    )
    with tf.Graph().as_default():
        step = tf.compat.v1.train.create_global_step()
        rate = learning_rates.learning_rate(parameters, step)
        hook = training_control.ScheduleStartHook(lambda: training_control.RunStart(100))
        begin, go_on = step.assign(first_step), step.assign(want + 5)
        scaffold = tf.compat.v1.train.Scaffold(init_fn=lambda _, session: session.run(begin))
        with tf.compat.v1.train.SingularMonitoredSession([hook], scaffold) as session:
            session.run(go_on)
            # 5 of the 10 steps after the start.
            assert session.run(rate) == 0.5


def test_schedule_start_refuses_a_graph_of_another_schedule():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="schedule_start"):
        training_control.ScheduleStartHook(lambda: training_control.RunStart(0)).begin()
