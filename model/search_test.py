"""Which trials run: by hand, and against a plain loop over rungs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing
from model import hyper_parameters, search

_PARAMETERS = hyper_parameters.HyperParameters()


def _result(trial, value=None, shares=1, metric="auc"):
    """A result, failed if there is no value."""
    if value is None:
        return search.Result(trial, shares, _PARAMETERS, {}, "no number", 1.0)
    return search.Result(trial, shares, _PARAMETERS, {metric: value}, "", 1.0)


def _play(plan, value_of):
    """Runs a search in which a job's value is value_of(trial, shares)."""
    results = []
    while search.pending(plan, results):
        job = search.pending(plan, results)[0]
        results.append(_result(job.trial, value_of(*job), job.shares, plan.metric))
    return results


def _ids(results):
    return [(result.trial, result.shares) for result in results]


def test_random_search_runs_each_trial_with_all_rows():
    plan = search.random_plan("auc", 3)
    assert _ids(_play(plan, lambda trial, shares: 0.5)) == [(0, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize(
    "num_trials, num_rows, min_rows, eta, rungs",
    [
        pytest.param(27, 2700, 100, 3, [(27, 27), (9, 9), (3, 3), (1, 1)], id="rows_just_do"),
        pytest.param(27, 2699, 100, 3, [(27, 9), (9, 3), (3, 1)], id="rows_do_not"),
        pytest.param(26, 10**6, 1, 3, [(26, 9), (8, 3), (2, 1)], id="trials_do_not"),
        pytest.param(20, 10**6, 1, 3, [(20, 9), (6, 3), (2, 1)], id="rounded_down"),
        pytest.param(8, 10**6, 1, 2, [(8, 8), (4, 4), (2, 2), (1, 1)], id="halves"),
        pytest.param(1, 10**6, 1, 3, [(1, 1)], id="one_trial"),
        pytest.param(9, 10, 100, 3, [(9, 1)], id="few_rows"),
    ],
)
def test_halving_has_as_many_rungs_as_trials_and_rows_allow(
    num_trials, num_rows, min_rows, eta, rungs
):
    assert search.halving_plan("auc", num_trials, num_rows, min_rows, eta) == ("auc", tuple(rungs))


def test_halving_passes_on_the_best():
    values = {0: 0.5, 1: 0.9, 2: 0.7, 3: 0.8}
    plan = search.halving_plan("auc", 4, 10**6, 1, 2)
    # The order of the second rung is that of the first one's results.
    assert _ids(_play(plan, lambda trial, shares: values[trial])) == [
        (0, 4), (1, 4), (2, 4), (3, 4), (1, 2), (3, 2), (1, 1),
    ]  # fmt: skip


def test_halving_by_log_loss_passes_on_the_lowest():
    plan = search.halving_plan("log_loss", 2, 10**6, 1, 2)
    assert _ids(_play(plan, lambda trial, shares: (0.4, 0.3)[trial]))[2:] == [(1, 1)]


def test_halving_does_not_pass_on_what_failed():
    plan = search.halving_plan("auc", 4, 10**6, 1, 2)
    played = _play(plan, lambda trial, shares: 0.6 if trial == 3 else None)
    assert _ids(played)[4:] == [(3, 2), (3, 1)]


def test_halving_ends_when_all_failed():
    plan = search.halving_plan("auc", 4, 10**6, 1, 2)
    assert len(_play(plan, lambda trial, shares: None)) == 4


@rows_testing.PROPERTY
@given(
    st.lists(st.one_of(st.none(), st.sampled_from([0.5, 0.6, 0.7])), min_size=1, max_size=12),
    st.integers(2, 4),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
def test_halving_is_a_plain_loop_over_rungs_in_whatever_order_a_rung_runs(
    values, eta, num_rows, random
):
    plan = search.halving_plan("auc", len(values), num_rows, 1, eta)
    results = []
    while search.pending(plan, results):
        job = random.choice(search.pending(plan, results))
        results.append(_result(job.trial, values[job.trial], job.shares))
    # The independent form: sort, cut, go on.
    trials, want = list(range(len(values))), []
    for count, shares in plan.rungs:
        trials = trials[:count]
        want += [(trial, shares) for trial in trials]
        trials = sorted((t for t in trials if values[t] is not None), key=lambda t: -values[t])
    assert sorted(_ids(results)) == sorted(want)


@rows_testing.PROPERTY
@given(st.integers(1, 200), st.integers(2, 5), st.integers(1, 10**5), st.integers(1, 1000))
def test_rungs_are_about_equally_expensive_and_end_with_all_rows(trials, eta, rows, min_rows):
    rungs = search.halving_plan("auc", trials, rows, min_rows, eta).rungs
    assert rungs[0].trials == trials and rungs[-1].shares == 1
    for rung, following in zip(rungs, rungs[1:]):
        assert rung.shares == eta * following.shares
        assert following.trials == rung.trials // eta >= 1
    assert len(rungs) == 1 or rows / rungs[0].shares >= min_rows
    more = eta * rungs[0].shares  # another rung would not fit
    assert more > trials or rows / more < min_rows


@pytest.mark.parametrize(
    "done, jobs, work",
    [
        (0, 9 + 3 + 1, 9 / 9 + 3 / 3 + 1),
        (4, 5 + 3 + 1, 5 / 9 + 3 / 3 + 1),
        (10, 2 + 1, 2 / 3 + 1),
        (13, 0, 0),
    ],
)
def test_what_is_left_counts_later_rungs(done, jobs, work):
    plan = search.halving_plan("auc", 9, 10**6, 1, 3)
    results = _play(plan, lambda trial, shares: 0.5)[:done]
    assert search.jobs_left(plan, results) == jobs
    assert search.work_left(plan, results) == pytest.approx(work)
    assert search.work_done(results) == pytest.approx(3 - work)


def test_best_has_the_most_rows():
    results = [_result(0, 0.9, 3), _result(1, 0.8, 3), _result(0, 0.7), _result(1, 0.6)]
    assert search.best("auc", results) == results[2]
    assert search.best("auc", results[:2]) == results[0]


def test_best_on_all_rows_is_before_better_on_few():
    results = [_result(0, 0.9, 3), _result(1, 0.8, 3), _result(1, 0.5)]
    assert search.best("auc", results) == results[2]


def test_equals_are_ranked_by_number():
    results = [_result(1, 0.5), _result(0, 0.5)]
    assert search.ranked("auc", results) == results[::-1]


def test_best_by_log_loss_is_the_lowest():
    results = [_result(i, value, metric="log_loss") for i, value in enumerate([0.5, 0.3, 0.4])]
    assert search.best("log_loss", results).trial == 1


def test_best_never_failed():
    # Trial 0 was best on fewer rows, and failed on all.
    results = [_result(0, 0.9, 3), _result(1, 0.5, 3), _result(0)]
    assert search.best("auc", results) == results[1]
    assert search.best("auc", [_result(0)]) is None


def test_last_of_each_trial_has_the_most_rows():
    results = [_result(1, 0.9, 3), _result(0, 0.8, 3), _result(1, 0.7)]
    assert search.last_of_each(results) == [results[1], results[2]]


def test_best_so_far_is_of_each_share():
    results = [
        _result(0, None, 3),
        _result(1, 0.6, 3),
        _result(2, 0.5, 3),
        _result(1, 0.4),
        _result(2, 0.5),
    ]
    assert search.best_so_far("auc", results) == [None, 0.6, 0.6, 0.4, 0.5]
