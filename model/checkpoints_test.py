import os

import pytest
import tensorflow as tf

from data_pipeline import errors
from model import checkpoints


def _save(folder, *steps, **kwargs):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weight = tf.compat.v1.get_variable("weight", [1000])
        session.run(weight.initializer)
        saver = tf.compat.v1.train.Saver(**kwargs)
        for step in steps:
            saver.save(session, os.path.join(str(folder), "model.ckpt"), step)


def _path(folder, step):
    return os.path.join(str(folder), "model.ckpt-%d" % step)


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_checkpoints_come_newest_first_and_once(tmp_path, relative):
    _save(tmp_path, 5, 10, 20, save_relative_paths=relative)
    assert checkpoints.newest_first(str(tmp_path)) == [_path(tmp_path, s) for s in (20, 10, 5)]


def test_newest_is_the_last_saved_whatever_its_step(tmp_path):
    # A broken checkpoint gave way to an earlier one.
    _save(tmp_path, 5, 10, 7)
    assert checkpoints.newest_first(str(tmp_path)) == [_path(tmp_path, s) for s in (7, 10, 5)]


def test_checkpoint_whose_files_are_gone_is_named_too(tmp_path):
    _save(tmp_path, 5, 10)
    os.remove(_path(tmp_path, 10) + ".index")
    assert checkpoints.newest_first(str(tmp_path)) == [_path(tmp_path, s) for s in (10, 5)]


def test_folder_that_is_not_there_has_none(tmp_path):
    assert checkpoints.newest_first(str(tmp_path / "model")) == []


def test_folder_without_checkpoints_has_none(tmp_path):
    (tmp_path / "graph.pbtxt").write_text("")
    assert checkpoints.newest_first(str(tmp_path)) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"model_checkpoint_path: ", id="cut_off"),
        pytest.param(b'all_model_checkpoint_paths: "model.ckpt-5"\n', id="no_newest"),
        pytest.param(b"\x80\xff", id="no_text"),
        pytest.param(b"hello", id="other_text"),
    ],
)
@pytest.mark.parametrize("name", ["model", "[model]"])
def test_broken_list_of_checkpoints_is_refused(tmp_path, content, name):
    (tmp_path / name).mkdir()
    _save(tmp_path / name, 5)
    (tmp_path / name / "checkpoint").write_bytes(content)
    with pytest.raises(errors.InputError) as refused:
        checkpoints.newest_first(str(tmp_path / name))
    assert str(refused.value).startswith(
        "%s: expected TensorFlow's list of checkpoints, got " % (tmp_path / name / "checkpoint")
    )
    assert str(refused.value).endswith("; restore the file, or train in another folder")


def test_checkpoints_without_their_list_are_refused(tmp_path):
    _save(tmp_path, 5, 10)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(errors.InputError) as refused:
        checkpoints.newest_first(str(tmp_path))
    assert "got no list, and the checkpoint %s.index; " % _path(tmp_path, 5) in str(refused.value)


@pytest.mark.parametrize(
    "text, want",
    [
        pytest.param("disk is full", "disk is full", id="one_line"),
        pytest.param(
            "From /job:ps/replica:0/task:0:\nUnable to open table file\n\t [[{{node save}}]]",
            "Unable to open table file",
            id="of_a_ps",
        ),
        pytest.param("\nfirst\nsecond", "first", id="empty_line_first"),
        pytest.param(
            "\n=====================\nSocket closed\nSocket closed\n=====================\n",
            "Socket closed",
            id="of_several_ps",
        ),
        pytest.param(
            "2 root error(s) found.\n  (0) Unavailable: Socket closed\n  (1) Aborted: gone\n"
            "0 successful operations.",
            "(0) Unavailable: Socket closed",
            id="of_several_ops",
        ),
        pytest.param(
            "2 root error(s) found.\n"
            "  (0) Resource exhausted: From /job:ps/replica:0/task:0:\n"
            "/m/model.ckpt-4_temp/part: No space left on device\n"
            "\t [[node save/ShardedFilename_1 ]]\n"
            "  (1) Resource exhausted: From /job:ps/replica:0/task:1:\n",
            "/m/model.ckpt-4_temp/part: No space left on device",
            id="of_ops_on_several_ps",
        ),
    ],
)
def test_reason_is_the_line_that_says_it(text, want):
    assert checkpoints.reason(ValueError(text)) == want


def test_reason_of_an_error_without_a_text_is_its_name():
    assert checkpoints.reason(ValueError()) == "ValueError"


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_what_reading_a_checkpoint_gives_that_is_cut_short_is_broken(tmp_path, suffix, share):
    _save(tmp_path, 5)
    path = _path(tmp_path, 5) + suffix
    os.truncate(path, int(share * os.path.getsize(path)))
    with pytest.raises(checkpoints.BROKEN):
        tf.train.load_checkpoint(_path(tmp_path, 5)).get_tensor("weight")


def test_checkpoint_of_which_a_file_is_gone_is_broken(tmp_path):
    _save(tmp_path, 5)
    os.remove(_path(tmp_path, 5) + ".data-00000-of-00001")
    with pytest.raises(checkpoints.BROKEN):
        tf.train.load_checkpoint(_path(tmp_path, 5)).get_tensor("weight")
