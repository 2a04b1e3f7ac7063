"""Training and evaluation in turn, in one process: for tuning, benchmarks and small data."""

import itertools
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence

import tensorflow as tf

from data_pipeline import inputs, kernel, row_source
from model import estimator as estimator_lib
from model import history as history_lib
from model import hyper_parameters, training_control, training_input

# Checkpoints are saved when training pauses; more often only where that takes long.
_SAVE_SECS = 600


class Data(NamedTuple):
    """What to train and to evaluate on, as row_source.find() returns it."""

    train_paths: Sequence[str]
    eval_paths: Sequence[str]


def run(
    parameters: hyper_parameters.HyperParameters,
    data: Data,
    model_dir: str,
    eval_steps: Optional[int] = None,
    hooks: Sequence[tf.estimator.SessionRunHook] = (),
    report: Callable[[str], None] = print,
    shares: int = 1,
) -> history_lib.Record:
    """Trains, and evaluates every `eval_steps` steps and at the end.

    Goes on from the last checkpoint of `model_dir`, if there is one, with all of the data.

    Args:
      parameters: Of model and training; with a patience, training may end early.
      data: Training rows are read batch by batch, so any number will do.
      model_dir: For checkpoints and the history of evaluations.
      eval_steps: Steps between evaluations; None evaluates after each epoch.
      hooks: For the training.
      report: Takes a line for each evaluation.
      shares: The training rows are cut into so many shares, all over the data, and only the first
        is trained on; 1 trains on all. Evaluation is always of all its rows.

    Returns:
      The best evaluation by parameters.metric: its metrics and global_step.

    Raises:
      InputError: A file cannot be read, or has no row.
      ValueError: This process is a task of a cluster, as TensorFlow's TF_CONFIG has it.
    """
    config = tf.estimator.RunConfig(
        model_dir=model_dir,
        tf_random_seed=parameters.seed,
        save_checkpoints_secs=_SAVE_SECS,
        log_step_count_steps=None,
    )
    if config.cluster_spec.jobs:
        raise ValueError("expected a process of its own, got a task of %r" % config.cluster_spec)
    estimator = estimator_lib.build(parameters, config, model_dir)
    history = history_lib.History(model_dir)
    if eval_steps is None:
        eval_steps = max(1, -(-_count_rows(data.train_paths, shares) // parameters.batch_size))
    start = training_control.run_start(model_dir)
    for batches in _turns(parameters, data.train_paths, eval_steps, shares):
        schedule_hooks = training_control.schedule_hooks(history, parameters, report, lambda: start)
        estimator.train(_train_input(batches, parameters), hooks=[*hooks, *schedule_hooks])
        history.add(evaluate(estimator, parameters, data.eval_paths))
        records = history.records(since_step=start.global_step + 1)
        report(describe(records[-1]))
        if training_control.should_stop(records, parameters.metric, parameters.patience):
            break
    best = history_lib.best_of(history.records(start.global_step + 1), parameters.metric)
    return best or history.records()[-1]


def evaluate(
    estimator: tf.estimator.Estimator,
    parameters: hyper_parameters.HyperParameters,
    eval_paths: Sequence[str],
    checkpoint_path: Optional[str] = None,
) -> history_lib.Record:
    """Returns metrics, loss and global_step of a checkpoint, by default the last one."""
    metrics = estimator.evaluate(
        lambda: inputs.dataset(eval_paths, parameters.batch_size), checkpoint_path=checkpoint_path
    )
    record = {name: float(value) for name, value in metrics.items()}
    record["global_step"] = int(metrics["global_step"])
    return record


def describe(record: history_lib.Record) -> str:
    """Returns a line with the metrics of an evaluation."""
    return (
        "step {global_step}  eval AUC {auc:.4f}  log loss {log_loss:.4f}"
        "  calibration {calibration:.3f}".format(**record)
    )


def _count_rows(paths: Sequence[str], shares: int) -> int:
    """Returns about how many rows the first of so many shares has; for row blocks, exactly."""
    source = row_source.of(tuple(paths))
    parts: List[row_source.Part] = list(source.parts(shares))
    sizes = [source.size(part) for part in parts]
    # Shares differ by up to a part, and a step too many would be a turn of its own.
    return -(-source.count_rows() * sum(sizes[::shares]) // sum(sizes))


def _turns(
    parameters: hyper_parameters.HyperParameters, paths: Sequence[str], steps: int, shares: int
) -> Iterator[Iterator[kernel.Batch]]:
    """Cuts the batches of all epochs into turns of `steps` each."""
    batches = inputs.batches(
        paths,
        parameters.batch_size,
        parameters.seed,
        parameters.epochs,
        shuffle=True,
        num_shards=shares,
    )
    for first in batches:
        yield itertools.chain([first], itertools.islice(batches, steps - 1))


def _train_input(
    batches: Iterator[kernel.Batch], parameters: hyper_parameters.HyperParameters
) -> Callable[[], tf.data.Dataset]:
    return lambda: training_input.dataset(lambda: batches, parameters)
