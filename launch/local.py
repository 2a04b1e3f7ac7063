"""`//launch:local`: the whole job on this machine, from raw rows to a served prediction.

Starts what users start elsewhere: the ps, worker, evaluator and server programs, each a process of
its own on 127.0.0.1, with the TF_CONFIG that TI-ONE would give them.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
import uuid
from typing import List, Optional, Tuple

from data_pipeline import command_line, errors, generated_file, row_source
from launch import local_cluster, options, predict_request, processes
from model import history, hyper_parameters, parameter_flags

# Beside this file: the workspace's root in runfiles.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PREDICTED_ROWS = 5


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0 when a prediction was served; 1 when a part failed; 2 for wrong input."""
    # So that `finally` runs, and no child survives, when this process is told to stop.
    signal.signal(signal.SIGTERM, _interrupt)
    command_line.enter_users_folder()
    flags = _parser().parse_args(argv)
    try:
        return _run(flags)
    except errors.InputError as e:
        _complain("error: %s" % e)
        return 2
    except processes.ProcessError as e:
        _complain("error: %s" % e)
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; every process was stopped")
        return 130


def _run(flags: argparse.Namespace) -> int:
    started = time.monotonic()
    # All checks first: wrong input leaves nothing behind.
    options.check_numbers(flags)
    if bool(flags.train_file) != bool(flags.eval_file):
        raise errors.InputError(
            "expected both --train_file and --eval_file, or neither for generated data"
        )
    if flags.train_file:
        row_source.of_flag("--train_file", flags.train_file)
        row_source.of_flag("--eval_file", flags.eval_file)
    work_dir, logs = _work_dir(flags.work_dir)
    best_auc = None
    if not flags.train_file:
        flags.train_file, flags.eval_file, best_auc = _generate(
            work_dir, flags.rows, getattr(flags, "seed", 0)
        )
    model_dir = os.path.join(work_dir, "model")
    export_dir = os.path.join(work_dir, "export")
    _train(flags, model_dir, export_dir, logs)
    saved_model = os.path.join(export_dir, "saved_model")
    (timestamp,) = os.listdir(saved_model)
    answer = _serve_and_ask(os.path.join(saved_model, timestamp), flags.eval_file, logs)
    _summary(work_dir, os.path.join(saved_model, timestamp), model_dir, best_auc, answer, started)
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


def _train(flags: argparse.Namespace, model_dir: str, export_dir: str, logs: str) -> None:
    _say(
        "training: %d ps, %d worker(s), 1 evaluator; logs in %s"
        % (flags.num_ps, flags.num_workers, logs)
    )
    with local_cluster.running(
        os.path.join(_ROOT, "launch"),
        flags.num_ps,
        flags.num_workers,
        _task_flags(flags, model_dir, export_dir, uuid.uuid4().hex),
        logs,
        _say,
    ) as cluster:
        cluster.wait(float("inf"))


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


def _summary(
    work_dir: str,
    saved_model: str,
    model_dir: str,
    best_auc: Optional[float],
    answer: List[Tuple[str, float]],
    started: float,
) -> None:
    record = history.History(model_dir).best()
    assert record is not None  # or the evaluator would have failed
    quality = "eval AUC {auc:.4f}, log loss {log_loss:.4f}, calibration {calibration:.3f}".format(
        **record
    )
    if best_auc is not None:
        quality += " (the generator's own probabilities reach AUC %.4f)" % best_auc
    _say("")
    _say("prediction  " + "  ".join("label %s -> %.4f" % pair for pair in answer))
    _say("quality     " + quality)
    _say("model       " + saved_model)
    _say("everything  %s (data, checkpoints, evaluations, logs)" % work_dir)
    _say("took        %d s" % (time.monotonic() - started))
    _say("next        ./bazelw run //serving:server -- --model_dir=" + shlex.quote(saved_model))
    _say("            ./bazelw run //launch:local -- --train_file=TRAIN.tsv --eval_file=EVAL.tsv")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local",
        description="Trains, exports, serves and asks for a prediction, on this machine.",
        epilog="Without files it generates Criteo-like rows. Example: ./bazelw run //launch:local "
        "-- --train_file=/data/train.tsv --eval_file=/data/eval.tsv --epochs=2",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--train_file", help="Criteo TSV: a file, a quoted glob, or a folder")
    parser.add_argument("--eval_file", help="likewise, for evaluation")
    parser.add_argument("--rows", type=_rows, default=400000, help="generated training rows")
    parser.add_argument("--work_dir", help="gets everything (default: a new temporary folder)")
    parser.add_argument("--num_ps", type=_positive, default=1, help="parameter servers")
    parser.add_argument(
        "--num_workers", type=_positive, default=1, help="workers, the chief included"
    )
    options.add_training_flags(parser)
    parameter_flags.add(parser, "hyper-parameters")
    # A laptop's data: so that there is something to watch.
    parser.set_defaults(save_checkpoints_steps=100, log_steps=20)
    return parser


def _task_flags(
    flags: argparse.Namespace, model_dir: str, export_dir: str, job_id: str
) -> List[str]:
    own = {"rows", "work_dir", "num_ps", "num_workers"}
    passed = {name: value for name, value in vars(flags).items() if name not in own}
    passed.update(model_dir=model_dir, export_dir=export_dir, job_id=job_id)
    return [
        "--%s=%s" % (name, hyper_parameters.text_of(value))
        for name, value in sorted(passed.items())
    ]


def _rows(text: str) -> int:
    value = int(text)
    if value < 1000:
        raise argparse.ArgumentTypeError("expected at least 1000, got %d" % value)
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected at least 1, got %d" % value)
    return value


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(line: str) -> None:
    print("local: " + line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
