import resource

import numpy as np

from model import freed_memory

_SIZE = 2**22  # 32 MB of float64


def _page_faults(repeats):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        np.ones(_SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_memory_that_was_freed_is_not_mapped_anew():
    freed_memory.keep()
    np.ones(_SIZE)
    # 8,192 pages each time, if the kernel had to give them again.
    assert _page_faults(repeats=10) < 8192


def test_nothing_happens_without_mallopt(monkeypatch):
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())
    freed_memory.keep()
