"""Text to row blocks: what one task does, wherever it runs.

A task writes the shards of its pieces, then one small record for each piece. A piece whose record
is there is finished, so that a run that was cut off goes on where it stopped. The same pieces give
the same bytes on any engine, with any number of threads.
"""

import contextlib
import json
from typing import BinaryIO, Callable, Dict, List, NamedTuple, Optional

from data_pipeline import line_reader, manifest, rejects, shard, sources, storage, text
from data_pipeline import rows as rows_lib

# Of text to a shard: about 86 MB of blocks, below HDFS's block of 128 MiB.
PIECE_BYTES = 128 << 20

# In the output folder while an encode is not finished. Hadoop leaves out names that start so.
WORK_FOLDER = "_work"


class Piece(NamedTuple):
    """What became of a piece of a source.

    Attributes:
      source: Which source, from 0.
      piece: Which piece of it, from 0.
      lines: Lines in the piece.
      rejects: Rejected lines by code.
      first_reject: Where and why the first was rejected, its line counted within the piece.
      ended: Whether a newline ends the last line, if that is a row.
      contents: Of the shard; None where there is no row, and so no shard.
    """

    source: int
    piece: int
    lines: int
    rejects: Dict[str, int]
    first_reject: Optional[rejects.Record]
    ended: bool
    contents: Optional[shard.Contents]

    @property
    def rows(self) -> int:
        """Rows in the piece."""
        return self.contents.rows if self.contents else 0


class Seen(NamedTuple):
    """What a task read since it last told; of pieces finished before, not their rejects."""

    size_bytes: int
    lines: int
    rejects: List[rejects.Record]


def run(
    task: sources.Task, folder: str, piece_bytes: int, observe: Callable[[Seen], None]
) -> List[Piece]:
    """Encodes the pieces of a task that are not finished.

    Args:
      task: What to encode.
      folder: Where shards go; WORK_FOLDER in it gets the records.
      piece_bytes: Bytes of text in a piece.
      observe: Told after each chunk; may raise to stop.

    Returns:
      All pieces of the task, also those that were finished before.
    """
    done = finished(folder, task.number, task.piece)
    if done:
        start = task.piece * piece_bytes
        observe(Seen(min(piece_bytes, task.source.size_bytes - start), done.lines, []))
        return [done]
    pieces = []
    with sources.Lines(task, piece_bytes) as lines:
        for number in lines.pieces():
            done = finished(folder, task.number, number)
            if done:
                for _ in lines.chunks(number):  # a gzip file can only be read from its start
                    observe(Seen(lines.newly_read(), 0, []))
            pieces.append(done or _Work(task, number, folder, lines, observe).run())
    return pieces


def finished(folder: str, source: int, piece: int) -> Optional[Piece]:
    """Returns the record of a piece, or None if it is not finished."""
    path = _record_path(folder, source, piece)
    if not storage.exists(path):
        return None
    with storage.of(path).open(path) as file:
        return from_bytes(file.read())


def to_bytes(piece: Piece) -> bytes:
    """Returns the record of a piece."""
    return json.dumps(dict(piece._asdict())).encode()


def from_bytes(data: bytes) -> Piece:
    """Returns the piece that to_bytes() recorded."""
    entries = json.loads(data.decode())
    if entries["first_reject"]:
        entries["first_reject"] = rejects.Record(*entries["first_reject"])
    if entries["contents"]:
        entries["contents"] = shard.Contents(*entries["contents"])
    return Piece(**entries)


def rejects_path(folder: str, source: int, piece: int) -> str:
    """Returns where the rejects of a piece are kept until the end, if there are any."""
    return _work_path(folder, source, piece, "rejects")


def _record_path(folder: str, source: int, piece: int) -> str:
    return _work_path(folder, source, piece, "json")


def _work_path(folder: str, source: int, piece: int, kind: str) -> str:
    work = storage.join(folder, WORK_FOLDER)
    return storage.join(work, "piece-%05d-%05d.%s" % (source, piece, kind))


class _Work:
    """The encoding of one piece."""

    def __init__(
        self,
        task: sources.Task,
        piece: int,
        folder: str,
        lines: sources.Lines,
        observe: Callable[[Seen], None],
    ) -> None:
        self._task = task
        self._piece = piece
        self._folder = folder
        self._input = lines
        self._observe = observe
        self._lines = 0
        self._counts: Dict[str, int] = {}
        self._first: Optional[rejects.Record] = None
        self._ended = True
        self._files = contextlib.ExitStack()
        self._writer: Optional[shard.Writer] = None
        self._reject_file: Optional[BinaryIO] = None

    def run(self) -> Piece:
        """Writes the shard, the rejects and, last, the record."""
        contents = None
        space = text.space_for(line_reader.CHUNK_BYTES + 1)
        with self._files:
            for chunk in self._input.chunks(self._piece):
                self._take(chunk, space)
            if self._writer:
                contents = self._writer.finish()
        piece = Piece(
            self._task.number,
            self._piece,
            self._lines,
            self._counts,
            self._first,
            self._ended,
            contents,
        )
        self._publish(_record_path(self._folder, piece.source, piece.piece), piece)
        return piece

    def _take(self, chunk: line_reader.Chunk, space: rows_lib.Rows) -> None:
        parsed = text.parse_buffer(chunk.text, chunk.size, space)
        if chunk.line_bytes:
            # Only its head is there, and whatever that looks like, it is no row.
            parsed = text.too_long(chunk.line_bytes, line_reader.CHUNK_BYTES)
        if parsed.rows.count:
            self._get_writer().add(parsed.rows)
        records = [self._record(chunk, reject) for reject in parsed.rejects]
        if records:
            self._keep(records)
        self._lines += parsed.lines
        last = parsed.rejects[-1].line if parsed.rejects else -1
        self._ended = chunk.ended or last == parsed.lines - 1
        self._observe(Seen(self._input.newly_read(), parsed.lines, records))

    def _get_writer(self) -> shard.Writer:
        """Opens the shard with its first row: a shard without rows is not written."""
        if self._writer is None:
            name = manifest.shard_name(self._task.number, self._piece)
            self._writer = shard.Writer(self._create(storage.join(self._folder, name)))
        return self._writer

    def _keep(self, records: List[rejects.Record]) -> None:
        self._first = self._first or records[0]
        if self._reject_file is None:
            path = rejects_path(self._folder, self._task.number, self._piece)
            self._reject_file = self._create(path)
        for record in records:
            self._counts[record.code] = self._counts.get(record.code, 0) + 1
            self._reject_file.write(record.to_bytes())

    def _record(self, chunk: line_reader.Chunk, reject: text.Reject) -> rejects.Record:
        line = chunk.text[reject.offset : reject.offset + min(reject.size, chunk.size)].tobytes()
        return rejects.Record(
            self._task.source.path,
            self._lines + reject.line + 1,
            chunk.offset + reject.offset,
            reject.size - (not chunk.ended and reject.offset + reject.size == chunk.size),
            reject.code,
            reject.reason,
            rejects.shown(line[:-1]),
        )

    def _create(self, path: str) -> BinaryIO:
        return self._files.enter_context(storage.of(path).create(path))

    def _publish(self, path: str, piece: Piece) -> None:
        with storage.of(path).create(path) as file:
            file.write(to_bytes(piece))
