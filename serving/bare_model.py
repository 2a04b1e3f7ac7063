"""A SavedModel in this process, with nothing around it: what no server can be faster than."""

import statistics
import time
from typing import Any, Dict

import numpy as np
import tensorflow as tf

_SIGNATURE = "serving_default"
_OUTPUT = "probabilities"
_NUM_FIELDS = 39


class BareModel:
    """Runs the same rows again and again by session.run; a context that closes its session.

    Args:
      saved_model: Its folder.
      request: In the wire form: "indexes", "values", "samples".
    """

    def __init__(self, saved_model: str, request: Dict[str, Any]) -> None:
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        tags = [tf.saved_model.SERVING]
        signatures = tf.compat.v1.saved_model.load(self._session, tags, saved_model).signature_def
        signature = signatures[_SIGNATURE]
        feeds = {
            "_c_indices_fea1": np.array(request["indexes"], np.int64),
            "_c_values_fea1": np.array(request["values"], np.int64),
            "_c_dense_shape_fea1": np.array([request["samples"], _NUM_FIELDS, 1], np.int64),
        }
        self._feeds = {signature.inputs[name].name: value for name, value in feeds.items()}
        self._fetch = signature.outputs[_OUTPUT].name

    def __enter__(self) -> "BareModel":
        return self

    def __exit__(self, *exception: Any) -> None:
        self._session.close()

    def run(self) -> np.ndarray:
        """Returns the probabilities, float32 [rows, 1]."""
        return self._session.run(self._fetch, self._feeds)

    def median_ms(self, runs: int) -> float:
        """Milliseconds that half of so many runs do not exceed."""
        secs = []
        for _ in range(runs):
            start = time.perf_counter()
            self.run()
            secs.append(time.perf_counter() - start)
        return statistics.median(secs) * 1000
