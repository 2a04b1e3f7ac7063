"""Which SavedModel lies in a folder, and whether that changes."""

import os
from typing import Callable, Dict, Optional, Tuple

# One file: path, mtime in ns, size in bytes, inode. A copy over a file changes the first two of
# these, a rename into its place the inode.
_Look = Tuple[str, int, int, int]

Fingerprint = Tuple[_Look, ...]

# What makes a folder a SavedModel (tensorflow/python/saved_model/constants.py, 1.15).
_GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


def fingerprint(model_dir: str, find: Optional[Callable[[str], str]] = None) -> Fingerprint:
    """Returns what tells one state of the models below `model_dir` from another; empty if none.

    Reads no file. Two equal results, taken some time apart, are also the sign that nobody is
    writing a model: every file of a SavedModel counts, not only the graph.

    Args:
      model_dir: Folder of any depth; need not exist.
      find: Returns the one SavedModel folder that a service would load from `model_dir`, so that
        others that come and go beside it do not count. Where it raises, and without it, all do.
    """
    tops = [model_dir]
    if find is not None:
        try:
            tops = [find(model_dir)]
        except Exception:  # The border to the user's service file; loading will say more.
            pass
    looks: Dict[str, _Look] = {}
    for top in tops:
        for folder, _, files in os.walk(top):
            if any(graph in files for graph in _GRAPHS):
                _look(folder, looks)
    return tuple(looks[path] for path in sorted(looks))


def version(of: Fingerprint) -> str:
    """Returns the name of the folder of the model, usually its timestamp; "" if there is none.

    Of several the last: the highest number.
    """
    folders = [os.path.dirname(path) for path, _, _, _ in of if os.path.basename(path) in _GRAPHS]
    names = [os.path.basename(os.path.abspath(folder)) for folder in folders]
    return max(names, key=lambda name: (len(name), name), default="")


def _look(top: str, looks: Dict[str, _Look]) -> None:
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            try:
                stat = os.stat(path)
            except OSError:
                continue  # It has gone since; the next look differs.
            looks[path] = (path, stat.st_mtime_ns, stat.st_size, stat.st_ino)
