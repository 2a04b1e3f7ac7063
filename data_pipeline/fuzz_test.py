"""Tests of the fuzz loop: it passes, and it would see what it is there to see."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from data_pipeline import fuzz, row_block, rows_testing, text

_OUT_OF_BOUNDS = """
from data_pipeline import guarded_memory, kernel, native_library
memory = guarded_memory.allocate(100)
memory[99] = 1
kernel._library().criteo_crc32c(0, native_library.address(memory), 101)
"""


def test_some_thousand_inputs_hold():
    counts = fuzz.run(20_000, 1, print)
    assert counts["lines"] > 10_000 and counts["blocks"] and counts["streams"]
    assert 0 < counts["good_lines"] < counts["lines"]


def test_a_wrong_row_would_be_seen(monkeypatch):
    lines = text.format(rows_testing.random_rows(2))
    fuzz.check_text(lines)
    monkeypatch.setattr(text, "format", lambda rows: lines.replace(b"1", b"2"))
    with pytest.raises(AssertionError):
        fuzz.check_text(lines)


def test_an_unnoticed_change_of_a_block_would_be_seen(monkeypatch):
    monkeypatch.setattr(row_block, "_check_prefixes", lambda *arguments: None)
    block = row_block.write(rows_testing.random_rows(2))
    block[20] ^= 1  # in the middle of a prefix
    block[-4:].view("<u4")[0] = row_block._masked_crc(block[12:-4])
    with pytest.raises(AssertionError):
        fuzz.check_block(block.tobytes())


def test_a_byte_too_far_ends_the_process():
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    process = subprocess.run([sys.executable, "-c", _OUT_OF_BOUNDS], env=env)
    assert process.returncode == -signal.SIGSEGV


def test_lost_bytes_of_a_stream_would_be_seen(monkeypatch):
    monkeypatch.setattr(fuzz.line_reader.LineReader, "skip_line", lambda self: None)
    with pytest.raises(AssertionError):
        fuzz.check_stream(b"ab\n" * 4000, np.random.RandomState(0))
