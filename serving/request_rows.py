"""The rows of a predict request, whichever of its forms it has."""

from typing import Any, NamedTuple

import numpy as np

from data_pipeline import rows as rows_lib
from data_pipeline import wire
from serving import model_service


class RequestRows(NamedTuple):
    """The rows, and whether their labels mean something."""

    rows: rows_lib.Rows
    is_labelled: bool


def of(request: Any) -> RequestRows:
    """Returns the rows of the decoded JSON of a request.

    Raises:
      InvalidRequestError: The service would refuse it.
    """
    tensors = model_service.DeepFMService().preprocess(request)
    samples, labels = int(tensors["dense_shape"][0]), tensors["labels"]
    cells = wire.Wire(tensors["indices"], tensors["values"], samples)
    label = np.zeros(samples, np.uint8) if labels is None else labels.astype(np.uint8)
    return RequestRows(wire.decode(cells, label), labels is not None)
