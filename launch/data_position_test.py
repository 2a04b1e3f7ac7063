import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from launch import data_position
from model import deepfm

_PROPERTY = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Worker:
    """Worker `rank` of three, in a graph of its own; a step takes as many rows as are fed."""

    def __init__(self, rank=1, batches=None, rows=0, is_ready=lambda: True):
        self.graph = tf.Graph()
        self.lines = []
        self.position = data_position.DataPosition(3, rank)
        self.share = data_position.Share(batches or (lambda first: iter(())), rows)
        self.hook = data_position.DataPositionHook(
            self.position, self.share, is_ready, self.lines.append
        )
        with self.graph.as_default():
            self.rows = tf.compat.v1.placeholder(tf.int32, [])
            self.step = tf.compat.v1.train.get_or_create_global_step()
            self.train = tf.compat.v1.assign_add(self.step, 1).op
            self.position.add_to_graph(deepfm.TrainingGraph(self.train, self.rows))

    def session(self, counts=None):
        """A session with the hook, in which the counts are `counts` when it begins."""
        initial = np.zeros([3, 2], np.int64)
        if counts is not None:
            initial[:] = counts

        def set_counts(scaffold, session):
            del scaffold
            self.position.set(session, initial.tolist())

        with self.graph.as_default():
            scaffold = tf.compat.v1.train.Scaffold(init_fn=set_counts)
            return tf.compat.v1.train.SingularMonitoredSession([self.hook], scaffold)

    def read(self, session):
        return self.position.read(session.raw_session()).tolist()


def test_each_batch_counts_once_with_its_rows_for_its_worker_alone():
    worker = Worker(rank=1)
    with worker.session() as session:
        for rows in (100, 100, 7):
            session.run(worker.train, {worker.rows: rows})
        assert worker.read(session) == [[0, 0], [3, 207], [0, 0]]
    assert worker.share.rows == 207
    assert worker.share.rows_again == 0
    assert worker.lines == []


def test_counts_of_others_stay():
    worker = Worker(rank=2)
    with worker.session([[1, 10], [2, 20], [3, 30]]) as session:
        session.run(worker.train, {worker.rows: 5})
        assert worker.read(session) == [[1, 10], [2, 20], [4, 35]]


def test_batch_whose_update_failed_does_not_count():
    worker = Worker()
    with worker.graph.as_default():
        graph = deepfm.TrainingGraph(tf.Assert(worker.rows > 0, [worker.rows]), worker.rows)
        with tf.compat.v1.variable_scope("other"):
            position = data_position.DataPosition(3, 1)
            position.add_to_graph(graph)
        with tf.compat.v1.Session() as session:
            session.run(position.variable.initializer)
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(position.count, {worker.rows: 0})
            session.run(position.count, {worker.rows: 4})
            assert position.read(session).tolist() == [[0, 0], [1, 4], [0, 0]]


def test_position_is_no_part_of_what_is_trained():
    worker = Worker()
    trainable = worker.graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
    assert worker.position.variable not in trainable
    assert worker.position.variable.dtype.base_dtype == tf.int64


@pytest.mark.parametrize(
    "counts, want",
    [
        pytest.param([[1, 2], [3, 4], [5, 2**40]], [[1, 2], [3, 4], [5, 2**40]], id="as_given"),
        pytest.param(None, [[0, 0]] * 3, id="of_another_job"),
        pytest.param([[1, 2], [3, 4]], [[0, 0]] * 3, id="of_another_number_of_workers"),
        pytest.param([], [[0, 0]] * 3, id="of_none"),
    ],
)
def test_counts_are_set(counts, want):
    worker = Worker()
    with worker.session([[9, 9], [9, 9], [9, 9]]) as session:
        worker.position.set(session.raw_session(), counts)
        assert worker.read(session) == want


def test_worker_reads_on_where_its_counts_are_and_says_so():
    worker = Worker(rank=1, batches=itertools.count)
    with worker.session([[5, 50], [7, 1700], [9, 90]]):
        assert next(worker.share.batches()) == 7
    assert worker.share.rows == 1700
    assert worker.lines == ["worker 1 reads on at batch 7 of its share; 0 rows are seen again"]


def test_rows_that_come_again_are_counted_and_told():
    worker = Worker(rank=1, batches=itertools.count, rows=3000)  # its predecessor did so many
    with worker.session([[5, 50], [7, 1700], [9, 90]]):
        pass
    assert (worker.share.rows, worker.share.rows_again) == (1700, 1300)
    assert worker.lines == ["worker 1 reads on at batch 7 of its share; 1,300 rows are seen again"]


def test_worker_that_begins_anew_tells_the_rows_that_come_again():
    worker = Worker(rank=1, rows=50)
    with worker.session():
        pass
    assert worker.lines == ["worker 1 reads on at batch 0 of its share; 50 rows are seen again"]


def test_worker_waits_for_the_chief_to_set_the_counts():
    asked = []

    def is_ready():
        asked.append(None)
        return len(asked) == 3

    worker = Worker(is_ready=is_ready)
    with worker.session([[5, 50], [7, 1700], [9, 90]]):
        assert len(asked) == 3
        assert worker.share.rows == 1700


class _GoneError(Exception):
    pass


def test_worker_that_waits_for_the_chief_notices_that_the_ps_is_gone():
    worker = Worker(is_ready=lambda: False)

    class Session:
        def run(self, fetches):
            assert fetches is worker.position.variable
            raise _GoneError()

    with pytest.raises(_GoneError):
        worker.hook.after_create_session(Session(), None)


@pytest.mark.parametrize(
    "before, rows, again",
    [
        pytest.param(0, 0, 0, id="first_start"),
        pytest.param(0, 700, 0, id="predecessor_said_nothing"),
        pytest.param(700, 700, 0, id="nothing_lost"),
        pytest.param(700, 500, 200, id="went_back"),
        pytest.param(700, 800, 0, id="did_more_than_it_had_said"),
        pytest.param(700, 0, 700, id="all_lost"),
    ],
)
def test_go_to_tells_how_many_rows_come_again(before, rows, again):
    share = data_position.Share(itertools.count, before)
    assert share.go_to(5, rows) == again
    assert (share.rows, share.rows_again) == (rows, again)
    assert next(share.batches()) == 5


def test_rows_again_add_up():
    share = data_position.Share(itertools.count)
    share.rows = 100
    assert share.go_to(3, 30) == 70
    share.rows = 50
    assert share.go_to(4, 40) == 10
    assert share.rows_again == 80


def test_share_begins_where_it_was_told_at_each_start():
    share = data_position.Share(itertools.count)
    assert next(share.batches()) == 0
    share.go_to(5, 500)
    assert next(share.batches()) == 5
    assert next(share.batches()) == 5


def test_error_of_the_data_is_kept():
    def batches(first):
        yield first
        raise ValueError("row 7")

    share = data_position.Share(batches)
    with pytest.raises(ValueError, match="row 7"):
        list(share.batches())
    assert str(share.error) == "row 7"


def test_end_of_the_data_is_no_error():
    share = data_position.Share(lambda first: iter([1, 2]))
    assert list(share.batches()) == [1, 2]
    unfinished = share.batches()
    next(unfinished)
    unfinished.close()
    assert share.error is None


class Cluster:
    """A ps that counts, checkpoints of what it has, and a worker of one share; no TensorFlow."""

    def __init__(self, sizes):
        self._rows_before = [0] + list(itertools.accumulate(sizes))
        self.applied = []  # what the model has seen
        self.saved = [], (0, 0)
        self.counts = (0, 0)
        self.share = None
        self._batches = None
        self._noted_rows = 0
        self.join(is_new_process=True)

    def _from(self, first):
        return iter(range(first, len(self._rows_before) - 1))

    def join(self, is_new_process):
        if is_new_process:
            self.share = data_position.Share(self._from, self._noted_rows)
        self.share.go_to(*self.counts)
        self._batches = self.share.batches()

    def step(self, is_killed):
        """One batch; tells whether there was one. If killed, before the worker knows."""
        batch = next(self._batches, None)
        if batch is None:
            return False
        self.applied.append(batch)
        self.counts = (batch + 1, self._rows_before[batch + 1])
        if is_killed:
            return True
        rows = self._rows_before[batch + 1] - self._rows_before[batch]
        self.share.rows += rows
        self._noted_rows = self.share.rows
        return True

    def save(self):
        self.saved = list(self.applied), self.counts

    def restore(self):
        self.applied, self.counts = list(self.saved[0]), self.saved[1]


@_PROPERTY
@given(
    sizes=st.lists(st.integers(1, 5), max_size=12),
    events=st.lists(
        st.sampled_from(
            ["step", "save", "worker killed", "killed after its step", "ps killed", "chief killed"]
        ),
        max_size=30,
    ),
)
def test_model_has_seen_each_batch_once_whoever_is_killed_and_when(sizes, events):
    cluster = Cluster(sizes)
    for event in events:
        if event == "step":
            cluster.step(is_killed=False)
        elif event == "save":
            cluster.save()
        elif event == "worker killed":
            cluster.join(is_new_process=True)
        elif event == "killed after its step":
            cluster.step(is_killed=True)
            cluster.join(is_new_process=True)
        elif event == "ps killed":
            cluster.restore()
            cluster.join(is_new_process=False)
        else:  # the ps still have all
            cluster.join(is_new_process=False)
    while cluster.step(is_killed=False):
        pass
    assert cluster.applied == list(range(len(sizes)))
    assert cluster.counts == (len(sizes), sum(sizes))
    assert cluster.share.rows == sum(sizes)


def _model_fn(features, labels, mode, params):
    """Notes the number of each batch, as a model whose only update that is."""
    del labels
    seen = tf.compat.v1.get_variable(
        "seen", [8], tf.int64, tf.compat.v1.zeros_initializer(), trainable=False
    )
    step = tf.compat.v1.train.get_global_step()
    add = tf.compat.v1.scatter_add(seen, features, tf.ones_like(features))
    with tf.control_dependencies([add]):
        train = tf.compat.v1.assign_add(step, 1).op
    params["prepare"](deepfm.TrainingGraph(train, tf.size(features)))
    return tf.estimator.EstimatorSpec(mode, loss=tf.constant(0.0), train_op=train)


class _LoseSession(tf.estimator.SessionRunHook):
    """Loses the session once, as when a ps is started again; it comes back without its state."""

    def __init__(self, at_step):
        self._at_step = at_step

    def before_run(self, run_context):
        return tf.estimator.SessionRunArgs(tf.compat.v1.train.get_global_step())

    def after_run(self, run_context, run_values):
        if run_values.results >= self._at_step:
            self._at_step = float("inf")
            raise tf.errors.AbortedError(None, None, "a ps was started again")


@pytest.mark.parametrize("at_step", [1, 4, 8])
def test_estimator_reads_on_where_the_counts_are_after_a_lost_session(tmp_path, at_step):
    position = data_position.DataPosition(1, 0)
    share = data_position.Share(
        lambda first: (np.array([number], np.int64) for number in range(first, 8))
    )
    lines = []
    estimator = tf.estimator.Estimator(
        _model_fn,
        str(tmp_path),
        # A checkpoint every third step, with the counts, which no position of a job has to say.
        tf.estimator.RunConfig(save_checkpoints_steps=3),
        # A function, which the Estimator does not copy with what it holds.
        params={"prepare": lambda graph: position.add_to_graph(graph)},
    )
    estimator.train(
        lambda: tf.data.Dataset.from_generator(share.batches, tf.int64, [None]).prefetch(4),
        hooks=[
            data_position.DataPositionHook(position, share, lambda: True, lines.append),
            _LoseSession(at_step),
        ],
    )
    assert estimator.get_variable_value("seen").tolist() == [1] * 8
    assert len(lines) == 1 and lines[0].startswith("worker 0 reads on at batch ")
    assert share.rows == 8
