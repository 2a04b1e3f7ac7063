"""How many steps a job has."""

import math
from typing import Optional

from data_pipeline import row_source
from launch import options as options_lib


def batches_per_step(options: options_lib.TrainOptions, num_workers: int) -> int:
    """Batches, each of another worker, whose gradients make one step."""
    return num_workers - options.backup_workers if options.sync else 1


def planned(options: options_lib.TrainOptions, num_workers: int, start_step: int) -> int:
    """Returns the global step at which the data end, or training at the latest.

    Args:
      options: Checked flags.
      num_workers: The chief included.
      start_step: Global step at which the job began.

    Returns:
      An estimate from the sizes of the files where they are text; equal in all tasks.
    """
    parameters = options.parameters
    rows = row_source.of(options.train_files).count_rows() * parameters.epochs
    step_rows = parameters.batch_size * batches_per_step(options, num_workers)
    end = start_step + max(1, math.ceil(rows / step_rows))
    return min(end, options.max_steps or end)


def limit(options: options_lib.TrainOptions, num_workers: int, start_step: int) -> Optional[int]:
    """Returns the global step at which workers stop, None for where their data end.

    Synchronous steps need every worker to the last one, so they end by their number; the shares,
    which are not quite equal, are begun again by those that are through.
    """
    return planned(options, num_workers, start_step) if options.sync else options.max_steps
