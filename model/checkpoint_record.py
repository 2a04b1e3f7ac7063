"""MODEL_DIR/training.json: what it takes, beside a checkpoint, to export that later on its own."""

import json
import os
from typing import Any, Dict, Tuple

from data_pipeline import errors, whole_file
from model import checkpoints, hyper_parameters

NAME = "training.json"

# Of facts that an export adds, so that its own file serves as a record, too.
GLOBAL_STEP = "global_step"
METRICS = "metrics"
EXPORT_CODE = "export_code_sha256"

_FORMAT = 1
_OWN_KEYS = ("format", "parameters", GLOBAL_STEP, METRICS, EXPORT_CODE)

# With other ones, the model's variables have other shapes or names; the table's rows mean other
# cells; the optimizer's variables are others.
_FIXED = (
    "table_rows",
    "embedding_dim",
    "hidden",
    "batch_norm",
    "missing_integers",
    "numeric_inputs",
    "accelerator",
    "optimizer",
)
# A change to these needs variables that no checkpoint has which was trained without.
_NOT_LATER = {
    "first_order_optimizer": hyper_parameters.FTRL,
}


def content(parameters: hyper_parameters.HyperParameters, facts: Dict[str, Any]) -> Dict[str, Any]:
    """Returns what a record holds, JSON values.

    Raises:
      ValueError: A fact has a name that the record itself or an export needs.
    """
    taken = sorted(set(facts) & set(_OWN_KEYS))
    if taken:
        raise ValueError("expected facts of other names than %s" % ", ".join(taken))
    return dict(facts, format=_FORMAT, parameters=dict(parameters._asdict()))


def to_bytes(record: Dict[str, Any]) -> bytes:
    """Returns the text of a record; equal values give equal bytes.

    Raises:
      ValueError, TypeError: A value is none of JSON's.
    """
    return json.dumps(record, allow_nan=False, indent=2, sort_keys=True).encode("ascii") + b"\n"


def write(
    model_dir: str, parameters: hyper_parameters.HyperParameters, facts: Dict[str, Any]
) -> None:
    """Writes the record, whole or not at all; an earlier one is replaced.

    For one task of a job, before there is a checkpoint. See check_continues.

    Args:
      model_dir: Folder of the checkpoints, made if it is not there.
      parameters: Of the training.
      facts: Of training_facts.of, or other JSON values by name.

    Raises:
      InputError: It cannot be written there.
      ValueError, TypeError: A fact is no JSON value, or has a name of the record's own.
    """
    data = to_bytes(content(parameters, facts))
    with whole_file.replace(os.path.join(model_dir, NAME)) as file:
        file.write(data)


def read(path: str) -> Tuple[hyper_parameters.HyperParameters, Dict[str, Any]]:
    """Returns the hyper-parameters and facts of a record.

    Args:
      path: The record, its model_dir, or the training.json of an export.

    Raises:
      InputError: It is not there, not what write() made, or of other hyper-parameters than are
        known; says which file, and which line where it is not JSON.
    """
    path = os.path.join(path, NAME) if os.path.isdir(path) else path
    record = _parse(path, _read(path))
    try:
        if record["format"] != _FORMAT:
            raise ValueError("expected format %d, got %r" % (_FORMAT, record["format"]))
        if not isinstance(record["parameters"], dict):
            raise ValueError("expected parameters as an object, got %r" % record["parameters"])
        parameters = hyper_parameters.HyperParameters.from_dict(record["parameters"])
    except KeyError as e:
        raise errors.InputError("%s: expected an entry %s, got none" % (path, e)) from e
    except ValueError as e:
        raise errors.InputError("%s: %s" % (path, e)) from e
    return parameters, {key: value for key, value in record.items() if key not in _OWN_KEYS}


def fixed(model_dir: str) -> Dict[str, Any]:
    """The recorded hyper-parameters, by name, that training on from a checkpoint cannot change.

    None where there is no checkpoint or no record.

    Raises:
      InputError: The record is broken, or as of checkpoints.newest_first.
    """
    path = os.path.join(model_dir, NAME)
    if not checkpoints.newest_first(model_dir) or not os.path.exists(path):
        return {}
    recorded, _ = read(path)
    return {name: getattr(recorded, name) for name in _FIXED}


def check_continues(model_dir: str, parameters: hyper_parameters.HyperParameters) -> None:
    """Refuses to train on from a checkpoint that does not fit the hyper-parameters.

    Those that give the model its shape and its table rows their meaning must be the recorded ones,
    and what the optimizer and the schedule keep in variables must be there. The rest may change.
    Without a checkpoint there is nothing to train on from. A checkpoint without a record, as older
    versions left it, is not refused here.

    Raises:
      InputError: A hyper-parameter differs that may not, or the record is broken; or
        as of checkpoints.newest_first.
    """
    path = os.path.join(model_dir, NAME)
    if not checkpoints.newest_first(model_dir) or not os.path.exists(path):
        return
    recorded, _ = read(path)
    changes = [
        "%s %s, got %s" % (name, _shown(getattr(recorded, name)), _shown(getattr(parameters, name)))
        for name in parameters._fields
        if getattr(recorded, name) != getattr(parameters, name)
        and (name in _FIXED or _NOT_LATER.get(name) == getattr(parameters, name))
    ]
    if changes:
        raise errors.InputError(
            "%s: its checkpoints do not fit: expected %s; train in a new model_dir, or with those"
            % (model_dir, "; ".join(changes))
        )


def _shown(value: Any) -> str:
    """As a flag takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as e:
        raise errors.InputError(
            "expected the record that training writes into its model_dir, got no file %s" % path
        ) from e
    except OSError as e:
        raise errors.InputError("expected a file, got %s: %s" % (e.strerror, path)) from e


def _parse(path: str, data: bytes) -> Dict[str, Any]:
    try:
        record = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise errors.InputError("%s:%d: expected UTF-8, got %s" % (path, line, e.reason)) from e
    except json.JSONDecodeError as e:
        raise errors.InputError("%s:%d: expected JSON, got: %s" % (path, e.lineno, e.msg)) from e
    if not isinstance(record, dict):
        raise errors.InputError("%s:1: expected a JSON object, got %.80r" % (path, record))
    return record
