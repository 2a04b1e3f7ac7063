"""The Estimator of the model."""

from typing import Callable, Optional

import tensorflow as tf

from model import deepfm, hyper_parameters


def build(
    parameters: hyper_parameters.HyperParameters,
    run_config: tf.estimator.RunConfig,
    model_dir: str,
    warm_start: Optional[Callable[[], object]] = None,
) -> tf.estimator.Estimator:
    """Returns the Estimator that trains, evaluates and predicts in `model_dir`.

    Its input functions give what `deepfm.model_fn` takes.

    Args:
      parameters: Of model and training.
      run_config: Of this task.
      model_dir: For checkpoints; training goes on from the last one.
      warm_start: Called once all variables of a training graph exist, to change what they start
        with; see warm_start.load.

    Raises:
      ValueError: `run_config` names another model_dir.
    """
    return tf.estimator.Estimator(
        deepfm.model_fn,
        model_dir=model_dir,
        config=run_config,
        params={"parameters": parameters, "warm_start": warm_start},
    )
