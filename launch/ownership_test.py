import errno
import os
import subprocess
import sys
import threading

import pytest

from launch import job as job_lib
from launch import ownership, sign_of_life

_NEVER_SECS = 1e6


class Folder:
    """A model_dir and the chiefs that want it."""

    def __init__(self, path):
        self.path = str(path)
        self.lines = []
        self._lives = []

    def life(self, job_id, beat_secs=_NEVER_SECS):
        job = job_lib.Job(self.path, job_id)
        life = sign_of_life.SignOfLife(job, "chief_0", beat_secs)
        self._lives.append(life)
        return life

    def take(self, job_id, life=None, silence_secs=0.0):
        """Returns the life of the chief that has it now; that one has not spoken yet."""
        life = life or self.life(job_id)
        job = job_lib.Job(self.path, job_id)
        ownership.take(self.path, job, life, self.lines.append, silence_secs)
        return life

    def refusal(self, job_id, silence_secs=60.0):
        with pytest.raises(ownership.InUseError) as refused:
            self.take(job_id, silence_secs=silence_secs)
        return refused.value

    def end(self):
        for life in self._lives:
            life.end(sign_of_life.DONE)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    folder.end()


def _elsewhere(monkeypatch):
    """Lets the claims and notes that come be those of another machine."""
    here = sign_of_life.process
    monkeypatch.setattr(
        sign_of_life, "process", lambda: dict(here(), node="another node", host="other")
    )


def test_folder_without_a_job_is_taken_at_once(folder):
    folder.take("a", silence_secs=60.0)
    assert folder.lines == []


def test_job_that_took_the_folder_last_is_its_owner(folder):
    jobs = [job_lib.Job(folder.path, job_id) for job_id in ("a", "b")]
    assert [ownership.is_owner(folder.path, job) for job in jobs] == [False, False]
    for job_id, want in (("a", [True, False]), ("b", [False, True])):
        life = folder.take(job_id)
        life.start()
        life.end(sign_of_life.DONE)
        assert [ownership.is_owner(folder.path, job) for job in jobs] == want


def test_job_that_was_refused_is_no_owner(folder):
    folder.take("a", folder.life("a", beat_secs=0.01)).start()
    folder.refusal("b")
    assert ownership.is_owner(folder.path, job_lib.Job(folder.path, "a"))
    assert not ownership.is_owner(folder.path, job_lib.Job(folder.path, "b"))


@pytest.mark.parametrize("state", ["done", "failed", "stopped"])
@pytest.mark.parametrize("job_id", ["a", "b"])
def test_folder_of_a_chief_that_said_its_end_is_taken_at_once(folder, state, job_id):
    life = folder.take("a")
    life.start()
    life.end(state)
    folder.take(job_id, silence_secs=60.0)
    assert folder.lines == []


def test_folder_may_have_any_number_of_owners_one_after_another(folder):
    for number in range(12):
        life = folder.take("ab"[number % 2], silence_secs=60.0)
        life.start()
        life.end(sign_of_life.DONE)
    assert folder.lines == []


_TAKE = """
import sys
from launch import job, ownership, sign_of_life
job = job.Job(sys.argv[1], "a")
life = sign_of_life.SignOfLife(job, "chief_0")
ownership.take(sys.argv[1], job, life, print)
if sys.argv[2] == "speaks":
    life.start()
"""


@pytest.mark.parametrize("speaks", ["speaks", "is silent"])
def test_folder_of_a_process_that_died_here_is_taken_at_once(folder, speaks):
    # It ends without a word, as by kill -9.
    subprocess.run(
        [sys.executable, "-c", _TAKE, folder.path, speaks],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        check=True,
    )
    folder.take("b", silence_secs=60.0)
    assert folder.lines == []


@pytest.mark.parametrize("speaks", [True, False], ids=["spoke", "never_spoke"])
def test_folder_of_a_chief_elsewhere_that_is_silent_is_taken(folder, monkeypatch, speaks):
    with monkeypatch.context() as patch:
        _elsewhere(patch)
        life = folder.take("a")
        if speaks:
            life.start()  # and then no beat comes
    folder.take("b", silence_secs=0.0)
    assert folder.lines == [
        "%s: an earlier job did not end; waiting 0 s to see that its chief is gone" % folder.path
    ]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "here"])
@pytest.mark.parametrize("job_id", ["a", "b"])
def test_folder_of_a_chief_that_is_alive_is_refused(folder, monkeypatch, elsewhere, job_id):
    with monkeypatch.context() as patch:
        if elsewhere:
            _elsewhere(patch)
        life = folder.take("a", folder.life("a", beat_secs=0.01))
    life.start()
    error = folder.refusal(job_id)
    by = "job a, whose chief is process %d on " % os.getpid()
    assert str(error).startswith("--model_dir: expected a folder in which no other job trains, got")
    assert "%s, in use by %s" % (folder.path, by) in str(error)
    assert str(error).endswith("; stop that job or train in another folder")
    assert error.job_id == "a"


def test_refusal_changes_nothing(folder):
    life = folder.take("a", folder.life("a", beat_secs=0.01))
    life.start()
    folder.refusal("b")
    assert folder.refusal("c").job_id == "a"
    assert not os.path.exists(os.path.join(folder.path, "job", "b"))


def test_chief_that_took_the_folder_and_is_about_to_speak_is_refused_to_others(folder):
    # The process before it left its word, which is not this one's.
    before = folder.take("a")
    before.start()
    before.end(sign_of_life.FAILED)
    life = folder.take("a")
    lines = folder.lines

    class _Speak(list):
        def append(self, line):
            lines.append(line)
            life.start()

    folder.lines = _Speak()
    assert folder.refusal("a").job_id == "a"
    assert lines == [
        "%s: an earlier job did not end; waiting 60 s to see that its chief is gone" % folder.path
    ]


def test_chief_that_ends_while_another_waits_for_it_gives_way(folder):
    life = folder.take("a")
    life.start()

    class _End:
        def append(self, line):
            life.end(sign_of_life.DONE)

    folder.lines = _End()
    folder.take("b", silence_secs=60.0)


def _race(folder, job_ids):
    """Returns the job ids of those that got the folder, and the errors of the others."""
    barrier = threading.Barrier(len(job_ids))
    lives = {job_id: folder.life(job_id) for job_id in job_ids}
    taken, refused = [], []

    def run(job_id):
        barrier.wait()
        try:
            folder.take(job_id, lives[job_id])
            taken.append(job_id)
        except ownership.InUseError as e:
            refused.append(e)

    threads = [threading.Thread(target=run, args=(job_id,)) for job_id in job_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, refused


class _Meeting:
    """Lets all of several threads look at the folder before any of them changes it."""

    def __init__(self, monkeypatch, count):
        rename, barrier = os.rename, threading.Barrier(count)

        def meet_and_rename(source, target):
            if os.path.isdir(source):
                barrier.wait()
            rename(source, target)

        monkeypatch.setattr(os, "rename", meet_and_rename)


@pytest.mark.parametrize("before", [False, True], ids=["new_folder", "folder_of_an_ended_job"])
def test_of_several_that_come_at_once_one_gets_the_folder(folder, monkeypatch, before):
    if before:
        life = folder.take("old")
        life.start()
        life.end(sign_of_life.DONE)
    _Meeting(monkeypatch, 4)
    taken, refused = _race(folder, ["a", "b", "c", "d"])
    assert len(taken) == 1
    assert [error.job_id for error in refused] == taken * 3
    assert {str(error) for error in refused} == {
        "--model_dir: expected a folder in which no other job trains, got %s, in use by a job that "
        "starts right now; stop that job or train in another folder" % folder.path
    }


def test_what_the_losers_wrote_is_removed(folder, monkeypatch):
    _Meeting(monkeypatch, 3)
    _race(folder, ["a", "b", "c"])
    (names,) = [names for path, names, _ in os.walk(folder.path) if path.endswith("owners")]
    assert names == ["1"]


def test_folder_without_links_does_as_well(folder, monkeypatch):
    def no_link(source, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_link)
    life = folder.take("a", folder.life("a", beat_secs=0.01))
    life.start()
    assert folder.refusal("b").job_id == "a"
    life.end(sign_of_life.DONE)
    folder.take("b")


def test_claim_that_cannot_be_made_is_an_error_and_leaves_nothing(folder, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="Read-only file system"):
            folder.take("a")
    assert os.listdir(os.path.join(folder.path, "job", ".owners")) == []
    folder.take("b", silence_secs=60.0)
    assert folder.lines == []


def test_folder_that_cannot_be_written_is_an_error(folder):
    with open(os.path.join(folder.path, "job"), "w"):
        pass
    with pytest.raises(NotADirectoryError):
        folder.take("a")
