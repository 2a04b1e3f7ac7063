import glob
import os
import re
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline import errors
from launch import data_position, recovering_saver
from launch import job as job_lib
from model import deepfm

# Values of 8 KB, so that a checkpoint needs more than one block of a file system.
_SIZE = 2048


class Chief:
    """A chief's graph, whose weights are all equal to the step at which they were saved."""

    def __init__(self, folder, job_id="a", size=_SIZE):
        self.folder = str(folder)
        self.job = job_lib.Job(self.folder, job_id)
        self.lines = []
        with tf.Graph().as_default() as self.graph:
            step = tf.compat.v1.train.create_global_step()
            self.weights = tf.compat.v1.get_variable("weights", [size], tf.float32)
            self._value = tf.compat.v1.placeholder(tf.float32, [])
            self._fill = self.weights.assign(tf.fill([size], self._value)).op
            saved = tf.compat.v1.global_variables()
            self.position = data_position.DataPosition(2, 0)
            self.position.add_to_graph(deepfm.TrainingGraph(step.assign_add(1).op, tf.constant(1)))
            self.saver = recovering_saver.RecoveringSaver(
                saved, self.position, self.job, self.folder, self.lines.append
            )
            self.init = tf.compat.v1.global_variables_initializer()

    def session(self):
        return tf.compat.v1.Session(graph=self.graph)

    def set(self, session, value):
        """Weights and counts as after step `value`."""
        session.run(self._fill, {self._value: value})
        self.position.set(session, _counts(value))

    def save(self, session, step):
        return self.saver.save(session, os.path.join(self.folder, "model.ckpt"), global_step=step)

    def save_steps(self, *steps):
        with self.session() as session:
            session.run(self.init)
            for step in steps:
                self.set(session, step)
                self.save(session, step)

    def state(self, session):
        """The step whose weights there are, and the counts."""
        (value,) = set(session.run(self.weights).tolist())
        return value, self.position.read(session).tolist()

    def restored(self):
        """The state of a session with fresh ps."""
        with self.session() as session:
            self.saver.restore(session, "not looked at")
            return self.state(session)


def _counts(step):
    return [[step, 100 * step], [2 * step, 200 * step]]


def _path(folder, step, suffix=""):
    return os.path.join(str(folder), "model.ckpt-%d%s" % (step, suffix))


_DATA = ".data-00000-of-00001"
_INDEX = ".index"


def test_fresh_ps_get_the_newest_checkpoint_and_its_positions(tmp_path):
    Chief(tmp_path).save_steps(10, 20)
    chief = Chief(tmp_path)
    assert chief.restored() == (20.0, _counts(20))
    assert chief.lines == ["goes on from checkpoint %s" % _path(tmp_path, 20)]


def test_ps_that_have_all_keep_it(tmp_path):
    chief = Chief(tmp_path)
    chief.save_steps(10)
    with chief.session() as session:
        session.run(chief.init)
        chief.set(session, 17)
        chief.saver.restore(session, "not looked at")
        assert chief.state(session) == (17.0, _counts(17))
    assert chief.lines == ["the ps still have the model: nothing is restored"]


@pytest.mark.parametrize("left_out", ["weights", "global_step", "data_position"])
def test_when_one_of_the_ps_lost_its_variables_all_go_back(tmp_path, left_out):
    chief = Chief(tmp_path)
    chief.save_steps(10)
    with chief.session() as session:
        with chief.graph.as_default():
            alive = [v for v in tf.compat.v1.global_variables() if v.op.name != left_out]
        assert len(alive) == 2
        session.run([variable.initializer for variable in alive])
        chief.saver.restore(session, "not looked at")
        assert chief.state(session) == (10.0, _counts(10))


def test_data_of_another_job_are_read_from_the_start(tmp_path):
    Chief(tmp_path, job_id="yesterday").save_steps(10)
    assert Chief(tmp_path, job_id="a").restored() == (10.0, [[0, 0], [0, 0]])


def test_checkpoint_has_all_but_the_position(tmp_path):
    Chief(tmp_path).save_steps(10)
    names = [name for name, _ in tf.train.list_variables(_path(tmp_path, 10))]
    assert names == ["global_step", "weights"]


def test_each_ps_writes_its_own_variables(tmp_path):
    assert Chief(tmp_path).saver.saver_def.sharded


def test_positions_are_noted_before_the_weights_are_read(tmp_path, monkeypatch):
    chief = Chief(tmp_path)
    noted = []

    def save(self, session, *args, **kwargs):
        noted.append(chief.job.positions(10))

    monkeypatch.setattr(tf.compat.v1.train.Saver, "save", save)
    chief.save_steps(10)
    assert noted == [_counts(10)]


def _change(path, at, by):
    with open(path, "r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ by]))


class Copies:
    """Copies of a folder with the checkpoints 10 and 20, and a chief for them."""

    def __init__(self, folder):
        self._saved = os.path.join(str(folder), "saved")
        Chief(self._saved).save_steps(10, 20)
        self.folder = os.path.join(str(folder), "copy")
        self.chief = Chief(self.folder)

    def renew(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._saved, self.folder)
        self.chief.lines.clear()


# One graph for all examples of a property: to build it takes longer than to restore.
@pytest.fixture(name="copies", scope="module")
def _copies(tmp_path_factory):
    return Copies(tmp_path_factory.mktemp("copies"))


_PROPERTY = settings(max_examples=25, deadline=None, derandomize=True, database=None)


@_PROPERTY
@given(share=st.floats(0, 1, exclude_max=True), suffix=st.sampled_from([_DATA, _INDEX]))
def test_newest_that_is_cut_off_gives_way_to_the_one_before_it(copies, share, suffix):
    copies.renew()
    broken = _path(copies.folder, 20, suffix)
    os.truncate(broken, int(share * os.path.getsize(broken)))
    assert copies.chief.restored() == (10.0, _counts(10))
    first, second = copies.chief.lines
    assert first.startswith("broken checkpoint %s: " % _path(copies.folder, 20))
    assert first.endswith("; trying the one before it")
    assert second == "goes on from checkpoint %s" % _path(copies.folder, 10)


@_PROPERTY
@given(
    share=st.floats(0, 1, exclude_max=True),
    by=st.integers(1, 255),
    suffix=st.sampled_from([_DATA, _INDEX]),
)
def test_changed_byte_never_gives_other_values(copies, share, by, suffix):
    copies.renew()
    changed = _path(copies.folder, 20, suffix)
    _change(changed, int(share * os.path.getsize(changed)), by)
    # Some bytes of an index matter to nobody.
    assert copies.chief.restored() in ((10.0, _counts(10)), (20.0, _counts(20)))


@pytest.mark.parametrize("suffix", [_DATA, _INDEX])
def test_newest_of_which_a_file_is_gone_gives_way_to_the_one_before_it(copies, suffix):
    copies.renew()
    os.remove(_path(copies.folder, 20, suffix))
    assert copies.chief.restored() == (10.0, _counts(10))


def test_folder_without_a_whole_checkpoint_is_refused_and_each_is_named(copies):
    copies.renew()
    folder = copies.folder
    os.truncate(_path(folder, 20, _DATA), 100)
    os.remove(_path(folder, 10, _INDEX))
    with pytest.raises(errors.InputError) as refused:
        copies.chief.restored()
    want = (
        "%s: expected a checkpoint that can be read, got none: %s: .+; %s: .+; remove the folder "
        "to begin anew"
    )
    want %= tuple(map(re.escape, (folder, _path(folder, 20), _path(folder, 10))))
    assert re.fullmatch(want, str(refused.value))


def test_values_of_other_shapes_are_no_broken_checkpoint(tmp_path):
    Chief(tmp_path).save_steps(10)
    chief = Chief(tmp_path, size=_SIZE + 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mismatch"):
        chief.restored()
    assert chief.lines == []


def test_job_goes_on_after_it_went_back_and_saves_over_what_was_broken(copies):
    copies.renew()
    os.truncate(_path(copies.folder, 20, _DATA), 0)
    chief = copies.chief
    with chief.session() as session:
        chief.saver.restore(session, "not looked at")
        chief.set(session, 20)
        chief.save(session, 20)
    assert Chief(copies.folder).restored() == (20.0, _counts(20))


class _Full:
    """Lets no file of this process grow beyond some bytes, as on a full disk."""

    def __init__(self, size_bytes):
        self._size_bytes = size_bytes

    def __enter__(self):
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size_bytes, self._limits[1]))

    def __exit__(self, *exception):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


def _contents(folder):
    """Of what belongs to checkpoints."""
    found = {}
    for path in glob.glob(os.path.join(str(folder), "*")):
        if not os.path.isdir(path):
            with open(path, "rb") as file:
                found[os.path.basename(path)] = file.read()
    return found


@pytest.mark.parametrize(
    "size_bytes",
    [pytest.param(4096, id="at_the_weights"), pytest.param(0, id="at_the_mark")],
)
def test_full_disk_is_said_and_leaves_what_was_there(tmp_path, size_bytes):
    chief = Chief(tmp_path)
    with chief.session() as session:
        session.run(chief.init)
        chief.set(session, 10)
        chief.save(session, 10)
        before = _contents(tmp_path)
        chief.set(session, 20)
        with _Full(size_bytes), pytest.raises(job_lib.JobError) as failed:
            chief.save(session, 20)
        assert re.fullmatch(
            r"%s: the checkpoint of step 20 could not be written \(.*File too large\); the last one"
            r" there is model.ckpt-10, and when started again the job goes on from it"
            % re.escape(str(tmp_path)),
            str(failed.value),
        )
        assert _contents(tmp_path) == before
        assert glob.glob(str(tmp_path / "*_temp_*")) == []
        # There is room again.
        chief.save(session, 20)
    assert Chief(tmp_path).restored() == (20.0, _counts(20))


def test_first_checkpoint_that_cannot_be_written_is_said(tmp_path):
    with _Full(4096), pytest.raises(job_lib.JobError, match="the last one there is none, and"):
        Chief(tmp_path).save_steps(0)


def test_what_stands_in_the_way_of_a_checkpoint_is_said(tmp_path):
    (tmp_path / "model.ckpt-20.index" / "full").mkdir(parents=True)
    chief = Chief(tmp_path)
    with pytest.raises(job_lib.JobError, match="checkpoint of step 20 could not be written"):
        chief.save_steps(10, 20)
    assert glob.glob(str(tmp_path / "*_temp_*")) == []
    assert Chief(tmp_path).restored() == (10.0, _counts(10))


@pytest.mark.parametrize(
    "error", [tf.errors.AbortedError, tf.errors.UnavailableError, tf.errors.CancelledError]
)
def test_ps_that_was_lost_while_saving_is_no_trouble_of_the_folder(tmp_path, error):
    class Session:
        def run(self, *args):
            raise error(None, None, "a ps was started again")

    with pytest.raises(error):
        Chief(tmp_path).save(Session(), 10)


def test_what_unfinished_saves_left_is_removed_and_nothing_else(tmp_path):
    unfinished = tmp_path / "model.ckpt-20_temp_0f3c" / "part-00000-of-00001.index"
    unfinished.parent.mkdir()
    unfinished.write_text("half")
    for name in ("model.ckpt-10.index", "model.ckpt-20.meta", "checkpoint"):
        (tmp_path / name).write_text(name)
    (tmp_path / "my_temp_folder").mkdir()
    recovering_saver.remove_unfinished(str(tmp_path))
    assert sorted(os.listdir(str(tmp_path))) == [
        "checkpoint",
        "model.ckpt-10.index",
        "model.ckpt-20.meta",
        "my_temp_folder",
    ]


def test_save_removes_what_one_before_it_left_that_lost_a_ps(tmp_path):
    unfinished = tmp_path / "model.ckpt-5_temp_0f3c"
    unfinished.mkdir()
    Chief(tmp_path).save_steps(10)
    assert not unfinished.exists()


def test_folder_whose_name_is_a_pattern_is_cleaned_as_well(tmp_path):
    folder = tmp_path / "[model]"
    (folder / "model.ckpt-20_temp_0f3c").mkdir(parents=True)
    recovering_saver.remove_unfinished(str(folder))
    assert os.listdir(str(folder)) == []


def test_five_checkpoints_are_kept_and_each_has_its_positions(tmp_path):
    chief = Chief(tmp_path)
    chief.save_steps(*range(1, 8))
    paths = sorted(glob.glob(str(tmp_path / "*.index")))
    assert paths == [_path(tmp_path, step, _INDEX) for step in range(3, 8)]
    assert [chief.job.positions(step) for step in range(3, 8)] == [
        _counts(step) for step in range(3, 8)
    ]
    np.testing.assert_array_equal(
        tf.train.load_variable(_path(tmp_path, 3), "weights"), np.full(_SIZE, 3.0)
    )
