"""Main of //model:tune: searches hyper-parameters on the user's data."""

import datetime
import functools
import math
import os
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

import tensorflow as tf

from data_pipeline import command_line, errors, whole_file
from model import (
    freed_memory,
    history,
    hyper_parameters,
    search,
    trainer,
    trials,
    tune_options,
    tune_picture,
    tune_report,
)

TABLE, PICTURE, BEST = "trials.tsv", "trials.png", "best.json"

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT

# Of one trial alone: the loss was no number, or the model does not fit into memory. Anything else,
# such as broken data, would end the other trials as well, so it ends the search.
_FAILURES = (tf.estimator.NanLossDuringTrainingError, tf.errors.ResourceExhaustedError)

Report = Callable[[str], None]

# Takes hyper-parameters, shares, an empty model_dir and what takes lines; see trainer.run.
Train = Callable[[hyper_parameters.HyperParameters, int, str, Report], history.Record]


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code.

    0 is success, 1 means that every trial failed, 2 wrong flags or input (after one line on
    stderr), 130 that the user stopped it.
    """
    freed_memory.keep()
    command_line.enter_users_folder()
    # As for //launch:worker: GPUs are for those who name them.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    # A platform that stops a job stops it like a user does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _check_alone()
        options = tune_options.parse(argv)
        return search_all(options, functools.partial(_train, options.data), _report)
    except errors.InputError as e:
        print("tune: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE
    except KeyboardInterrupt:
        print("tune: stopped; the same command goes on from the last trial", file=sys.stderr)
        return _EXIT_INTERRUPTED


def _check_alone() -> None:
    # An Estimator would take it, and wait for the others.
    if "TF_CONFIG" in os.environ:
        raise errors.InputError(
            "TF_CONFIG: expected none, since a search is one process and no cluster, got %.80s"
            % os.environ["TF_CONFIG"]
        )


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _train(
    data: trainer.Data,
    parameters: hyper_parameters.HyperParameters,
    shares: int,
    model_dir: str,
    report: Report,
) -> history.Record:
    return trainer.run(parameters, data, model_dir, report=report, shares=shares)


def search_all(
    options: tune_options.Options,
    train: Train,
    report: Report,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Runs the trials that have not finished yet, and shows them all; returns the exit code.

    Args:
      options: Checked flags.
      train: Trains and evaluates a trial.
      report: Takes each progress line.
      clock: Seconds that only grow.

    Raises:
      InputError: The output folder cannot be written, is in use or is of another search; or the
        data is not what was expected.
    """
    try:
        folder = trials.Folder(options.output, options.arguments)
    except errors.InputError as e:
        raise errors.InputError("--output: %s" % e) from e
    try:
        return _Search(options, folder, train, report, clock).run()
    finally:
        folder.close()


class _Search:
    """The trials of a folder as they run; see search_all."""

    def __init__(
        self,
        options: tune_options.Options,
        folder: trials.Folder,
        train: Train,
        report: Report,
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._plan = options.plan
        self._names = [dimension.name for dimension in options.space]
        self._folder = folder
        self._train = train
        self._report = report
        self._clock = clock

    def run(self) -> int:
        """Returns the exit code."""
        rungs = ["%d on %s" % (r.trials, tune_report.share(r.shares)) for r in self._plan.rungs]
        self._report("trials by share of the rows: " + ", ".join(rungs))
        if self._folder.results:
            self._report("%d trials finished earlier" % len(self._folder.results))
        jobs = search.pending(self._plan, self._folder.results)
        while jobs:
            self._run(jobs[0])
            jobs = search.pending(self._plan, self._folder.results)
        self._write_tables()
        tune_picture.write(self._view(), self._folder.path(PICTURE))
        return self._summarise()

    def _run(self, job: search.Job) -> None:
        parameters = self._options.parameters(job.trial, job.shares)
        label = self._label(job)
        self._report("%s: %s" % (label, tune_report.flags(parameters, self._names)))
        started = self._clock()
        with self._folder.model_dir() as model_dir:
            metrics, failure = self._attempt(job, parameters, model_dir)
        secs = round(self._clock() - started, 3)
        result = search.Result(job.trial, job.shares, parameters, metrics, failure, secs)
        self._folder.add(result)
        self._write_tables()
        self._report("%s: %s" % (label, self._progress(result)))

    def _attempt(
        self, job: search.Job, parameters: hyper_parameters.HyperParameters, model_dir: str
    ) -> Tuple[Dict[str, Any], str]:
        """Returns the metrics, or why there are none."""
        try:
            metrics = self._train(
                parameters, job.shares, model_dir, lambda line: self._report("  " + line)
            )
        except _FAILURES as e:
            return {}, "%s: %.100s" % (type(e).__name__, " ".join(str(e).split()))
        value = metrics[self._plan.metric]
        if not math.isfinite(value):
            return {}, "%s is %s" % (self._plan.metric, value)
        return dict(metrics), ""

    def _label(self, job: search.Job) -> str:
        """Which training of how many, at most, this is."""
        number = len(self._folder.results) + 1
        total = number + search.jobs_left(self._plan, self._folder.results) - 1
        rows = "" if job.shares == 1 else ", %s of the rows" % tune_report.share(job.shares)
        return "[%d/%d] trial %d%s" % (number, total, job.trial, rows)

    def _progress(self, result: search.Result) -> str:
        metric, results = self._plan.metric, self._folder.results
        said = result.failure and "failed: " + result.failure
        said = said or "%s %.5f" % (metric, result.metrics[metric])
        best = search.best(metric, results)
        if best:
            said += "; best %.5f (trial %d)" % (best.metrics[metric], best.trial)
        secs = sum(each.secs for each in results) / search.work_done(results)
        left = datetime.timedelta(seconds=round(secs * search.work_left(self._plan, results)))
        return "%s; %.1f s; ETA %s" % (said, result.secs, left)

    def _view(self) -> tune_report.View:
        return tune_report.View(self._folder.results, self._plan.metric, self._options.space)

    def _write_tables(self) -> None:
        best = search.best(self._plan.metric, self._folder.results)
        self._write(TABLE, tune_report.tsv(self._view()))
        if best:
            self._write(BEST, self._options.parameters(best.trial).to_json())

    def _write(self, name: str, text: str) -> None:
        with whole_file.replace(self._folder.path(name)) as file:
            file.write(text.encode("utf-8"))

    def _summarise(self) -> int:
        print(tune_report.table(self._view()))
        best = search.best(self._plan.metric, self._folder.results)
        if best is None:
            print("tune: every trial failed", file=sys.stderr)
            return _EXIT_FAILED
        names = self._names + list(self._options.fixed)
        print("\nall of it: %s" % self._options.output)
        print("to train with the best:\n%s" % tune_report.flags(best.parameters, names))
        return 0


if __name__ == "__main__":
    sys.exit(main())
