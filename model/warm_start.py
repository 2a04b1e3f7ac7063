"""Starts a new model from the values of an earlier one."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import tensorflow as tf

_TABLE = "embedding/table"

# What training moves without a gradient: the averages of batch normalisation.
_MOVING = ("moving_mean", "moving_variance")


class _ModelVariable(NamedTuple):
    """A variable as checkpoints know it, whole.

    Attributes:
      shape: Of all parts together.
      parts: What init_from_checkpoint takes: the parts of a partitioned variable, or the variable.
    """

    shape: Tuple[int, ...]
    parts: Any


def load(checkpoint_path: str, report: Callable[[str], None]) -> List[str]:
    """Makes the graph's model variables begin with the checkpoint's values.

    Taken are the trainable variables and batch normalisation's averages of which the checkpoint
    has one of the same name and shape, in any number of parts; hence with other hidden sizes the
    table and the layers that still fit. All else begins as it would: optimizer slots, global step.

    Only the initialisers change. So a model_dir that has a checkpoint goes on from that one, and in
    a cluster each ps reads its own parts, from a folder that it must see under the same path.

    Args:
      checkpoint_path: A checkpoint, without ".index", or a folder for the latest one in it.
      report: Takes a line for what is taken, and one for what begins anew if anything does.

    Returns:
      The names of the variables that are taken, sorted.

    Raises:
      ValueError: There is no such checkpoint, it has no table of the model's shape, or the graph
        has no table.
    """
    path = _checkpoint(checkpoint_path)
    saved = _saved_shapes(path)
    wanted = _model_variables()
    _check_table(path, saved, wanted)
    taken = sorted(name for name in wanted if saved.get(name) == wanted[name].shape)
    tf.compat.v1.train.init_from_checkpoint(path, {name: wanted[name].parts for name in taken})
    report("warm start from %s: %s" % (path, ", ".join(taken)))
    anew = sorted(set(wanted) - set(taken))
    if anew:
        report(
            "begin anew: "
            + ", ".join(
                "%s %s (there: %s)" % (name, _text(wanted[name].shape), _text(saved.get(name)))
                for name in anew
            )
        )
    return taken


def _checkpoint(path: str) -> str:
    """The path itself, or a folder's latest checkpoint."""
    if not tf.io.gfile.isdir(path):
        return path
    latest = tf.train.latest_checkpoint(path)
    if latest is None:
        raise ValueError("%s: expected a folder with a checkpoint, got one without" % path)
    return latest


def _saved_shapes(path: str) -> Dict[str, Tuple[int, ...]]:
    try:
        reader = tf.train.load_checkpoint(path)
    except (tf.errors.OpError, ValueError) as e:
        raise ValueError("%s: expected a checkpoint, got none: %s" % (path, e)) from e
    return {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}


def _model_variables() -> Dict[str, _ModelVariable]:
    """By name in checkpoints, which hold a partitioned variable under one name."""
    variables = tf.compat.v1.trainable_variables()
    variables += [
        variable
        for variable in tf.compat.v1.global_variables()
        if variable.op.name.rsplit("/", 1)[-1] in _MOVING
    ]
    found = {}  # type: Dict[str, _ModelVariable]
    for variable in variables:
        # Private, but the only word of a part about the whole; TF's own warm start goes by it.
        part = variable._get_save_slice_info()
        if part is None:
            shape = tuple(variable.shape.as_list())
            found[variable.op.name] = _ModelVariable(shape, variable)
        elif part.full_name in found:
            found[part.full_name].parts.append(variable)
        else:
            found[part.full_name] = _ModelVariable(tuple(part.full_shape), [variable])
    return found


def _check_table(
    path: str, saved: Dict[str, Tuple[int, ...]], wanted: Dict[str, _ModelVariable]
) -> None:
    if _TABLE not in wanted:
        raise ValueError(
            "graph: expected a trainable variable %s to begin with that of %s, got none; a warm "
            "start needs TensorFlow's own tables" % (_TABLE, path)
        )
    shape = wanted[_TABLE].shape
    if saved.get(_TABLE) != shape:
        raise ValueError(
            "%s: expected %s of shape %s, got %s; a warm start needs the table_rows and "
            "embedding_dim of the earlier model"
            % (path, _TABLE, _text(shape), _text(saved.get(_TABLE)))
        )


def _text(shape: Optional[Tuple[int, ...]]) -> str:
    return "none" if shape is None else str(list(shape))
