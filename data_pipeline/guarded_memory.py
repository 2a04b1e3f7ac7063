"""Memory that ends where the next byte may be neither read nor written.

Native code that goes one byte too far then ends the process with SIGSEGV, instead of passing.
"""

import ctypes
import mmap

import numpy as np

_PROT_NONE = 0


def allocate(size: int) -> np.ndarray:
    """Returns uint8 [size], zeros, whose last byte is the last one that may be touched."""
    pages = -(-size // mmap.PAGESIZE) + 1
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    guard = (pages - 1) * mmap.PAGESIZE
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + guard
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), _PROT_NONE)
    if libc.mprotect(*arguments):
        raise OSError(ctypes.get_errno(), "mprotect")
    return np.frombuffer(memory, np.uint8, size, guard - size)


def copy_of(data: bytes) -> np.ndarray:
    """Returns the data in such memory."""
    array = allocate(len(data))
    array[:] = np.frombuffer(data, np.uint8)
    return array
