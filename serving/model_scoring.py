"""Scores rows with a SavedModel in this process, as the server does."""

import numpy as np

from data_pipeline import errors, wire
from data_pipeline import rows as rows_lib
from serving import model_service


class ModelScorer:
    """The model below a folder; may be called from several threads.

    Raises:
      InputError: There is no model that can be loaded.
    """

    def __init__(self, model_dir: str) -> None:
        self._service = model_service.DeepFMService(model_dir)
        if not self._service.load():
            raise errors.InputError(
                "--model_dir: expected a SavedModel that can be served, got %s; the log says why"
                % model_dir
            )

    def score(self, rows: rows_lib.Rows) -> np.ndarray:
        """Returns the probabilities, float32 [n]; labels are not looked at."""
        cells = wire.encode(rows)
        request = {"indexes": cells.indexes, "values": cells.values, "samples": cells.samples}
        predicted = self._service.predict(self._service.preprocess(request))
        return predicted["probabilities"][:, 0]
