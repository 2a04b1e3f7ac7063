"""Native libraries of our own, which Bazel builds and code packages carry, and numpy's memory."""

import ctypes
import os
from typing import Any

import numpy as np

from data_pipeline import errors


def load(module_path: str, name: str) -> Any:
    """Returns the library `name` that lies beside a module, as a ctypes.CDLL.

    Args:
      module_path: The module's __file__.
      name: With ".so".

    Raises:
      InputError: It is not there, or not for this machine.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(module_path)), name)
    try:
        return ctypes.CDLL(path)
    except OSError as e:
        raise errors.InputError(
            "expected the native library that Bazel builds and code packages carry, got: %s" % e
        ) from e


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Returns where a contiguous array lies; the caller keeps it alive.

    Raises:
      ValueError: It is not contiguous.
    """
    if not array.flags.c_contiguous:
        raise ValueError("expected a contiguous array")
    return ctypes.c_void_p(array.ctypes.data)
