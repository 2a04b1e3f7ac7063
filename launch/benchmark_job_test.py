import itertools
import json

import pytest

from launch import benchmark_job, processes

_QUIET = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def programs(tmp_path):
    """A folder of programs that stand for the tasks: they leave at once."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("ps", "worker", "evaluator"):
        _write(folder / name, _QUIET)
    return folder


def _write(path, text):
    path.write_text(text)
    path.chmod(0o755)


def _job(programs, **kwargs):
    return benchmark_job.Job(str(programs), 1, 1, False, ["--own"])._replace(**kwargs)


def test_first_step_is_the_chiefs_first_line_of_progress(programs, tmp_path, capsys, monkeypatch):
    _write(programs / "worker", "#!/bin/sh\necho no step 9; echo step 0/5; echo step 5/5")
    ticks = itertools.count()  # looked at for the start, each of the two steps, and the end
    monkeypatch.setattr(benchmark_job.time, "perf_counter", lambda: float(next(ticks)))
    assert benchmark_job.run(_job(programs), str(tmp_path / "job")) == (1.0, 3.0)
    captured = capsys.readouterr()
    assert "chief     | step 5/5" in captured.err
    assert captured.out == ""  # the measurements' own


def test_job_without_a_step_has_no_time_of_one(programs, tmp_path):
    _write(programs / "ps", "#!/bin/sh\necho step 1/5")  # that is no chief
    _write(programs / "worker", "#!/bin/sh\necho at step 1/5")
    assert benchmark_job.run(_job(programs), str(tmp_path / "job")).first_step is None


def test_end_is_that_of_the_last_task(programs, tmp_path):
    # The ps ends only when the evaluator has, and the evaluator is there only if asked for.
    done = tmp_path / "done"
    _write(programs / "evaluator", "#!/bin/sh\necho from the evaluator > %s\n" % done)
    _write(programs / "ps", "#!/bin/sh\nuntil test -s %s; do :; done\n" % done)
    benchmark_job.run(_job(programs, has_evaluator=True), str(tmp_path / "job"))
    assert done.read_text() == "from the evaluator\n"


def test_evaluator_that_was_not_asked_for_is_not_started(programs, tmp_path):
    _write(programs / "evaluator", "#!/bin/sh\nexit 3\n")
    benchmark_job.run(_job(programs), str(tmp_path / "job"))
    with pytest.raises(processes.ProcessError, match="evaluator ended with exit code 3"):
        benchmark_job.run(_job(programs, has_evaluator=True), str(tmp_path / "job"))


def test_every_run_in_a_folder_is_a_job_of_its_own_with_one_model(programs, tmp_path):
    shown = tmp_path / "shown"
    _write(programs / "worker", '#!/bin/sh\necho "$*" >> %s\n' % shown)
    for _ in range(2):
        benchmark_job.run(_job(programs), str(tmp_path / "job"))
    (dir_0, id_0, own_0), (dir_1, id_1, own_1) = (
        line.split() for line in shown.read_text().splitlines()
    )
    assert dir_0 == dir_1 == "--model_dir=%s/job/model" % tmp_path
    assert id_0.startswith("--job_id=") and id_0 != id_1
    assert own_0 == own_1 == "--own"


def _write_progress(folder, points):
    (folder / "model").mkdir()
    lines = [json.dumps({"step": step, "secs": secs}) + "\n" for step, secs in points]
    (folder / "model" / "progress.jsonl").write_text("".join(lines))


def test_rate_leaves_out_the_first_interval(tmp_path):
    _write_progress(tmp_path, [(1, 5.0), (11, 9.0), (31, 11.0), (51, 19.0)])
    assert benchmark_job.steps_per_sec(str(tmp_path)) == 4.0  # 40 steps in 10 s


def test_too_little_progress_is_refused(tmp_path):
    _write_progress(tmp_path, [(1, 5.0), (11, 9.0)])
    with pytest.raises(ValueError, match=r"progress\.jsonl: expected at least 3 lines, got 2"):
        benchmark_job.steps_per_sec(str(tmp_path))
