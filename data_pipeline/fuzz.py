"""Main of //data_pipeline:fuzz: damaged input by the million, against what must always hold.

A seeded loop: the same flags give the same inputs. The memory that the native code works on ends at
a page that may be neither read nor written, so that one byte too far ends the process.
"""

import argparse
import io
import json
import sys
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np

from data_pipeline import (
    generator,
    guarded_memory,
    kernel,
    line_reader,
    progress,
    row_block,
    text,
)
from data_pipeline import rows as rows_lib

# Lines to a batch of text, of which each is an input.
_LINES = 4096

# What damage puts in: bytes that mean something, and any.
_LIKELY = b"\t\n\r\x00-+0123456789abcdefgAF \xef\xbb\xbf\xff"


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0; anything that does not hold ends in an AssertionError or a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    args = parser.parse_args(argv)
    counts = run(args.inputs, args.seed, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(dict(counts, seed=args.seed)))
    return 0


def run(inputs: int, seed: int, report: Callable[[str], None]) -> Dict[str, int]:
    """Feeds so many inputs, or a few more; returns how many of each kind."""
    random = np.random.RandomState(seed & 0xFFFFFFFF)
    rows, _ = generator.Generator(seed & 0xFFFFFFFF).rows(0, _LINES)
    good = text.format(rows)
    blocks = [bytes(row_block.write(rows.take(slice(0, count)))) for count in (1, 2, 7)]
    counts = {"lines": 0, "good_lines": 0, "blocks": 0, "streams": 0}
    shown = progress.Progress("inputs", inputs, report)
    while counts["lines"] + counts["blocks"] + counts["streams"] < inputs:
        damaged = _damage(good, random, _LINES // 2 * random.randint(1, 6))
        lines, good_lines = check_text(damaged)
        counts["lines"] += lines
        counts["good_lines"] += good_lines
        for _ in range(200):
            check_block(_damage(blocks[random.randint(len(blocks))], random, 1))
            start = random.randint(len(good) - 2000)
            check_stream(_damage(good[start : start + random.randint(2000)], random, 9), random)
        counts["blocks"] += 200
        counts["streams"] += 200
        shown.update(counts["lines"] + counts["blocks"] + counts["streams"])
    return counts


def check_text(data: bytes) -> Tuple[int, int]:
    """Every line is a row that is written as the very same line, or has a reason why not.

    Returns:
      The numbers of lines and of well-formed ones.
    """
    data = data if data.endswith(b"\n") else data + b"\n"
    buffer = guarded_memory.copy_of(data + bytes(kernel.PADDING_BYTES))
    parsed = text.parse_buffer(buffer, len(data), text.space_for(len(data)))
    assert parsed.lines == data.count(b"\n")
    pieces, position = [], 0
    for reject in parsed.rejects:
        pieces.append(data[position : reject.offset])
        position = reject.offset + reject.size
    pieces.append(data[position:])
    assert text.format(parsed.rows) == b"".join(pieces)
    return parsed.lines, parsed.rows.count


def check_block(data: bytes) -> None:
    """A damaged block is refused, unless the damage was none."""
    buffer = guarded_memory.copy_of(data)
    try:
        rows, end = row_block.read(buffer, 0)
    except row_block.BlockError:
        return
    assert end <= len(data)
    assert bytes(row_block.write(rows_lib.concatenate([rows]))) == data[:end]


def check_stream(data: bytes, random: np.random.RandomState) -> None:
    """Pieces of a stream hold every line once, whatever their size and that of the chunks."""
    piece_bytes, chunk_bytes = random.randint(1, 3000), random.randint(300, 3000)
    got, size, has_long_line = [], 0, False
    for start in range(0, max(len(data), 1), piece_bytes):
        first = max(start - 1, 0)
        reader = line_reader.LineReader(io.BytesIO(data[first:]), first, chunk_bytes)
        if start:
            reader.skip_line()
        for chunk in reader.chunks(start + piece_bytes):
            size += chunk.line_bytes or chunk.size - (not chunk.ended)
            has_long_line |= bool(chunk.line_bytes)
            got.append(chunk.text[: chunk.size - (not chunk.ended)].tobytes())
    assert size == len(data)
    assert has_long_line or b"".join(got) == data


def _damage(data: bytes, random: np.random.RandomState, changes: int) -> bytes:
    """Returns the data with bytes changed, and sometimes a part lost or doubled."""
    out = np.frombuffer(data, np.uint8).copy()
    if len(out):
        where = random.randint(0, len(out), changes)
        likely = np.frombuffer(_LIKELY, np.uint8)[random.randint(0, len(_LIKELY), changes)]
        any_byte = random.randint(0, 256, changes).astype(np.uint8)
        out[where] = np.where(random.randint(0, 4, changes) > 0, likely, any_byte)
    damaged = out.tobytes()
    kind, cut = random.randint(0, 8), random.randint(0, len(damaged) + 1)
    if kind == 0:
        return damaged[:cut]
    if kind == 1:
        return damaged[cut:]
    if kind == 2:
        return damaged[:cut] + damaged[max(cut - random.randint(300), 0) :]
    return damaged


if __name__ == "__main__":
    sys.exit(main())
