"""`//launch:local`: the whole job on this machine, from raw rows to a served prediction.

Starts what users start elsewhere: the ps, worker, evaluator and server programs, each a process of
its own on 127.0.0.1, with the TF_CONFIG that TI-ONE would give them.
"""

import os
import signal
import sys
import tempfile
import time
import uuid
from typing import List, Optional, Tuple

from data_pipeline import command_line, errors, generated_file
from launch import job as job_lib
from launch import (
    local_cluster,
    local_options,
    local_summary,
    predict_request,
    processes,
    task_status,
    task_view,
)

# Beside this file: the workspace's root in runfiles.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PREDICTED_ROWS = 5


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0 when all went well; 1 when a part failed; 2 for wrong input."""
    # So that `finally` runs, and no child survives, when this process is told to stop.
    signal.signal(signal.SIGTERM, _interrupt)
    # Of a terminal that is closed; nohup ignores it.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)
    command_line.enter_users_folder()
    try:
        return _run(local_options.parse(argv))
    except errors.InputError as e:
        _complain("error: %s" % e)
        return 2
    except processes.ProcessError as e:
        _complain("error: %s" % e)
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; every process was stopped")
        return 130


def _run(options: local_options.LocalOptions) -> int:
    started = time.monotonic()
    work_dir, logs = _work_dir(options.work_dir)
    best_auc = None
    train_file, eval_file = options.train_file, options.eval_file
    if not train_file or not eval_file:
        train_file, eval_file, best_auc = _generate(work_dir, options.rows, options.seed)
    model_dir = os.path.join(work_dir, "model")
    export_dir = os.path.join(work_dir, "export")
    options = options._replace(train_file=train_file, eval_file=eval_file)
    totals = _train(options, model_dir, export_dir, logs)
    (timestamp,) = os.listdir(os.path.join(export_dir, "saved_model"))
    saved_model = os.path.join(export_dir, "saved_model", timestamp)
    answer = _serve_and_ask(saved_model, eval_file, logs)
    report: Optional[str] = None
    failure: Optional[processes.ProcessError] = None
    try:
        report = _write_report(model_dir, saved_model, eval_file, work_dir)
    except processes.ProcessError as e:
        failure = e  # told after the summary: the model is there all the same
    outcome = local_summary.Outcome(
        work_dir=work_dir,
        model_dir=model_dir,
        saved_model=saved_model,
        totals=totals,
        answer=answer,
        best_auc=best_auc,
        report=report,
        profile=os.path.join(model_dir, "profile") if options.profile else None,
        secs=time.monotonic() - started,
    )
    for line in local_summary.lines(outcome):
        _say(line)
    if failure:
        raise failure
    return 0


def _work_dir(path: Optional[str]) -> Tuple[str, str]:
    """Makes the folder, or a temporary one, and that of the logs in it; returns both."""
    work_dir = os.path.abspath(path) if path else tempfile.mkdtemp(prefix="ctr-local-")
    logs = os.path.join(work_dir, "logs")
    try:
        os.makedirs(logs, exist_ok=True)
    except OSError as e:
        raise errors.InputError(
            "--work_dir: expected a folder this user may write, got %s (%s)"
            % (work_dir, e.strerror)
        ) from e
    return work_dir, logs


def _generate(work_dir: str, rows: int, seed: int) -> Tuple[str, str, float]:
    """Returns the train file, the eval file, and the best AUC that the latter allows."""
    _say("generating %d rows for training and %d for evaluation" % (rows, rows // 5))
    # Two seeds are two samples of one problem.
    train, evaluation = [
        generated_file.write(os.path.join(work_dir, "data", name), count, seed + i, _say)
        for i, (name, count) in enumerate((("train.tsv", rows), ("eval.tsv", rows // 5)))
    ]
    return train.path, evaluation.path, evaluation.best_auc


def _train(
    options: local_options.LocalOptions, model_dir: str, export_dir: str, logs: str
) -> List[task_status.TaskTotals]:
    """Runs the job to its end and shows it; returns how the tasks did."""
    _say(
        "training: %d ps, %d worker(s), 1 evaluator; logs in %s"
        % (options.ps, options.workers, logs)
    )
    view = task_view.of_stream(sys.stdout, os.environ)
    job_id = uuid.uuid4().hex
    with local_cluster.running(
        os.path.join(_ROOT, "launch"),
        options.ps,
        options.workers,
        local_options.task_flags(options, model_dir, export_dir, job_id),
        logs,
        view.say,
    ) as cluster:
        follower = task_status.Follower(cluster, job_lib.Job(model_dir, job_id))
        try:
            with task_view.following(view, follower.read):
                cluster.wait(float("inf"))
        except (KeyboardInterrupt, processes.ProcessError):
            _say("stopping all tasks; they may save for up to %d s" % processes.STOP_SECS)
            raise
        return follower.totals()


def _serve_and_ask(saved_model: str, eval_file: str, logs: str) -> List[Tuple[str, float]]:
    """Starts the server, asks for the eval file's first rows: (label, probability) of each."""
    port_file = os.path.join(logs, "port")
    command = [
        os.path.join(_ROOT, "serving", "server"),
        "--model_dir=" + saved_model,
        "--port=0",
        "--port_file=" + port_file,
    ]
    if os.path.exists(port_file):
        os.remove(port_file)
    _say("serving: starting the server")
    server = processes.Process(
        "server", command, dict(os.environ), os.path.join(logs, "server.log"), _say
    )
    try:
        port = processes.wait_for_file(port_file, server, deadline_secs=60.0)
        url = "http://127.0.0.1:%s/v1/models/m:predict" % port
        lines = predict_request.first_lines(eval_file, _PREDICTED_ROWS)
        predictions = predict_request.post_rows(url, lines)
        _say("POST %s answered %d predictions" % (url, len(predictions)))
        answer = [(line.split("\t", 1)[0], p) for line, p in zip(lines, predictions)]
    finally:
        code = server.stop()
    server.check_ended(code)
    return answer


def _write_report(model_dir: str, saved_model: str, eval_file: str, work_dir: str) -> str:
    """Returns the page's path; raises ProcessError if it could not be made."""
    path = os.path.join(work_dir, "report.html")
    command = [
        os.path.join(_ROOT, "launch", "report", "report"),
        "--model_dir=" + model_dir,
        "--saved_model=" + saved_model,
        "--eval_file=" + eval_file,
        "--output=" + path,
    ]
    _say("report: scoring the evaluation rows")
    report = processes.Process(
        "report", command, dict(os.environ), os.path.join(work_dir, "logs", "report.log"), _say
    )
    try:
        report.check_ended(report.wait(float("inf")))
    finally:
        report.stop()
    return path


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    task_view.write(sys.stdout, line + "\n")


def _complain(line: str) -> None:
    task_view.write(sys.stderr, "local: %s\n" % line)


if __name__ == "__main__":
    sys.exit(main())
