"""A SavedModel with the variables' first values: for benchmarks its sizes count, not its scores."""

import os
import tempfile

import tensorflow as tf

from model import deepfm, export, hyper_parameters


def write(parameters: hyper_parameters.HyperParameters, export_base_dir: str) -> str:
    """Exports such a model as after a training; returns its folder, as export_saved_model does."""
    with tempfile.TemporaryDirectory(prefix="untrained-") as folder:
        checkpoint = _write_checkpoint(parameters, os.path.join(folder, "model.ckpt"))
        return export.export_saved_model(checkpoint, parameters, export_base_dir, {})


def _write_checkpoint(parameters: hyper_parameters.HyperParameters, path: str) -> str:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(parameters.seed)
        tf.compat.v1.train.create_global_step()
        cells = deepfm.cells(export.serving_input().features, parameters)
        deepfm.tower(cells, parameters, training=False, num_ps=0)
        session.run(tf.compat.v1.global_variables_initializer())
        return tf.compat.v1.train.Saver().save(session, path, write_meta_graph=False)
