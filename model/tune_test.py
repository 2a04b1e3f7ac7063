"""The search with a train function that takes no time, and once with the real one."""

import json
import os

import pytest
import tensorflow as tf

from data_pipeline import errors, generator, text
from model import hyper_parameters, search, search_space, trainer, tune, tune_options

_SPACE = search_space.parse(
    '{"learning_rate": {"log_uniform": [0.001, 0.1]}, "hidden": {"choice": [[], [4]]}}', "space"
)
_HALVING = search.halving_plan("auc", 4, 10**6, 1, 2)  # 4 + 2 + 1 trainings
_RANDOM = search.random_plan("auc", 4)


def _options(folder, plan=_RANDOM):
    return tune_options.Options(
        data=trainer.Data(["train"], ["eval"]),
        output=str(folder),
        space=_SPACE,
        seed=0,
        fixed={"epochs": 2},
        plan=plan,
        num_rows=1000,
        arguments={"space": search_space.to_dict(_SPACE)},
    )


class _Train:
    """Trains by a formula; what `ends` holds is raised instead by the call of that number."""

    def __init__(self, ends=None):
        self.calls = []
        self._ends = ends or {}

    def __call__(self, parameters, shares, model_dir, report):
        assert os.listdir(model_dir) == []
        with open(os.path.join(model_dir, "checkpoint"), "w") as file:
            file.write("half written")
        self.calls.append((parameters, shares))
        if len(self.calls) in self._ends:
            raise self._ends[len(self.calls)]
        report("evaluated")
        auc = 0.5 + parameters.learning_rate - shares / 100
        return {"auc": auc, "log_loss": 1 - auc, "global_step": 3}


def _search(folder, plan=_RANDOM, train=None, report=lambda line: None):
    # A clock that stands: what is written must not depend on how fast this machine is.
    return tune.search_all(_options(folder, plan), train or _Train(), report, lambda: 0.0)


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _records(folder):
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_search_writes_all_of_its_files(tmp_path, capsys):
    assert _search(tmp_path) == 0
    assert sorted(_files(tmp_path)) == [
        "best.json", "search.json", "trials.jsonl", "trials.png", "trials.tsv",
    ]  # fmt: skip
    rates = [record["parameters"]["learning_rate"] for record in _records(tmp_path)]
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["learning_rate"] == max(rates)
    assert hyper_parameters.HyperParameters.from_dict(best).epochs == 2
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:3] == ["trial", "rows", "auc"]
    assert out[1].split()[-1] == str(max(rates))
    hidden = hyper_parameters.text_of(tuple(best["hidden"]))
    assert out[-1] == "--hidden=%s --epochs=2 --learning_rate=%s" % (hidden, max(rates))
    assert (tmp_path / "trials.tsv").read_text().count("\n") == 5


def test_trials_train_with_what_is_drawn_on_their_share(tmp_path):
    train = _Train()
    _search(tmp_path, _HALVING, train)
    options = _options(tmp_path)
    assert train.calls[:4] == [(options.parameters(trial, 4), 4) for trial in range(4)]
    # learning_rate is what the formula goes by.
    best = sorted(range(4), key=lambda trial: -options.parameters(trial).learning_rate)
    assert train.calls[4:] == [
        (options.parameters(best[0], 2), 2), (options.parameters(best[1], 2), 2),
        (options.parameters(best[0]), 1),
    ]  # fmt: skip


@pytest.mark.parametrize("plan", [_RANDOM, _HALVING], ids=["random", "halving"])
@pytest.mark.parametrize(
    "call, torn",
    [(1, b""), (1, b"{"), (2, b""), (4, b'{"trial": 3, "parameters": {"ac')],
)
def test_resumed_search_is_as_one_that_was_never_stopped(tmp_path, plan, call, torn):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train, rest = _Train(), _Train()
    _search(whole, plan, train)
    with pytest.raises(KeyboardInterrupt):
        _search(stopped, plan, _Train({call: KeyboardInterrupt()}))
    assert len(_records(stopped)) == call - 1
    with open(str(stopped / "trials.jsonl"), "ab") as lines:
        lines.write(torn)
    _search(stopped, plan, rest)
    assert rest.calls == train.calls[call - 1 :]
    assert _files(stopped) == _files(whole)


def test_finished_search_only_shows(tmp_path, capsys):
    _search(tmp_path)
    files, shown = _files(tmp_path), capsys.readouterr().out
    for name in ("best.json", "trials.png", "trials.tsv"):  # as if killed before it wrote them
        (tmp_path / name).unlink()
    train = _Train()
    assert _search(tmp_path, train=train) == 0
    assert train.calls == []
    assert (_files(tmp_path), capsys.readouterr().out) == (files, shown)


def test_more_random_trials_go_on(tmp_path):
    _search(tmp_path / "at_once", search.random_plan("auc", 6))
    _search(tmp_path / "later")
    train = _Train()
    _search(tmp_path / "later", search.random_plan("auc", 6), train)
    assert len(train.calls) == 2
    assert _files(tmp_path / "later") == _files(tmp_path / "at_once")


def test_stopped_search_has_tables_of_what_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _search(tmp_path, train=_Train({3: KeyboardInterrupt()}))
    assert (tmp_path / "trials.tsv").read_text().count("\n") == 3
    rates = [record["parameters"]["learning_rate"] for record in _records(tmp_path)]
    assert json.loads((tmp_path / "best.json").read_text())["learning_rate"] == max(rates)
    assert not (tmp_path / "running_trial").exists()


@pytest.mark.parametrize(
    "error, failure",
    [
        (
            tf.estimator.NanLossDuringTrainingError(),
            "NanLossDuringTrainingError: NaN loss during training.",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when\n\tallocating" + 200 * "x"),
            "ResourceExhaustedError: OOM when allocating" + 81 * "x",
        ),
    ],
    ids=["nan_loss", "memory"],
)
def test_a_trial_that_fails_is_recorded_and_the_next_one_runs(tmp_path, capsys, error, failure):
    lines = []
    assert _search(tmp_path, train=_Train({2: error}), report=lines.append) == 0
    assert [record["failure"] for record in _records(tmp_path)] == ["", failure, "", ""]
    assert _records(tmp_path)[1]["metrics"] == {}
    assert capsys.readouterr().out.splitlines()[4].endswith("  " + failure)
    assert any("trial 1: failed: " + failure in line for line in lines)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_metric_that_is_no_number_fails(tmp_path, value):
    class Diverges(_Train):
        def __call__(self, *args):
            metrics = super().__call__(*args)
            return dict(metrics, auc=float(value)) if len(self.calls) == 1 else metrics

    assert _search(tmp_path, train=Diverges()) == 0
    assert [record["failure"] for record in _records(tmp_path)] == ["auc is " + value, "", "", ""]


def test_best_is_for_all_rows_also_where_all_of_them_failed(tmp_path):
    # Both halvings pass trials on; what is left of the last rung fails.
    error = tf.estimator.NanLossDuringTrainingError()
    plan = search.halving_plan("auc", 2, 10**6, 1, 2)
    assert _search(tmp_path, plan, _Train({3: error})) == 0
    (best,) = [
        r["trial"] for r in _records(tmp_path)[:2] if r["trial"] != _records(tmp_path)[2]["trial"]
    ]
    want = _options(tmp_path).parameters(best, shares=1)
    assert (tmp_path / "best.json").read_text() == want.to_json()
    assert want != _options(tmp_path).parameters(best, shares=2)


def test_a_search_of_failures_exits_with_1(tmp_path, capsys):
    error = tf.estimator.NanLossDuringTrainingError()
    assert _search(tmp_path, train=_Train(dict.fromkeys(range(1, 5), error))) == 1
    captured = capsys.readouterr()
    assert captured.out.count("NaN loss") == 4
    assert captured.err == "tune: every trial failed\n"
    assert "best.json" not in _files(tmp_path)


def test_broken_data_is_no_failure_of_a_trial(tmp_path):
    with pytest.raises(errors.InputError, match="line 7"):
        _search(tmp_path, train=_Train({2: errors.InputError("line 7")}))
    assert len(_records(tmp_path)) == 1
    assert not (tmp_path / "running_trial").exists()


def test_folder_of_another_search_is_refused(tmp_path):
    _search(tmp_path)
    other = _options(tmp_path)._replace(arguments={"space": {}})
    with pytest.raises(errors.InputError, match="--output: .* expected space.hidden .*, got none"):
        tune.search_all(other, _Train(), print)


def test_progress_tells_trial_best_and_time_left(tmp_path):
    lines = []
    times = iter(range(0, 1000, 5))  # each trial takes 5 s
    tune.search_all(_options(tmp_path, _HALVING), _Train(), lines.append, lambda: next(times))
    parameters = [_options(tmp_path).parameters(trial) for trial in range(4)]
    flags = "--hidden=%s --learning_rate=%s"
    aucs = [0.5 + each.learning_rate - 0.04 for each in parameters]
    assert lines[:3] == [
        "trials by share of the rows: 4 on 1/4, 2 on 1/2, 1 on all",
        "[1/7] trial 0, 1/4 of the rows: "
        + flags % (hyper_parameters.text_of(parameters[0].hidden), parameters[0].learning_rate),
        "  evaluated",
    ]
    best = max(range(4), key=lambda trial: aucs[trial])
    # Four quarters took 20 s; 2 halves and 1 whole are left.
    assert lines[12] == (
        "[4/7] trial 3, 1/4 of the rows: auc %.5f; best %.5f (trial %d); 5.0 s; ETA 0:00:40"
        % (aucs[3], aucs[best], best)
    )
    assert lines[-1].startswith("[7/7] trial %d: auc " % best)
    assert lines[-1].endswith("ETA 0:00:00")


def test_resumed_search_says_so(tmp_path):
    _search(tmp_path)
    lines = []
    _search(tmp_path, report=lines.append)
    assert lines == ["trials by share of the rows: 4 on all", "4 trials finished earlier"]


@pytest.fixture(name="flags")
def _flags(tmp_path, monkeypatch):
    """Of a search by halving, with 2 trials on half of the rows and 1 on all."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name, seed, rows in (("train", 1, 400), ("eval", 2, 100)):
        rows = text.format(generator.Generator(seed).rows(0, rows)[0])
        (tmp_path / name).write_bytes(rows)
    (tmp_path / "space.json").write_text('{"learning_rate": {"log_uniform": [0.01, 0.1]}}')
    values = [
        "train_file=%s" % (tmp_path / "train"), "eval_file=%s" % (tmp_path / "eval"),
        "output=%s" % (tmp_path / "out"), "space=%s" % (tmp_path / "space.json"),
        "search=halving", "trials=2", "eta=2", "min_rows=1",
        "table_rows=100", "embedding_dim=2", "hidden=4", "batch_size=50", "epochs=2",
    ]  # fmt: skip
    return ["--" + value for value in values]


def test_main_searches(flags, tmp_path, capsys):
    assert tune.main(flags) == 0
    captured = capsys.readouterr()
    out, records = captured.out.splitlines(), _records(tmp_path / "out")
    assert [(record["trial"], record["shares"]) for record in records[:2]] == [(0, 2), (1, 2)]
    # Evaluations after each epoch: half of 400 rows are 4 steps of 50, or 5 for a little more.
    evaluations = [line for line in captured.err.splitlines() if line.startswith("  step ")]
    steps = [int(line.split()[1]) for line in evaluations]
    assert steps[0] in (4, 5) and steps == [steps[0], 2 * steps[0]] * 2 + [8, 16]
    assert 0.3 < records[2]["metrics"]["auc"] < 0.9
    assert out[-1].startswith("--table_rows=100 --embedding_dim=2 --hidden=4 --batch_size=50 --epo")
    assert tune.main(flags) == 0  # at once: there is nothing left to train
    assert capsys.readouterr().out.splitlines() == out


def test_main_says_what_is_wrong_in_one_line(flags, capsys):
    assert tune.main(flags + ["--train_file=/no/such"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("tune: error: --train_file: ") and err.count("\n") == 1


def test_main_refuses_a_cluster(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}}')
    assert tune.main(flags) == 2
    assert capsys.readouterr().err == (
        "tune: error: TF_CONFIG: expected none, since a search is one process and no cluster, "
        'got {"cluster": {}}\n'
    )
    assert not (tmp_path / "out").exists()


def test_main_that_is_stopped_exits_with_130(flags, tmp_path, monkeypatch, capsys):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "run", stopped)
    assert tune.main(flags) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tune: stopped; the same command goes on from the last trial"
    )
    assert sorted(_files(tmp_path / "out")) == ["search.json", "trials.jsonl"]
