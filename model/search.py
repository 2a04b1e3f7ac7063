"""Which trials a search runs, and in what order: a function of the results so far alone.

So a search that was stopped goes on as if it had not been.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from model import history, hyper_parameters


class Rung(NamedTuple):
    """One round of trials.

    Attributes:
      trials: How many there are, fewer where failed ones leave no more.
      shares: Each trains on the first of so many shares of the rows; 1 is all rows.
    """

    trials: int
    shares: int


class Plan(NamedTuple):
    """A search.

    Attributes:
      metric: One that history.is_better takes; says which trials a rung passes on to the next.
      rungs: The first has all the trials, the last all the rows.
    """

    metric: str
    rungs: Tuple[Rung, ...]


class Job(NamedTuple):
    """A trial to run; trials count from 0."""

    trial: int
    shares: int


class Result(NamedTuple):
    """A trial that has run.

    Attributes:
      trial: Its number.
      shares: As Job has it.
      parameters: What it trained with.
      metrics: Its best evaluation by name; empty where it failed.
      failure: Why it has no metrics; empty where it has.
      secs: How long it took.
    """

    trial: int
    shares: int
    parameters: hyper_parameters.HyperParameters
    metrics: Dict[str, Any]
    failure: str
    secs: float


def random_plan(metric: str, num_trials: int) -> Plan:
    """Returns a search with all the trials on all rows."""
    return Plan(metric, (Rung(num_trials, 1),))


def halving_plan(metric: str, num_trials: int, num_rows: int, min_rows: int, eta: int) -> Plan:
    """Returns a search by successive halving: the best 1/eta of a rung go on with eta as many rows.

    There are as many rungs as leave a trial for the last and `min_rows` for the first. Each rung
    costs about as much as one of the others. A trial that goes on trains anew: with the rows of the
    smaller share first, the order of rows would not be that of a training.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
    optimization", figure 3, with eta = 2; other eta as in Li et al. 2018, "Hyperband", algorithm 1.

    Args:
      metric: As in Plan.
      num_trials: Of the first rung, at least 1.
      num_rows: For training.
      min_rows: For training in the first rung, at least.
      eta: At least 2.
    """
    all_shares = [1]
    while all_shares[-1] * eta <= min(num_trials, num_rows / min_rows):
        all_shares.append(all_shares[-1] * eta)
    first = all_shares[-1]
    return Plan(
        metric,
        tuple(Rung(num_trials * shares // first, shares) for shares in reversed(all_shares)),
    )


def pending(plan: Plan, results: Sequence[Result]) -> List[Job]:
    """Returns what is left of the first rung that is not complete; nothing after the last one."""
    done = {(result.trial, result.shares): result for result in results}
    trials = list(range(plan.rungs[0].trials))
    for rung in plan.rungs:
        trials = trials[: rung.trials]
        left = [Job(trial, rung.shares) for trial in trials if (trial, rung.shares) not in done]
        if left:
            return left
        of_rung = [done[trial, rung.shares] for trial in trials]
        trials = [result.trial for result in ranked(plan.metric, of_rung)]
    return []


def jobs_left(plan: Plan, results: Sequence[Result]) -> int:
    """Returns how many trainings are left, at most."""
    jobs = pending(plan, results)
    return len(jobs) + sum(rung.trials for rung in _later(plan, jobs))


def work_left(plan: Plan, results: Sequence[Result]) -> float:
    """Returns how many trainings with all rows the rest of a search costs, at most."""
    jobs = pending(plan, results)
    later = sum(rung.trials / rung.shares for rung in _later(plan, jobs))
    return sum(1 / job.shares for job in jobs) + later


def _later(plan: Plan, jobs: Sequence[Job]) -> List[Rung]:
    return [rung for rung in plan.rungs if jobs and rung.shares < jobs[0].shares]


def work_done(results: Sequence[Result]) -> float:
    """Returns how many trainings with all rows the results cost, failed ones as others."""
    return sum(1 / result.shares for result in results)


def ranked(metric: str, results: Sequence[Result]) -> List[Result]:
    """Returns those that did not fail, best first; more rows before fewer, equals by number.

    Metrics of models that were trained on different shares do not compare.
    """
    sign = -1 if metric == hyper_parameters.AUC else 1
    return sorted(
        (result for result in results if not result.failure),
        key=lambda result: (result.shares, sign * result.metrics[metric], result.trial),
    )


def best(metric: str, results: Sequence[Result]) -> Optional[Result]:
    """Returns the best by the last result of each trial, None where every trial failed.

    So a trial that failed on more rows is not the best for what it did on fewer.
    """
    return next(iter(ranked(metric, last_of_each(results))), None)


def last_of_each(results: Sequence[Result]) -> List[Result]:
    """Returns the result with the most rows of each trial, by number of the trial."""
    last = {}  # type: Dict[int, Result]
    for result in sorted(results, key=lambda result: -result.shares):
        last[result.trial] = result
    return [last[trial] for trial in sorted(last)]


def best_so_far(metric: str, results: Sequence[Result]) -> List[Optional[float]]:
    """Returns the best metric among each result and those of its share before; None at first."""
    best_values = {}  # type: Dict[int, Optional[float]]
    values = []  # type: List[Optional[float]]
    for result in results:
        value = best_values.get(result.shares)
        if not result.failure and history.is_better(metric, result.metrics[metric], value):
            value = result.metrics[metric]
        best_values[result.shares] = value
        values.append(value)
    return values
