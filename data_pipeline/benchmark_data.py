"""The files that benchmarks work on: generated once and kept."""

import os
import shutil
import sys
import tempfile

from data_pipeline import generated_file

ROWS = 2_000_000
QUICK_ROWS = 20_000

# Rows 0 .. of this seed; the generator's rows are the same for everybody.
_SEED = 1


def default_folder() -> str:
    """Returns where the files go if the user names no folder."""
    return os.path.join(tempfile.gettempdir(), "criteo_benchmark_%d" % os.getuid())


def text_file(folder: str, rows: int) -> str:
    """Returns a file of generated rows, made if it is not there yet."""
    path = os.path.join(folder, "rows_%d.tsv" % rows)
    if not os.path.exists(path):
        generated_file.write(path, rows, _SEED, lambda line: print(line, file=sys.stderr))
    return path


def repeated(path: str, times: int) -> str:
    """Returns a file that holds another one several times over, made if it is not there yet.

    For costs that may depend on the number of rows but not on what is in them.
    """
    target = "%s.x%d" % (path, times)
    want = times * os.path.getsize(path)
    if not os.path.exists(target) or os.path.getsize(target) != want:
        with open(target, "wb") as output:
            for _ in range(times):
                with open(path, "rb") as source:
                    shutil.copyfileobj(source, output, 1 << 24)
    return target
