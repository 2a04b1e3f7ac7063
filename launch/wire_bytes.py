"""Bytes that cross the wire between a chief and its ps: counted, and as few as they can be."""

import contextlib
import itertools
from typing import Dict, List

from data_pipeline import inputs, row_source
from launch import benchmark_job, counting_proxy, local_cluster
from model import distinct_ids, hyper_parameters, step_benchmark

_FLOAT_BYTES = 4
_ID_BYTES = 8


def of_job(job: benchmark_job.Job, folder: str) -> int:
    """Runs a job and returns what its ps and its workers have sent to one another.

    A ps finds a proxy where it looks for a worker, and a worker where it looks for a ps. That takes
    in all of TensorFlow's traffic: who needs a tensor asks the task that has it.

    Args:
      job: To run; its tf_config_for is not used.
      folder: As of benchmark_job.run.

    Raises:
      ProcessError: A task failed.
    """
    proxies: Dict[str, counting_proxy.CountingProxy] = {}
    with contextlib.ExitStack() as stack:

        def proxied(address: str) -> str:
            if address not in proxies:
                proxy = counting_proxy.CountingProxy(address)
                proxies[address] = stack.enter_context(proxy)
            return proxies[address].address

        def tf_config(cluster: Dict[str, List[str]], role: str, index: int) -> str:
            seen = {
                other: addresses if other == role else [proxied(a) for a in addresses]
                for other, addresses in cluster.items()
            }
            return local_cluster.tf_config(seen, role, index)

        benchmark_job.run(job._replace(tf_config_for=tf_config), folder)
    return sum(proxy.count() for proxy in proxies.values())


def least_per_step(parameters: hyper_parameters.HyperParameters, ids: float) -> float:
    """Returns what a step has to send at least.

    Each distinct id once, as int64; its table row there and the row's gradient back, as float32;
    and every weight and bias of the deep part likewise. No framing.

    Args:
      parameters: Of the model; without batch norm.
      ids: Distinct ids of a batch.
    """
    floats = ids * (parameters.embedding_dim + 1) + num_dense_weights(parameters)
    return 2 * _FLOAT_BYTES * floats + _ID_BYTES * ids


def num_dense_weights(parameters: hyper_parameters.HyperParameters) -> int:
    """Weights and biases of the deep part, without batch norm."""
    widths = step_benchmark.layer_widths(parameters)
    return sum((before + 1) * after for before, after in zip(widths, widths[1:]))


def distinct_ids_per_step(
    parameters: hyper_parameters.HyperParameters, train_file: str, first: int, last: int
) -> float:
    """Mean number of distinct ids of the batches that a lone chief trains on in these steps.

    Args:
      parameters: Of the model; they say the batches' size, order and ids.
      train_file: As of --train_file.
      first: The first step, from 0.
      last: The one after the last.
    """
    batches = inputs.batches(
        row_source.find(train_file),
        parameters.batch_size,
        seed=parameters.seed,
        epochs=parameters.epochs,
        shuffle=True,
    )
    counts = [
        len(distinct_ids.of(batch, parameters.table_rows, parameters.missing_integers).ids)
        for batch in itertools.islice(batches, first, last)
    ]
    return sum(counts) / len(counts)
