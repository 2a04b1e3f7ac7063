"""The Estimator of the model."""

from typing import Callable, Optional

import tensorflow as tf

from model import deepfm, hyper_parameters, optimizers


def build(
    parameters: hyper_parameters.HyperParameters,
    run_config: tf.estimator.RunConfig,
    model_dir: str,
    prepare: Optional[Callable[[deepfm.TrainingGraph], object]] = None,
    synchronous: Optional[optimizers.Synchronous] = None,
) -> tf.estimator.Estimator:
    """Returns the Estimator that trains, evaluates and predicts in `model_dir`.

    Its input functions give what `deepfm.model_fn` takes.

    Args:
      parameters: Of model and training.
      run_config: Of this task.
      model_dir: For checkpoints; training goes on from the last one.
      prepare: Called once all variables of a training graph exist and before TF adds its saver: to
        change what they start with, as warm_start.load does, or to add to the graph.
      synchronous: As for optimizers.minimize.

    Raises:
      ValueError: `run_config` names another model_dir.
    """
    return tf.estimator.Estimator(
        deepfm.model_fn,
        model_dir=model_dir,
        config=run_config,
        params={"parameters": parameters, "prepare": prepare, "synchronous": synchronous},
    )
