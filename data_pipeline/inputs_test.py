"""Tests of batching, sharding and shuffling."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import encode, errors, inputs, local_engine, row_source, rows_testing, text
from data_pipeline import rows as rows_lib


def _numbered(count, first=0):
    """Rows whose first category is their number."""
    rows = rows_testing.random_rows(count, seed=first)
    rows.sparse[:, 0] = np.arange(first, first + count)
    rows.missing[:, 13] = False
    return rows.check()


def _numbers(batches):
    return [batch.sparse[:, 0].tolist() for batch in batches]


def _flat(batches):
    return list(itertools.chain.from_iterable(_numbers(batches)))


def _blocks(paths, folder, piece_bytes):
    """Returns the manifest of text files as row blocks."""
    engine = local_engine.Engine(threads=2)
    encode.run(paths, str(folder), engine, print, piece_bytes=piece_bytes)
    return list(row_source.find(str(folder)))


@pytest.fixture(name="text_paths", scope="module")
def _text_paths(tmp_path_factory):
    """Two files with rows 0 .. 999 and 1000 .. 1099; the second ends without a newline."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "a").write_bytes(text.format(_numbered(1000)))
    (folder / "b").write_bytes(text.format(_numbered(100, 1000))[:-1])
    return [str(folder / "a"), str(folder / "b")]


# The same rows as text and as row blocks: in shards of about 25 rows, so that there are many.
@pytest.fixture(name="paths", scope="module", params=["text", "blocks"])
def _paths(request, text_paths, tmp_path_factory):
    if request.param == "text":
        return text_paths
    return _blocks(text_paths, tmp_path_factory.mktemp("blocks"), 6000)


def test_batches_keep_the_order_of_files_and_the_short_last_batch(paths):
    got = _numbers(inputs.batches(paths, 300))
    assert [len(batch) for batch in got] == [300, 300, 300, 200]
    assert sum(got, []) == list(range(1100))


def test_batches_keep_every_cell(paths):
    got = list(inputs.batches(paths, 7))
    want = rows_lib.concatenate([_numbered(1000), _numbered(100, 1000)])
    for name in rows_lib.Rows._fields:
        array = np.concatenate([getattr(batch, name) for batch in got])
        np.testing.assert_array_equal(array, getattr(want, name).reshape(array.shape))


@rows_testing.PROPERTY
@given(
    num_shards=st.integers(1, 12),
    batch_size=st.sampled_from([1, 7, 64, 5000]),
    shuffle=st.booleans(),
    seed=st.integers(-1, 2**64),
)
def test_shards_cover_every_row_exactly_once(paths, num_shards, batch_size, shuffle, seed):
    got = [
        _flat(inputs.batches(paths, batch_size, seed, 1, shuffle, shard, num_shards))
        for shard in range(num_shards)
    ]
    assert sorted(sum(got, [])) == list(range(1100))


def test_shards_differ_little_in_size(paths):
    counts = [len(_flat(inputs.batches(paths, 50, 0, 1, False, i, 4))) for i in range(4)]
    assert sum(counts) == 1100
    assert 220 < min(counts) <= max(counts) < 330


def test_shuffled_epochs_hold_every_row_in_another_order(paths):
    got = _flat(inputs.batches(paths, 100, seed=3, epochs=2, shuffle=True))
    first, second = got[:1100], got[1100:]
    assert sorted(first) == sorted(second) == list(range(1100))
    assert first != second


def test_shuffled_rows_of_one_batch_come_from_all_over(paths):
    batch = _numbers(inputs.batches(paths, 100, seed=3, shuffle=True))[0]
    assert max(np.diff(sorted(batch))) > 50  # several ranges, apart from each other
    assert batch != sorted(batch)


def test_the_same_seed_gives_the_same_order_and_another_seed_another(paths):
    def order(seed):
        return _flat(inputs.batches(paths, 64, seed=seed, epochs=2, shuffle=True))

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_batches_without_end_go_on_after_the_first_epoch(paths):
    endless = inputs.batches(paths, 1100, epochs=None)
    assert [len(batch) for batch in _numbers(itertools.islice(endless, 5))] == [1100] * 5


def test_no_epochs_give_no_batches(paths):
    assert list(inputs.batches(paths, 10, epochs=0)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 1, "shard_index": 2, "num_shards": 2},
        {"batch_size": 1, "shard_index": -1},
        {"batch_size": 1, "epochs": -1},
        {"batch_size": 1, "first_batch": -1},
    ],
    ids=["batch_size", "shard_too_high", "shard_negative", "epochs", "first_batch"],
)
def test_batches_refuse_numbers_out_of_range(paths, arguments):
    with pytest.raises(
        ValueError,
        match="expected batch_size >= 1, 0 <= shard_index < num_shards, epochs >= 0 and "
        "first_batch >= 0, got ",
    ):
        inputs.batches(paths, **arguments)


@rows_testing.PROPERTY
@given(
    batch_size=st.sampled_from([7, 64, 5000]),
    seed=st.integers(0, 3),
    epochs=st.integers(0, 3),
    shuffle=st.booleans(),
    num_shards=st.integers(1, 4),
    data=st.data(),
)
def test_batches_from_a_later_one_on_are_those_of_the_whole_sequence(
    paths, batch_size, seed, epochs, shuffle, num_shards, data
):
    shard = data.draw(st.integers(0, num_shards - 1))
    arguments = (paths, batch_size, seed, epochs, shuffle, shard, num_shards)
    whole = list(inputs.batches(*arguments))
    first_batch = data.draw(st.integers(0, len(whole) + 1))
    got = list(inputs.batches(*arguments, first_batch=first_batch))
    assert len(got) == max(0, len(whole) - first_batch)
    for batch, want in zip(got, whole[first_batch:]):
        for array, want_array in zip(batch, want):
            np.testing.assert_array_equal(array, want_array)


def test_batches_without_end_go_on_from_a_later_one(paths):
    def take(first, count):
        endless = inputs.batches(paths, 400, 5, None, True, first_batch=first)
        return _numbers(itertools.islice(endless, count))

    # Three batches an epoch.
    assert take(7, 2) == take(0, 9)[7:]


def test_batches_that_are_left_out_still_count_their_rejects(tmp_path):
    (tmp_path / "f").write_bytes(text.format(_numbered(8)) + b"bad\nbad\n")
    with pytest.raises(errors.InputError, match="at most 0.1 % malformed lines"):
        list(inputs.batches([str(tmp_path / "f")], 10, first_batch=5))


def test_a_shard_without_rows_ends(tmp_path):
    (tmp_path / "f").write_bytes(text.format(_numbered(1)))
    counts = [
        len(_flat(inputs.batches([str(tmp_path / "f")], 1, 0, 1, False, i, 2))) for i in (0, 1)
    ]
    assert sorted(counts) == [0, 1]


def test_a_shard_without_rows_refuses_to_go_on_without_end(tmp_path):
    (tmp_path / "f").write_bytes(text.format(_numbered(1)))
    with pytest.raises(errors.InputError, match="expected rows in every shard, got none"):
        next(inputs.batches([str(tmp_path / "f")], 1, 0, None, False, 1, 2))


def test_rejects_are_left_out_counted_and_logged_once(tmp_path, caplog):
    lines = text.format(_numbered(2000)).split(b"\n")[:-1]
    lines[700:700] = [b"bad"]
    path = str(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"\n".join(lines))
    assert _flat(inputs.batches([path], 128, epochs=2)) == list(range(2000)) * 2
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2001 lines are not Criteo rows (1 columns) and were left out; the first is "
        "%s:701: expected 40 tab-separated columns, got 1" % path
    ]


def test_rejects_are_logged_when_the_reader_stops_early(tmp_path, caplog):
    (tmp_path / "f").write_bytes(b"bad\n" + text.format(_numbered(2000)))
    batches = inputs.batches([str(tmp_path / "f")], 10)
    next(batches)
    batches.close()
    assert "f:1: expected 40 tab-separated columns" in caplog.text


@pytest.mark.parametrize("shuffle", [False, True])
def test_too_many_rejects_are_refused_with_the_first_line(tmp_path, shuffle):
    lines = text.format(_numbered(1000)).split(b"\n")[:-1]
    lines[500] = lines[501] = b"bad"
    (tmp_path / "f").write_bytes(b"\n".join(lines))
    with pytest.raises(
        errors.InputError,
        match=r"at most 0.1 % malformed lines, got 2 of the \d+ read .*f:501: expected 40",
    ):
        list(inputs.batches([str(tmp_path / "f")], 10, shuffle=shuffle))


def test_the_share_of_rejects_can_be_set(tmp_path):
    (tmp_path / "f").write_bytes(text.format(_numbered(8)) + b"bad\nbad\n")
    path = str(tmp_path / "f")
    assert len(_flat(inputs.batches([path], 10, max_reject_share=0.2))) == 8
    with pytest.raises(errors.InputError, match="at most 19 %"):
        list(inputs.batches([path], 10, max_reject_share=0.19))


def test_a_file_without_any_row_is_refused_before_it_is_read_whole(tmp_path):
    (tmp_path / "f").write_bytes(b"bad\n" * 100000)
    with pytest.raises(errors.InputError, match=r"of the 6251 read"):  # one of 16 ranges
        list(inputs.batches([str(tmp_path / "f")], 10))


def test_dataset_gives_the_batches(paths):
    arguments = dict(batch_size=300, seed=5, epochs=1, shuffle=True, shard_index=1, num_shards=2)
    with tf.Graph().as_default(), tf.Session() as sess:
        got_features, got_label = tf.compat.v1.data.make_one_shot_iterator(
            inputs.dataset(paths, **arguments)
        ).get_next()
        for want in inputs.batches(paths, **arguments):
            got = sess.run((got_features, got_label))
            np.testing.assert_array_equal(got[0]["dense"], want.dense)
            np.testing.assert_array_equal(got[0]["sparse"], want.sparse)
            np.testing.assert_array_equal(got[0]["missing"], want.missing)
            assert got[1].tolist() == want.label.tolist()
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(got_label)


def test_dataset_elements_are_as_declared(paths):
    with tf.Graph().as_default():
        dataset = inputs.dataset(paths, 10)
        got_features, got_label = dataset.element_spec
    assert got_features == inputs.features()
    assert got_label == inputs.label()


def test_dataset_passes_the_error_text_on(tmp_path):
    (tmp_path / "f").write_bytes(b"bad\n" * 10)
    with tf.Graph().as_default(), tf.Session() as sess:
        dataset = inputs.dataset([str(tmp_path / "f")], 10)
        got = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        with pytest.raises(tf.errors.OpError, match="f:1: expected 40 tab-separated columns"):
            sess.run(got)


@rows_testing.PROPERTY
@given(rows=rows_testing.rows(max_rows=40), batch_size=st.integers(1, 50))
def test_text_and_blocks_give_the_same_tensors(tmp_path_factory, rows, batch_size):
    if not rows.count:
        return
    folder = tmp_path_factory.mktemp("same")
    (folder / "f").write_bytes(text.format(rows))
    paths = [str(folder / "f")]
    from_text = list(inputs.batches(paths, batch_size))
    from_blocks = list(inputs.batches(_blocks(paths, folder / "blocks", 999), batch_size))
    assert len(from_text) == len(from_blocks)
    for one, other in zip(from_text, from_blocks):
        for array, other_array in zip(one, other):
            assert array.dtype == other_array.dtype
            np.testing.assert_array_equal(array, other_array)


@pytest.fixture(name="one_shard")
def _one_shard(tmp_path):
    """The manifest of 3 blocks in one shard, and the shard."""
    (tmp_path / "f").write_bytes(text.format(_numbered(2500)))
    paths = _blocks([str(tmp_path / "f")], tmp_path / "blocks", 1 << 30)
    return paths, tmp_path / "blocks" / "rows-00000-00000.tfrecord"


def test_a_changed_shard_is_refused_with_file_and_offset(one_shard):
    paths, path = one_shard
    data = bytearray(path.read_bytes())
    second = data.index(b"dense", 1000) - 20
    data[second + 5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        errors.InputError, match=r"00000.tfrecord: byte (\d+): expected the block's"
    ):
        list(inputs.batches(paths, 100))


def test_a_truncated_shard_is_refused_with_file_and_offset(one_shard):
    paths, path = one_shard
    path.write_bytes(path.read_bytes()[:-1])
    match = r"00000.tfrecord: byte \d+: expected a block of \d+ bytes, got \d+: the file is cut off"
    with pytest.raises(errors.InputError, match=match):
        list(inputs.batches(paths, 100))


def test_a_shard_that_is_gone_is_refused(one_shard):
    paths, path = one_shard
    path.unlink()
    with pytest.raises(errors.InputError, match="00000.tfrecord"):
        list(inputs.batches(paths, 100))
