from launch import job


class FakeClock:
    now = 0.0

    def __call__(self):
        return self.now


def test_finish_is_seen_by_other_tasks(tmp_path):
    chief, other = job.Job(str(tmp_path), "a"), job.Job(str(tmp_path), "a")
    chief.start({})
    watch = job.FinishWatch(other)
    assert watch.finished_step() is None
    chief.finish(42)
    assert watch.finished_step() == 42


def test_other_jobs_marks_do_not_count(tmp_path):
    job.Job(str(tmp_path), "a").finish(42)
    assert job.Job(str(tmp_path), "b").finished_step() is None


def test_new_run_forgets_the_finished_one(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.worker_done(1)
    run.finish(42)
    run.start({})
    assert run.finished_step() is None
    assert run.missing_workers(2) == [1]


def test_restarted_chief_keeps_the_marks_of_workers_that_left(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.start({})
    run.worker_done(1)
    run.start({})
    assert run.missing_workers(3) == [2]


def test_watch_started_before_its_chief_ignores_an_old_mark_until_it_is_removed(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.finish(7)
    watch = job.FinishWatch(run, clock=FakeClock())
    assert watch.finished_step() is None
    run.start({})
    assert watch.finished_step() is None
    run.finish(8)
    assert watch.finished_step() == 8


def test_watch_of_a_task_restarted_after_the_end_leaves_after_a_while(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.finish(7)
    clock = FakeClock()
    watch = job.FinishWatch(run, clock=clock)
    clock.now = job.STALE_MARK_SECS
    assert watch.finished_step() == 7


def test_wait_for_tells_success_from_deadline():
    assert job.wait_for(lambda: True, deadline_secs=0)
    assert not job.wait_for(lambda: False, deadline_secs=0)


def test_restarted_chief_keeps_what_the_run_began_with(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.start({"global_step": 3})
    run.start({"global_step": 5})
    assert run.found_at_start() == {"global_step": 3}


def test_new_run_has_a_start_of_its_own(tmp_path):
    run = job.Job(str(tmp_path), "a")
    run.start({"global_step": 3})
    run.finish(5)
    run.start({"global_step": 5})
    assert run.found_at_start() == {"global_step": 5}


def test_start_step_is_0_until_the_chief_has_started(tmp_path):
    run = job.Job(str(tmp_path), "a")
    watch = job.FinishWatch(run)
    assert watch.start_step() == 0
    run.start({"global_step": 7})
    assert watch.start_step() == 7
