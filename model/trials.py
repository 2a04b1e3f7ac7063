"""The folder of a search: its arguments, its finished trials and the running one's model.

search.json holds the arguments, trials.jsonl a line for each finished trial, on disk before the
next one starts. So a search that was killed goes on where it was.
"""

import contextlib
import fcntl
import json
import os
import shutil
from typing import IO, Any, Dict, Iterator, List

from data_pipeline import errors, whole_file
from model import hyper_parameters, search

ARGUMENTS = "search.json"
TRIALS = "trials.jsonl"
_RUNNING = "running_trial"


class Folder:
    """A folder that one search at a time writes to.

    Args:
      path: Made if it is not there.
      arguments: JSON values by name: all that trials follow from.

    Raises:
      InputError: It cannot be written, another process writes to it, it is of a search with other
        arguments, or what is in it is broken.
    """

    def __init__(self, path: str, arguments: Dict[str, Any]) -> None:
        self._path = path
        self._lines = _claim(path)
        try:
            _check_arguments(path, arguments)
            self._results = self._read()
        except BaseException:
            self.close()
            raise
        self._remove_model()

    @property
    def results(self) -> List[search.Result]:
        """The finished trials, in the order in which they finished."""
        return list(self._results)

    def path(self, name: str) -> str:
        """Returns where a file of this name lies."""
        return os.path.join(self._path, name)

    def add(self, result: search.Result) -> None:
        """Appends a finished trial; on disk when this returns."""
        self._lines.write(_to_line(result))
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._results.append(result)

    @contextlib.contextmanager
    def model_dir(self) -> Iterator[str]:
        """Yields an empty folder for the running trial, which is removed when the block ends."""
        os.mkdir(self.path(_RUNNING))
        try:
            yield self.path(_RUNNING)
        finally:
            self._remove_model()

    def close(self) -> None:
        """Lets other processes write to the folder."""
        self._lines.close()

    def _read(self) -> List[search.Result]:
        """Returns the results; cuts off a last line that a killed process did not finish."""
        with open(self.path(TRIALS), "rb") as file:
            lines = file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self._lines.truncate(sum(map(len, lines[:-1])))
            del lines[-1]
        return [_from_line("%s:%d" % (self.path(TRIALS), n), x) for n, x in enumerate(lines, 1)]

    def _remove_model(self) -> None:
        # Not there, unless the process before was killed.
        if os.path.isdir(self.path(_RUNNING)):
            shutil.rmtree(self.path(_RUNNING))


def _claim(path: str) -> IO[bytes]:
    """Returns the file of trials for appending, locked while it is open."""
    if "://" in path:
        raise errors.InputError("expected a local folder, got %s" % path)
    try:
        os.makedirs(path, exist_ok=True)
        lines = open(os.path.join(path, TRIALS), "ab")
    except OSError as e:
        raise errors.InputError(
            "expected a folder this user may write, got %s (%s)" % (path, e.strerror)
        ) from e
    try:
        # The kernel unlocks it however this process ends.
        fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        lines.close()
        raise errors.InputError(
            "expected a folder of its own, got one that a running search writes to: %s" % path
        ) from e
    return lines


def _check_arguments(path: str, arguments: Dict[str, Any]) -> None:
    """Compares the arguments with those of the trials that are there; writes them if none is."""
    name = os.path.join(path, ARGUMENTS)
    given = json.loads(json.dumps(arguments))
    if not os.path.getsize(os.path.join(path, TRIALS)):
        with whole_file.replace(name) as new:
            new.write(json.dumps(given, indent=2, sort_keys=True).encode("ascii") + b"\n")
        return
    try:
        with open(name, "rb") as file:
            there = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError as e:
        raise errors.InputError(
            "expected %s beside %s, got none: %s" % (ARGUMENTS, TRIALS, path)
        ) from e
    except ValueError as e:
        raise errors.InputError("%s: expected JSON, got: %s" % (name, e)) from e
    differing = _differences("", there, given)
    if differing:
        raise errors.InputError(
            "%s is of a search with other arguments: expected %s; take another folder, or those"
            % (path, "; ".join(differing))
        )


def _differences(key: str, there: Any, given: Any) -> List[str]:
    """Returns "KEY VALUE, got VALUE" for the innermost values that differ."""
    if isinstance(there, dict) and isinstance(given, dict):
        return [
            text
            for name in sorted(set(there) | set(given))
            for text in _differences(
                "%s.%s" % (key, name) if key else name, there.get(name), given.get(name)
            )
        ]
    if there == given:
        return []
    return ["%s %s, got %s" % (key, _shown(there), _shown(given))]


def _shown(value: Any) -> str:
    return "none" if value is None else "%.200s" % json.dumps(value, sort_keys=True)


def _to_line(result: search.Result) -> bytes:
    content = dict(result._asdict(), parameters=dict(result.parameters._asdict()))
    return json.dumps(content, sort_keys=True).encode("ascii") + b"\n"


def _from_line(place: str, line: bytes) -> search.Result:
    try:
        content = json.loads(line.decode("ascii"))
        parameters = hyper_parameters.HyperParameters.from_dict(content["parameters"])
        return search.Result(**dict(content, parameters=parameters))
    except (KeyError, TypeError, ValueError) as e:
        raise errors.InputError("%s: expected a trial, got %.80r (%s)" % (place, line, e)) from e
