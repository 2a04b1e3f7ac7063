"""The Estimator of the model."""

import tensorflow as tf

from model import deepfm


def build(
    model_config: deepfm.ModelConfig, run_config: tf.estimator.RunConfig, model_dir: str
) -> tf.estimator.Estimator:
    """Returns the Estimator that trains, evaluates and predicts in `model_dir`.

    Its input functions give what `deepfm.model_fn` takes.

    Raises:
      ValueError: `run_config` names another model_dir.
    """
    return tf.estimator.Estimator(
        deepfm.model_fn, model_dir=model_dir, config=run_config, params={"model": model_config}
    )
