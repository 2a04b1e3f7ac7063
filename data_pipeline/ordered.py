"""A function over many items in threads, with the results in the items' order."""

import collections
import concurrent.futures
from typing import Callable, Deque, Iterable, Iterator, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ordered_map(
    function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Iterator[_Result]:
    """Yields function(item) for each item in order; at most two calls a thread are ahead.

    The first error of a call is raised in its place, and nothing more is started. Fit for calls
    that leave the GIL to others.
    """
    ahead: Deque[concurrent.futures.Future] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) >= 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
