"""Which checkpoints a folder has, also where some of its files are not whole."""

import collections
import glob
import os
import re
from typing import List

import tensorflow as tf

from data_pipeline import errors

# What reading a checkpoint gives that is cut short, changed, or gone.
BROKEN = (tf.errors.DataLossError, tf.errors.OutOfRangeError, tf.errors.NotFoundError)

# Lines around what went wrong, and around what went wrong in several places at once: then each is
# numbered, and has a name in front.
_NO_REASON = re.compile(r"(=*|\d+ root error\(s\) found\.|(\(\d+\) )?([A-Za-z ]+: )?From /job:\S*)")


def reason(error: Exception) -> str:
    """Returns what went wrong in one line, of the several that an error of a ps has."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if not _NO_REASON.fullmatch(line)), type(error).__name__)


def newest_first(model_dir: str) -> List[str]:
    """Returns the paths of the checkpoints that the folder's list names, without suffix.

    Raises:
      InputError: The list is broken, or it is gone and checkpoints are there: to begin anew would
        overwrite them.
    """
    path = os.path.join(model_dir, "checkpoint")
    try:
        state = tf.train.get_checkpoint_state(model_dir)
    except ValueError as e:
        raise _broken_list(path, str(e)) from e
    if state is not None:
        # The last one is there twice.
        older = list(state.all_model_checkpoint_paths)[::-1]
        return list(collections.OrderedDict.fromkeys([state.model_checkpoint_path] + older))
    found = sorted(glob.glob(os.path.join(glob.escape(model_dir), "model.ckpt-*.index")))
    if found:
        raise _broken_list(path, "no list, and the checkpoint %s" % found[-1])
    return []


def _broken_list(path: str, got: str) -> errors.InputError:
    return errors.InputError(
        "%s: expected TensorFlow's list of checkpoints, got %s; restore the file, or train in "
        "another folder" % (path, got)
    )
