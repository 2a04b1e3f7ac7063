import contextlib
import glob
import os

import pytest
import tensorflow as tf

from launch import data_position, lifecycle_hooks, task_config
from launch import job as job_lib
from model import deepfm

_TASK = task_config.TaskConfig(
    "chief", 0, {"ps": ["p:1"], "chief": ["c:1"], "worker": ["w:1", "w:2"]}
)
_ROWS = 10  # a batch


class FakeClock:
    now = 1000.0

    def __call__(self):
        return self.now


class FakeTermination:
    requested = False


class FakeStallWatch:
    moves = 0

    def moved(self):
        self.moves += 1


class FakeLife:
    def __init__(self):
        self.updates = []

    def update(self, **facts):
        self.updates.append(facts)


class Graph:
    """A graph of three workers, whose steps count for the one of `rank`."""

    def __init__(self, rank):
        self.position = data_position.DataPosition(3, rank)
        with tf.Graph().as_default() as self.graph:
            self._amount = tf.compat.v1.placeholder_with_default(tf.constant(1, tf.int64), [])
            self.step = tf.compat.v1.train.get_or_create_global_step()
            self._add = self.step.assign_add(self._amount).op
            train = self.step.assign_add(1).op
            self.position.add_to_graph(deepfm.TrainingGraph(train, tf.constant(_ROWS)))

    @contextlib.contextmanager
    def session(self, *hooks):
        hooks = list(hooks)
        with self.graph.as_default(), tf.compat.v1.train.SingularMonitoredSession(hooks) as session:
            yield session

    def train(self, session):
        session.run(self.position.count)

    def train_elsewhere(self, session, steps):
        """Moves the step as other workers do: no hook sees it."""
        session.run(self._add, {self._amount: steps})


@pytest.fixture(name="job")
def _job(tmp_path):
    return job_lib.Job(str(tmp_path), "a")


@pytest.fixture(name="termination")
def _termination():
    return FakeTermination()


@pytest.fixture(name="stall_watch")
def _stall_watch():
    return FakeStallWatch()


def test_chief_says_on_which_ps_it_is_ready(job):
    runs = [{"ps_0": "r"}, {"ps_0": "s"}]
    hook = lifecycle_hooks.ReadyHook(job, lambda: runs.pop(0))
    with Graph(0).session(hook):
        assert job.is_ready({"ps_0": "r"})
    with Graph(0).session(hook):
        assert job.is_ready({"ps_0": "s"})


def test_status_is_told_at_the_first_step_then_once_a_second_and_at_the_end(stall_watch):
    life, clock = FakeLife(), FakeClock()
    share = data_position.Share(lambda first: iter(()))
    hook = lifecycle_hooks.StatusHook(life, stall_watch, share, clock)
    graph = Graph(0)
    times_and_rows = [
        (1000.0, 100),
        (1000.5, 200),
        (1001.0, 300),  # 200 rows in a second
        (1001.9, 400),
        (1003.0, 500),  # 200 rows in two
        (1004.0, 50),  # went back to a checkpoint
        (1005.0, 90),
        (1005.1, 95),
    ]
    with graph.session(hook) as session:
        for clock.now, share.rows in times_and_rows:
            graph.train(session)
    steps = [facts.pop("step") for facts in life.updates[:-1]]
    assert steps == sorted(set(steps))
    assert steps[0] in (0, 1)
    assert {type(step) for step in steps} == {int}  # for JSON
    assert life.updates == [
        {"state": "training", "rows": 100},
        {"rows": 300, "samples_per_sec": 200.0},
        {"rows": 500, "samples_per_sec": 100.0},
        {"rows": 50, "samples_per_sec": 0},
        {"rows": 90, "samples_per_sec": 40.0},
        {"state": "ending", "rows": 95, "samples_per_sec": None},
    ]
    assert stall_watch.moves == len(times_and_rows)


def test_training_ends_after_the_step_in_which_the_process_is_told_to_end(termination):
    graph, steps = Graph(0), 0
    with graph.session(lifecycle_hooks.TerminationHook(termination)) as session:
        while not session.should_stop():
            graph.train(session)
            termination.requested = steps == 2
            steps += 1
    assert steps == 4


def test_look_is_called_between_steps_about_once_a_second():
    clock, seen = FakeClock(), []
    graph = Graph(0)

    def look(session):
        seen.append((clock.now, int(session.run(graph.step))))

    with graph.session(lifecycle_hooks.LookHook(look, clock)) as session:
        for clock.now in (1000.5, 1001.0, 1001.5, 1002.5, 1003.4):
            graph.train(session)
    assert seen == [(1001.0, 2), (1002.5, 4)]


def _say(job, task, run="r", beat=1, state="training", **facts):
    job.write_alive(task, dict(facts, run=run, beat=beat, state=state))


class Waiting:
    """The workers of the chief, and what it says of them."""

    def __init__(self, job, deadline_secs=1e6):
        self.lines = []
        self.workers = lifecycle_hooks.Workers(_TASK, job, deadline_secs, self.lines.append)


@pytest.fixture(name="waiting")
def _waiting(job):
    return Waiting(job)


def _counts(*batches):
    return [[count, count * _ROWS] for count in batches]


def test_workers_are_missing_until_they_are_done(job, waiting):
    counts = _counts(5, 6, 7)
    assert waiting.workers.missing(counts) == [1, 2]
    job.worker_done(2, job_lib.WorkerDone(7, 70, 0))
    assert waiting.workers.missing(counts) == [1]
    job.worker_done(1, job_lib.WorkerDone(6, 60, 0))
    assert waiting.workers.missing(counts) == []


def test_worker_is_not_done_any_more_when_the_ps_know_less_than_it_did(job, waiting):
    job.worker_done(1, job_lib.WorkerDone(6, 60, 0))
    job.worker_done(2, job_lib.WorkerDone(7, 70, 0))
    assert waiting.workers.missing(_counts(5, 5, 7)) == [1]


def test_chief_alone_misses_nobody(job):
    alone = task_config.TaskConfig("chief", 0, {"ps": ["p:1"], "chief": ["c:1"]})
    workers = lifecycle_hooks.Workers(alone, job, 0.0, print)
    assert workers.missing(_counts(5)) == []
    assert workers.rows_again() == 0


def test_rows_again_are_those_of_all_workers(job, waiting):
    assert waiting.workers.rows_again() == 0
    job.worker_done(1, job_lib.WorkerDone(6, 60, 30))
    job.worker_done(2, job_lib.WorkerDone(6, 60, 4))
    assert waiting.workers.rows_again() == 34


def test_chief_says_for_whom_it_waits_and_says_it_once(job, waiting):
    waiting.workers.check([1])
    waiting.workers.check([1])
    _say(job, "worker_0", state="waiting for ps")
    waiting.workers.check([1])
    _say(job, "worker_0", beat=2, state="training")
    waiting.workers.check([1])
    _say(job, "worker_0", beat=3, state="failed", reason="no disk")
    waiting.workers.check([1])
    assert waiting.lines == [
        "waiting for worker 1, which has not started",
        "waiting for worker 1, which is waiting for ps",
        "waiting for worker 1, which is training",
        "waiting for worker 1, which failed (no disk)",
    ]


@pytest.mark.parametrize(
    "facts, state",
    [
        pytest.param(None, "has not started", id="never_seen"),
        pytest.param({"state": "training"}, "is training", id="silent"),
        pytest.param({"state": "stopped"}, "is stopped", id="told_to_end"),
        pytest.param(
            {"state": "failed", "reason": "no disk"}, "failed (no disk)", id="failed_and_not_back"
        ),
    ],
)
def test_worker_that_is_silent_for_too_long_is_lost(job, facts, state):
    waiting = Waiting(job, deadline_secs=0.0)
    if facts:
        _say(job, "worker_1", **facts)
    with pytest.raises(job_lib.JobError) as lost:
        waiting.workers.check([2])
    assert str(lost.value) == (
        "worker 2 %s, and gave no sign of life for 0 s: its share of the data is not trained to "
        "the end. A checkpoint is saved; start the job again to go on" % state
    )


class FakeWorkers:
    """Each look at the workers runs the next of `events`; after the last, nobody is missing."""

    def __init__(self, *events):
        self._events = list(events)
        self.counts = []
        self.lost = None

    def missing(self, counts):
        self.counts.append(counts.tolist())
        if not self._events:
            return []
        self._events.pop(0)()
        return [1]

    def check(self, missing):
        assert missing == [1]
        if self.lost:
            raise self.lost


class Chief(Graph):
    """A chief that trains two steps, and then waits for FakeWorkers."""

    def __init__(self, folder, stall_watch, termination):
        super().__init__(0)
        self.folder = str(folder)
        self.termination = termination
        self.looked_with = []
        self.reports = []
        self.stall_watch = stall_watch
        self._session = None

    def run(self, workers):
        hook = lifecycle_hooks.FinalCheckpointHook(
            workers,
            self.position,
            self.stall_watch,
            self.termination,
            self.looked_with.append,
            self.reports.append,
            checkpoint_dir=self.folder,
            save_steps=5,
        )
        with self.session(hook) as session:
            self._session = session.raw_session()
            self.train(session)
            self.train(session)

    def others_train(self, steps):
        self.train_elsewhere(self._session, steps)

    def saved_steps(self):
        paths = glob.glob(os.path.join(self.folder, "*.index"))
        return sorted(int(path.rpartition("-")[2][: -len(".index")]) for path in paths)


@pytest.fixture(name="chief")
def _chief(tmp_path, stall_watch, termination):
    return Chief(tmp_path, stall_watch, termination)


def test_last_checkpoint_has_the_last_steps_of_the_workers(chief):
    workers = FakeWorkers(lambda: chief.others_train(1))
    chief.run(workers)
    assert chief.saved_steps() == [0, 3]
    assert chief.reports == [2 * _ROWS]
    assert workers.counts == [_counts(2, 0, 0)] * 2


def test_checkpoints_are_saved_while_the_chief_waits(chief):
    workers = FakeWorkers(
        lambda: chief.others_train(1),
        lambda: chief.others_train(4),
        lambda: chief.others_train(1),
    )
    chief.run(workers)
    assert chief.saved_steps() == [0, 7, 8]
    assert chief.stall_watch.moves == 4
    assert len(chief.looked_with) == 3


def test_lost_worker_is_an_error_after_what_there_is_was_saved(chief):
    workers = FakeWorkers(lambda: chief.others_train(1))
    workers.lost = job_lib.JobError("worker 1 is lost")
    with pytest.raises(job_lib.JobError, match="^worker 1 is lost$"):
        chief.run(workers)
    assert chief.saved_steps() == [0, 3]
    assert chief.reports == []


def test_chief_that_is_told_to_end_saves_and_waits_for_nobody(chief):
    chief.termination.requested = True
    workers = FakeWorkers(pytest.fail)
    chief.run(workers)
    assert workers.counts == []
    assert chief.saved_steps() == [0, 2]
    assert chief.reports == []


def test_chief_that_is_told_to_end_while_it_waits_saves_and_leaves(chief):
    def told_to_end():
        chief.others_train(1)
        chief.termination.requested = True

    workers = FakeWorkers(told_to_end, pytest.fail)
    chief.run(workers)
    assert chief.saved_steps() == [0, 3]
    assert chief.reports == []


class Worker(Graph):
    """Worker 1, which trains two steps and says so."""

    def __init__(self, job, stall_watch, termination):
        super().__init__(1)
        self.job = job
        self.share = data_position.Share(lambda first: iter(()))
        self.stall_watch = stall_watch
        self.termination = termination

    def run(self, is_finished, steps=2):
        hook = lifecycle_hooks.WorkerDoneHook(
            self.job,
            self.position,
            self.share,
            lambda: is_finished(raw_session),
            self.stall_watch,
            self.termination,
        )
        with self.session(hook) as session:
            raw_session = session.raw_session()
            for _ in range(steps):
                self.train(session)


@pytest.fixture(name="worker")
def _worker(job, stall_watch, termination):
    return Worker(job, stall_watch, termination)


def test_worker_says_what_it_did_and_leaves_when_the_chief_has_saved(worker, job):
    worker.share.rows_again = 30
    seen = []

    def is_finished(session):
        seen.append(job.done_worker(1))
        return True

    worker.run(is_finished)
    assert seen == [job_lib.WorkerDone(2, 2 * _ROWS, 30)]
    assert job.done_worker(1) == seen[0]


def test_worker_waits_until_the_chief_has_saved(worker, stall_watch):
    answers = [True] + [False] * 6  # more than one look at the ps

    worker.run(lambda session: answers.pop())
    assert answers == []
    assert stall_watch.moves >= 1


def test_worker_joins_again_when_the_chief_went_back_to_a_checkpoint_that_knows_less(worker):
    def is_finished(session):
        worker.position.set(session, _counts(0, 1, 0))
        return False

    with pytest.raises(tf.errors.AbortedError, match="the chief went back to a checkpoint"):
        worker.run(is_finished)


def test_worker_that_joins_again_is_not_done(worker, job):
    job.worker_done(1, job_lib.WorkerDone(2, 20, 0))
    job.worker_done(2, job_lib.WorkerDone(2, 20, 0))
    hook = lifecycle_hooks.WorkerDoneHook(
        job, worker.position, worker.share, lambda: True, worker.stall_watch, worker.termination
    )
    with worker.session(hook):
        assert job.done_worker(1) is None
        assert job.done_worker(2) is not None


def test_failure_of_the_chief_ends_the_wait(worker):
    def is_finished(session):
        raise job_lib.JobError("the chief failed")

    with pytest.raises(job_lib.JobError, match="the chief failed"):
        worker.run(is_finished)


def test_worker_that_is_told_to_end_has_not_done_its_share(worker, job):
    worker.termination.requested = True
    worker.run(lambda session: pytest.fail("waits for the chief"))
    assert job.done_worker(1) is None
