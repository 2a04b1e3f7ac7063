"""Ends training, or cuts its learning rate, when evaluations stop improving.

The rules are functions of the evaluations alone, so that every task that reads them comes to the
same answer and keeps no state. In one process, where training and evaluation take turns, one asks
should_stop between two turns, and gives the hooks of each call of Estimator.train the start of the
whole run.
"""

import time
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

import tensorflow as tf

from model import checkpoints, hyper_parameters, learning_rates
from model import history as history_lib

# The variable of the scale is float32, so that what was assigned to it comes back slightly changed.
_SAME_SCALE = 1.0 - 1e-6


def evaluations_since_best(records: Sequence[history_lib.Record], metric: str) -> int:
    """Returns the number of evaluations after the best one: all of them if none had a number."""
    best = history_lib.best_of(records, metric)
    if best is None:
        return len(records)
    return next(n for n, record in enumerate(reversed(records)) if record is best)


def should_stop(records: Sequence[history_lib.Record], metric: str, patience: int) -> bool:
    """Tells whether `patience` evaluations in a row have ever been no better than the best before.

    Once true it stays true whatever is evaluated later: a worker that looks later than the chief
    must not train on alone.

    Args:
      records: Of this run, in the order of evaluation.
      metric: One that history.is_better takes.
      patience: Evaluations; 0 never stops.
    """
    return bool(_ends_of_patience(records, metric, patience))


def num_cuts(records: Sequence[history_lib.Record], metric: str, patience: int) -> int:
    """Returns how often `patience` evaluations in a row were no better than the best before them.

    After each such time the count starts anew, the best stays.
    Source: Keras 2.2.4, callbacks.ReduceLROnPlateau with cooldown=0 and min_delta=0.

    Args:
      records: Of this run, in the order of evaluation.
      metric: One that history.is_better takes.
      patience: Evaluations, at least 1.
    """
    return len(_ends_of_patience(records, metric, patience))


def _ends_of_patience(
    records: Sequence[history_lib.Record], metric: str, patience: int
) -> List[int]:
    """Numbers of the evaluations, from 1, at which the patience ended."""
    ends = []  # type: List[int]
    best = None  # type: Optional[float]
    waited = 0
    for number, record in enumerate(records, 1):
        if history_lib.is_better(metric, record[metric], best):
            best, waited = record[metric], 0
            continue
        waited += 1
        if waited == patience:
            ends.append(number)
            waited = 0
    return ends


class RunStart(NamedTuple):
    """Where a run began; earlier runs' evaluations and cuts are no concern of it.

    Attributes:
      global_step: Evaluations of later steps count.
      scale: What the learning rate was multiplied by.
    """

    global_step: int
    scale: float = 1.0


def run_start(model_dir: str) -> RunStart:
    """Where a run begins that goes on from the last checkpoint of `model_dir`, if it has one.

    A checkpoint that cannot be read gives way to the one before it.

    Raises:
      InputError: As of checkpoints.newest_first.
    """
    scale = learning_rates.SCALE_NAME
    for path in checkpoints.newest_first(model_dir):
        try:
            reader = tf.train.load_checkpoint(path)
            return RunStart(
                int(reader.get_tensor(tf.compat.v1.GraphKeys.GLOBAL_STEP)),
                float(reader.get_tensor(scale)) if reader.has_tensor(scale) else 1.0,
            )
        except checkpoints.BROKEN:
            continue
    return RunStart(0)


class ScheduleStartHook(tf.estimator.SessionRunHook):
    """Makes the schedule WARMUP_DECAY begin where this run does; for the chief alone.

    The checkpoint holds the variable, so a task that restarts goes on with the same schedule.

    Args:
      start: Gives the start of the run; called once there is a session.
    """

    def __init__(self, start: Callable[[], RunStart]) -> None:
        self._start = start

    def begin(self) -> None:
        """Adds the op that assigns the variable.

        Raises:
          ValueError: The graph is not one of training.
        """
        variable = learning_rates.find_start()
        self._global_step = tf.compat.v1.train.get_global_step()
        with tf.name_scope("schedule_start_hook"):
            self._step = tf.compat.v1.placeholder(tf.int64, [])
            self._assign = variable.assign(self._step).op

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        del coord
        # Less than the start where a broken checkpoint gave way to an earlier one.
        step = session.run(self._global_step)
        session.run(self._assign, {self._step: min(step, self._start().global_step)})


class _HistoryHook(tf.estimator.SessionRunHook):
    """Looks at the evaluations from time to time.

    No step fetches anything more for it: a new session reads once where the run begins.
    """

    def __init__(
        self,
        history: history_lib.History,
        parameters: hyper_parameters.HyperParameters,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        start: Optional[Callable[[], RunStart]] = None,
        every_secs: float = 10.0,
    ) -> None:
        self._history = history
        self._parameters = parameters
        self._report = report
        self._clock = clock
        self._start_given = start
        self._start = None  # type: Optional[RunStart]
        self._every_secs = every_secs
        self._next_look_secs = None  # type: Optional[float]

    def begin(self) -> None:
        self._global_step = tf.compat.v1.train.get_global_step()

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        del coord
        # A session that replaces a lost one goes on with the same run.
        if self._start is None:
            self._start = self._start_given() if self._start_given else self._start_of(session)

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_values
        now_secs = self._clock()
        if self._next_look_secs is None or now_secs >= self._next_look_secs:
            self._next_look_secs = now_secs + self._every_secs
            self._look(run_context)

    def _start_of(self, session: tf.compat.v1.Session) -> RunStart:
        return RunStart(int(session.run(self._global_step)))

    def _look(self, run_context: tf.estimator.SessionRunContext) -> None:
        raise NotImplementedError

    def _records(self) -> List[history_lib.Record]:
        """The evaluations of this run."""
        assert self._start is not None  # there is a session
        return self._history.records(since_step=self._start.global_step + 1)

    def _reason(self, records: Sequence[history_lib.Record]) -> str:
        metric = self._parameters.metric
        best = history_lib.best_of(records, metric)
        if best is None:
            return "%s was no number in %d evaluation(s)" % (metric, len(records))
        return "no %s better than %.6g (step %d) in %d evaluation(s)" % (
            metric,
            best[metric],
            best["global_step"],
            evaluations_since_best(records, metric),
        )


class EarlyStoppingHook(_HistoryHook):
    """Ends this task's training as should_stop says; for the chief and every worker.

    The graph has no part in it: TF's make_early_stopping_hook keeps its decision in a variable, so
    that training which goes on from the checkpoint would stop at once.

    Args:
      history: Of the model_dir.
      parameters: Says metric and patience.
      report: Takes one line, when it stops.
      clock: Seconds.
      start: Gives the start of the run, equal in all tasks, once there is a session; None takes
        what this task's session begins with. A worker that joins or restarts late then has seen
        fewer evaluations than the chief has, and may not stop with it.
      every_secs: Least time between two looks at the history.
    """

    def _look(self, run_context: tf.estimator.SessionRunContext) -> None:
        records = self._records()
        ends = _ends_of_patience(records, self._parameters.metric, self._parameters.patience)
        if ends:
            # What was evaluated after the decision is no part of its reason.
            self._report("stopping early: " + self._reason(records[: ends[0]]))
            run_context.request_stop()


class PlateauHook(_HistoryHook):
    """Multiplies the variable "learning_rate_scale" by plateau_factor once per num_cuts.

    For the chief alone. The checkpoint holds the variable, so a resumed run keeps its rate.

    Args:
      history: Of the model_dir.
      parameters: Says metric, plateau_patience and plateau_factor.
      report: Takes one line at each cut.
      clock: Seconds.
      start: Gives the start of the run, once there is a session; None takes what the first
        session begins with.
      every_secs: Least time between two looks at the history.
    """

    def begin(self) -> None:
        """Adds the op that assigns the variable.

        Raises:
          ValueError: The graph is not one of training.
        """
        super().begin()
        self._variable = learning_rates.find_scale()
        with tf.name_scope("plateau"):
            self._new_scale = tf.compat.v1.placeholder(tf.float32, [])
            self._assign = self._variable.assign(self._new_scale).op

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        super().after_create_session(session, coord)
        # A session that replaces a lost one has the last checkpoint's.
        self._scale = float(session.run(self._variable))
        # Where training and evaluation take turns, a cut holds from the turn's first step on.
        self._cut(session)

    def _start_of(self, session: tf.compat.v1.Session) -> RunStart:
        step_alone = super()._start_of(session)
        return step_alone._replace(scale=float(session.run(self._variable)))

    def _look(self, run_context: tf.estimator.SessionRunContext) -> None:
        self._cut(run_context.session)

    def _cut(self, session: tf.compat.v1.Session) -> None:
        assert self._start is not None  # there is a session
        records = self._records()
        ends = _ends_of_patience(
            records, self._parameters.metric, self._parameters.plateau_patience
        )
        scale = self._start.scale * self._parameters.plateau_factor ** len(ends)
        # Only ever down, also if someone has removed the history.
        if not ends or scale >= self._scale * _SAME_SCALE:
            return
        session.run(self._assign, {self._new_scale: scale})
        self._report(
            "learning rate scale %.4g -> %.4g: %s"
            % (self._scale, scale, self._reason(records[: ends[-1]]))
        )
        self._scale = scale


def schedule_hooks(
    history: history_lib.History,
    parameters: hyper_parameters.HyperParameters,
    report: Callable[[str], None],
    start: Callable[[], RunStart],
) -> List[tf.estimator.SessionRunHook]:
    """Returns the hooks that the learning-rate schedule needs, for the chief; args as of them."""
    if parameters.schedule == hyper_parameters.PLATEAU:
        return [PlateauHook(history, parameters, report, start=start)]
    if parameters.schedule == hyper_parameters.WARMUP_DECAY:
        return [ScheduleStartHook(start)]
    return []
