"""Makes what fails smaller while it still fails.

As delta debugging does (Zeller and Hildebrandt 2002), without its tests of complements at each
grain: a request is sent for each test, and small enough is enough.
"""

from typing import Callable

_MAX_TESTS = 500


def smallest(data: bytes, fails: Callable[[bytes], bool], max_tests: int = _MAX_TESTS) -> bytes:
    """Returns `data` without pieces that it fails without, or as it is if it does not fail."""
    if not fails(data):
        return data
    tests, size = 0, max(len(data) // 2, 1)
    while size and tests < max_tests:
        at, is_smaller = 0, False
        while at < len(data) and tests < max_tests:
            shorter = data[:at] + data[at + size :]
            tests += 1
            if fails(shorter):
                data, is_smaller = shorter, True
            else:
                at += size
        if not is_smaller or size > 1:
            size //= 2
    return data
