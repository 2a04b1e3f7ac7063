"""Tests of encoding: nothing is lost, nothing is half-published, the bytes follow from the rows."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import (
    decode,
    encode,
    encoder,
    errors,
    local_engine,
    manifest,
    rejects,
    rows_testing,
    text,
    verify,
)

_GOOD = text.format(rows_testing.random_rows(1))[:-1]
_CELLS = _GOOD.split(b"\t")


def _quiet(line):
    del line


def _line(column, cell):
    cells = list(_CELLS)
    cells[column] = cell
    return b"\t".join(cells)


def _write(path, data):
    path.write_bytes(data)
    return str(path)


def _encode(inputs, output, threads=2, max_reject_share=1.0, **options):
    engine = local_engine.Engine(threads)
    inputs = [inputs] if isinstance(inputs, str) else inputs
    return encode.run(inputs, str(output), engine, _quiet, max_reject_share, **options)


def _decode(folder, output):
    decode.run(str(folder), str(output), 2, _quiet)
    return output.read_bytes()


def _rejects(folder):
    with open(str(folder / rejects.NAME), "rb") as lines:
        return list(rejects.from_lines(lines))


def _digests(folder):
    """Name and sha256 of everything that a reader of the data set sees."""
    names = [name for name in os.listdir(str(folder)) if name[0] not in "._"]
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)
    }


@rows_testing.PROPERTY
@given(rows_testing.rows(max_rows=9), st.booleans(), st.sampled_from([300, 1000, 1 << 20]))
def test_decode_gives_the_identical_text(tmp_path_factory, rows, ended, piece_bytes):
    data = text.format(rows)
    data = data if ended else data[:-1]
    if not data:
        return
    folder = tmp_path_factory.mktemp("identical")
    made = _encode(_write(folder / "f", data), folder / "blocks", piece_bytes=piece_bytes)
    assert made == manifest.read(str(folder / "blocks"))
    assert (made.rows, made.positives) == (rows.count, int(rows.label.sum()))
    assert _decode(folder / "blocks", folder / "back") == data
    assert verify.run(str(folder / "blocks"), 2, _quiet) == []


@rows_testing.PROPERTY
@given(
    st.lists(st.one_of(st.just(_GOOD), st.binary(max_size=50), st.just(b"\xef\xbb\xbf" + _GOOD))),
    st.sampled_from([100, 1 << 20]),
)
def test_any_bytes_are_rows_or_rejects(tmp_path_factory, lines, piece_bytes):
    data = b"\n".join(lines)
    if not data:
        return
    folder = tmp_path_factory.mktemp("any")
    made = _encode(_write(folder / "f", data), folder / "blocks", piece_bytes=piece_bytes)
    split_lines = data.split(b"\n")
    if not split_lines[-1]:
        split_lines.pop()
    assert made.lines == len(split_lines) == made.rows + sum(made.rejects.values())
    bad = {n for n, line in enumerate(split_lines, 1) if line != _GOOD}
    records = _rejects(folder / "blocks") if made.rejects else []
    assert {record.line for record in records} == bad
    for record in records:
        assert rejects.bytes_of(record.text) == split_lines[record.line - 1]
        assert data[record.offset :].startswith(split_lines[record.line - 1])
        assert record.size == len(data[record.offset :].split(b"\n")[0]) + (
            record.line < len(split_lines) or data.endswith(b"\n")
        )
    if made.rows:
        got = _decode(folder / "blocks", folder / "back")
        assert got.rstrip(b"\n") == b"\n".join(line for line in split_lines if line == _GOOD)


@pytest.mark.parametrize(
    "line, code",
    [
        pytest.param(b"\t".join(_CELLS[:-1]), text.COLUMNS, id="39_columns"),
        pytest.param(_GOOD + b"\t", text.COLUMNS, id="41_columns"),
        pytest.param(b"", text.EMPTY_LINE, id="empty_line"),
        pytest.param(_line(1, b"1.5"), text.INTEGER, id="not_an_integer"),
        pytest.param(_line(1, b"2147483648"), text.INTEGER_RANGE, id="above_int32"),
        pytest.param(_line(20, b"0000000g"), text.CATEGORY, id="not_hex"),
        pytest.param(_line(20, b"000000000"), text.CATEGORY, id="9_digits"),
        pytest.param(_line(20, b"0000000A"), text.CATEGORY, id="upper_case"),
        pytest.param(_line(0, b"2"), text.LABEL, id="label"),
        pytest.param(_line(1, b"\x00"), text.INTEGER, id="nul"),
        pytest.param(_line(20, b"\xff\xfe\xfd"), text.CATEGORY, id="invalid_utf8"),
        pytest.param(_GOOD + b"\r", text.CRLF, id="crlf"),
        pytest.param(b"\xef\xbb\xbf" + _GOOD, text.BYTE_ORDER_MARK, id="byte_order_mark"),
        pytest.param(_line(1, b"7" * 10_000_000), text.TOO_LONG, id="line_of_10_mb"),
    ],
)
def test_a_malformed_line_is_kept_with_its_place(tmp_path, line, code):
    data = _GOOD + b"\n" + line + b"\n" + _GOOD + b"\n"
    made = _encode(_write(tmp_path / "f", data), tmp_path / "blocks")
    assert (made.rows, made.lines, made.rejects) == (2, 3, {code: 1})
    (record,) = _rejects(tmp_path / "blocks")
    assert (record.file, record.line, record.code) == (str(tmp_path / "f"), 2, code)
    assert (record.offset, record.size) == (len(_GOOD) + 1, len(line) + 1)
    kept = rejects.bytes_of(record.text)
    assert kept == (line[:1024] if code == text.TOO_LONG else line)
    assert _decode(tmp_path / "blocks", tmp_path / "back") == (_GOOD + b"\n") * 2


def test_line_numbers_count_on_over_pieces_and_start_anew_with_files(tmp_path):
    one = _write(
        tmp_path / "1", (_GOOD + b"\n") * 50 + b"bad\n" + (_GOOD + b"\n") * 50 + b"worse\n"
    )
    two = _write(tmp_path / "2", (_GOOD + b"\n") * 7 + b"bad")
    _encode([one, two], tmp_path / "blocks", piece_bytes=1000)
    got = [(record.file, record.line) for record in _rejects(tmp_path / "blocks")]
    assert got == [(one, 51), (one, 102), (two, 8)]


def test_an_empty_file_among_others_holds_no_line(tmp_path):
    paths = [_write(tmp_path / "1", b""), _write(tmp_path / "2", _GOOD)]
    made = _encode(paths, tmp_path / "blocks")
    assert [(source.lines, source.rows) for source in made.sources] == [(0, 0), (1, 1)]


def test_only_empty_files_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected rows, got only empty files: .*f"):
        _encode(_write(tmp_path / "f", b""), tmp_path / "blocks")


def _many(count, seed=0):
    return text.format(rows_testing.random_rows(count, seed=seed))


def test_the_bytes_do_not_depend_on_threads_or_compression(tmp_path):
    data = _many(5000)
    plain = _write(tmp_path / "f", data)
    _encode(plain, tmp_path / "one", threads=1, piece_bytes=100_000)
    _encode(plain, tmp_path / "four", threads=4, piece_bytes=100_000)
    assert len(_digests(tmp_path / "one")) > 8
    assert _digests(tmp_path / "one") == _digests(tmp_path / "four")
    packed = _write(
        tmp_path / "f.gz", gzip.compress(data[:400_000]) + gzip.compress(data[400_000:])
    )
    _encode(packed, tmp_path / "packed", piece_bytes=100_000)
    want, got = _digests(tmp_path / "one"), _digests(tmp_path / "packed")
    assert want.pop(manifest.NAME) != got.pop(manifest.NAME)  # another source
    assert want == got
    assert _decode(tmp_path / "packed", tmp_path / "back") == data


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda packed: packed[:-9], id="truncated"),
        pytest.param(lambda packed: packed[:500] + b"\0" * 8 + packed[508:], id="changed"),
    ],
)
def test_a_broken_gzip_file_is_refused(tmp_path, damage):
    path = _write(tmp_path / "f.gz", damage(gzip.compress(_many(300))))
    with pytest.raises(errors.InputError, match="expected a whole gzip file, got .*f.gz"):
        _encode(path, tmp_path / "blocks")
    assert not (tmp_path / "blocks" / manifest.NAME).exists()


def test_too_many_rejects_stop_the_run(tmp_path):
    path = _write(tmp_path / "f", _many(998) + b"bad\nworse\n")
    match = r"at most 0.1 % malformed lines, got 2 of the 1000 read \(2 columns\); the first is .*f"
    with pytest.raises(errors.InputError, match=match):
        _encode(path, tmp_path / "blocks", max_reject_share=0.001)
    assert not (tmp_path / "blocks" / manifest.NAME).exists()
    assert _encode(path, tmp_path / "blocks", max_reject_share=0.002).rejects == {text.COLUMNS: 2}


def test_a_file_of_something_else_is_refused_before_it_is_read_whole(tmp_path):
    path = _write(tmp_path / "f", b"a,b\n" * 2_000_000)
    with pytest.raises(errors.InputError, match=r"got \d+ of the \d+ read") as error:
        _encode(path, tmp_path / "blocks", threads=1, max_reject_share=0.001)
    assert int(str(error.value).split(" of the ")[1].split()[0]) < 1_000_000


def test_one_failed_task_stops_the_others(tmp_path):
    broken = _write(tmp_path / "broken", gzip.compress(_many(10))[:-9])
    long = _write(tmp_path / "long", _many(1000) * 200)
    with pytest.raises(errors.InputError, match="a whole gzip file"):
        _encode([broken, long], tmp_path / "blocks")
    assert encoder.finished(str(tmp_path / "blocks"), 1, 0) is None


def test_rejected_text_is_shown_in_ascii_without_loss():
    assert rejects.shown(b"a\tb\\\r\n\xff") == r"a\x09b\\\x0d\x0a\xff"


def test_the_same_command_again_changes_nothing(tmp_path):
    path = _write(tmp_path / "f", _many(100))
    made = _encode(path, tmp_path / "blocks")
    before = os.stat(str(tmp_path / "blocks" / made.shards[0].name))
    lines = []
    again = encode.run([path], str(tmp_path / "blocks"), local_engine.Engine(1), lines.append)
    assert again == made
    assert lines == ["%s: complete already" % (tmp_path / "blocks")]
    assert os.stat(str(tmp_path / "blocks" / made.shards[0].name)) == before


def test_changed_inputs_need_overwrite(tmp_path):
    path = _write(tmp_path / "f", _many(2000))
    _encode(path, tmp_path / "blocks", piece_bytes=50_000)
    path = _write(tmp_path / "f", _many(100, seed=1))
    with pytest.raises(errors.InputError, match="an encode of other inputs, of changed ones"):
        _encode(path, tmp_path / "blocks")
    made = _encode(path, tmp_path / "blocks", overwrite=True)
    assert verify.run(str(tmp_path / "blocks"), 2, _quiet) == []
    assert sorted(_digests(tmp_path / "blocks")) == [manifest.NAME, made.shards[0].name]


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "blocks").mkdir()
    _write(tmp_path / "blocks" / "thesis.doc", b"x")
    with pytest.raises(errors.InputError, match="an empty folder, got one with thesis.doc"):
        _encode(_write(tmp_path / "f", _GOOD), tmp_path / "blocks")


def test_the_same_file_twice_is_refused(tmp_path):
    path = _write(tmp_path / "f", _GOOD)
    with pytest.raises(errors.InputError, match="each file once, got .*f 2 times"):
        _encode([path, path], tmp_path / "blocks")


def _python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


# A process that stops itself, in the way of its last argument, after its first finished piece.
_INTERRUPTED = """
import os, sys
from data_pipeline import encode, encoder, local_engine
publish = encoder._Work._publish
def publish_and_stop(self, path, piece):
    publish(self, path, piece)
    if piece.piece == 1:
        os.kill(os.getpid(), int(sys.argv[3]))
encoder._Work._publish = publish_and_stop
encode.run([sys.argv[1]], sys.argv[2], local_engine.Engine(1), print, piece_bytes=50_000)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill_9", "ctrl_c"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_interrupted_run_publishes_nothing_and_goes_on(tmp_path, how, packed):
    data = _many(2000)
    path = _write(tmp_path / "f", gzip.compress(data) if packed else data)
    process = _python(_INTERRUPTED, path, str(tmp_path / "blocks"), str(int(how)))
    assert process.returncode in (-how, 1, 130)
    assert not (tmp_path / "blocks" / manifest.NAME).exists()
    (tmp_path / "blocks" / ".rows-00000-00007.tfrecord.x1y2z3").write_bytes(b"cut off")
    first = tmp_path / "blocks" / manifest.shard_name(0, 0)
    written = os.stat(str(first)).st_mtime_ns
    _encode(path, tmp_path / "blocks", piece_bytes=50_000)
    assert os.stat(str(first)).st_mtime_ns == written  # a finished piece is not made again
    assert verify.run(str(tmp_path / "blocks"), 2, _quiet) == []
    assert _decode(tmp_path / "blocks", tmp_path / "back") == data
    assert not (tmp_path / "blocks" / encoder.WORK_FOLDER).exists()
    assert [name for name in os.listdir(str(tmp_path / "blocks")) if ".tfrecord." in name] == []


# A process that may write files of 40 kB, as a full disk would have it.
_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from data_pipeline import encode, errors, local_engine
try:
    encode.run([sys.argv[1]], sys.argv[2], local_engine.Engine(1), print)
except errors.InputError as e:
    print(e)
"""


def test_a_full_disk_is_an_error_that_publishes_nothing(tmp_path):
    path = _write(tmp_path / "f", _many(2000))
    output = _python(_LIMITED, path, str(tmp_path / "blocks")).stdout
    assert "expected to write a whole file, got File too large" in output
    assert sorted(os.listdir(str(tmp_path / "blocks"))) == [".encode.json", encoder.WORK_FOLDER]
    assert _encode(path, tmp_path / "blocks").rows == 2000


def test_inputs_are_only_read(tmp_path):
    (tmp_path / "in").mkdir()
    path = _write(tmp_path / "in" / "f", _many(200) + b"bad\n")
    before = os.stat(path).st_mtime_ns
    _encode(str(tmp_path / "in"), tmp_path / "blocks")
    assert os.listdir(str(tmp_path / "in")) == ["f"]
    assert os.stat(path).st_mtime_ns == before


def test_an_engine_that_watches_nothing_cannot_publish_too_many_rejects(tmp_path):
    def engine(job):
        pieces = [encoder.run(t, job.folder, job.piece_bytes, lambda seen: None) for t in job.tasks]
        return sum(pieces, [])

    path = _write(tmp_path / "f", _many(98) + b"bad\nworse\n")
    with pytest.raises(errors.InputError, match="got 2 of the 100 read .*f:99: expected 40"):
        encode.run([path], str(tmp_path / "blocks"), engine, _quiet, 0.01)
    assert not (tmp_path / "blocks" / manifest.NAME).exists()
