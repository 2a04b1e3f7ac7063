"""The report of a training as one HTML page that needs nothing else: no script, no request."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from launch.report import (
    html_parts,
    number_text,
    report_data,
    report_facts,
    report_scores,
    report_style,
    scores,
    training_plots,
)
from model import history

_METRICS = (
    ("auc", "AUC", "Of the evaluation rows; higher is better."),
    ("log_loss", "Log loss", "Of the evaluation rows, natural logarithm; lower is better."),
    (
        "calibration",
        "Calibration",
        "Mean prediction / mean label of the evaluation rows. Dashed: 1, the ideal.",
    ),
)


class Report(NamedTuple):
    """What a page is made of.

    Attributes:
      run: Of the job's model_dir.
      saved_model: Folder of the exported model, or None.
      step: Global step of that model, or None where it does not say.
      scored: Its scores, or None.
    """

    run: report_data.Run
    saved_model: Optional[str]
    step: Optional[int]
    scored: Optional[scores.Scored]


def render(report: Report) -> str:
    """Returns the page; equal reports give equal text, without a date or a name of the machine."""
    evaluation = report_data.shown_evaluation(report.run, report.step)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        # Or a browser would ask the server for an icon.
        '<link rel="icon" href="data:,">',
        "<title>Training report</title>",
        "<style>%s</style>" % report_style.sheet(),
        "</head>",
        "<body>",
        "<h1>Training report</h1>",
        _summary(report, evaluation),
        _over_steps(report, evaluation),
        report_scores.section(report.scored),
        report_facts.configuration(report.run),
        report_facts.data(report.run.facts),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(report: Report, evaluation: Optional[history.Record]) -> str:
    run = report.run
    record = evaluation or {}
    step = record.get("global_step")
    cards = [
        ("AUC", number_text.number(record.get("auc"), "%.4f"), "evaluation rows"),
        ("Log loss", number_text.number(record.get("log_loss"), "%.4f"), "evaluation rows"),
        (
            "Calibration",
            number_text.number(record.get("calibration"), "%.3f"),
            "mean prediction / mean label",
        ),
        _steps_card(run, step),
        (
            "Training time",
            number_text.duration(run.training.secs) if run.training.lines else number_text.ABSENT,
            _sessions(run.training),
        ),
        (
            "Throughput",
            number_text.count(run.training.samples_per_sec),
            "samples/s, median",
        ),
        ("Training data",) + _amount(run.facts, "train", None),
        ("Evaluation data",) + _amount(run.facts, "eval", report.scored),
    ]
    model = "Model: %s" % (report.saved_model or number_text.ABSENT)
    return html_parts.paragraph(model) + "\n" + html_parts.cards(cards)


def _steps_card(run: report_data.Run, step: Optional[int]) -> Tuple[str, str, str]:
    seen = [record["global_step"] for record in run.evaluations]
    seen += [line.step for line in run.training.lines]
    last = max(seen) if seen else None
    note = "batch size %s" % number_text.count(run.parameters.batch_size)
    if step is not None and step != last:
        note = "the model is of step %s" % number_text.count(step)
    return "Steps", number_text.count(last), note


def _over_steps(report: Report, evaluation: Optional[history.Record]) -> str:
    run = report.run
    step = evaluation["global_step"] if evaluation else None
    metrics = [training_plots.metric(run, *metric, shown_step=step) for metric in _METRICS]
    plots = [training_plots.loss(run)] + metrics + [training_plots.throughput(run)]
    words = []
    if evaluation is None:
        words.append("No checkpoint was evaluated.")
    elif step == report.step:
        words.append("Step %s, of the exported model, is marked." % number_text.count(step))
    else:
        (name,) = [title for key, title, _ in _METRICS if key == run.parameters.metric]
        best = number_text.count(step), name
        words.append("Step %s, which has the best %s, is marked." % best)
    absent = [title for (_, title, _), plot in zip(_METRICS, metrics) if plot is None]
    if run.evaluations and absent:
        words.append("No evaluation has a number as %s." % " or ".join(absent))
    if not run.training.lines:
        words.append("The job left no progress: no loss of single steps, no throughput.")
    if run.training.unreadable:
        words.append("Lines of progress that cannot be read: %d." % run.training.unreadable)
    parts = [html_parts.paragraph(" ".join(words)), html_parts.figures(plots)]
    return html_parts.section("Training", parts)


def _amount(facts: Dict[str, Any], which: str, scored: Optional[scores.Scored]) -> Tuple[str, str]:
    """Returns how much data there are, and of what kind; text is counted only when it is scored."""
    data = facts.get("data", {}).get(which, {})
    if "rows" in data:
        return number_text.count(data["rows"]), "rows in row blocks"
    size_bytes = sum(file["size_bytes"] for file in data.get("files", []))
    size = "%.3g MB" % (size_bytes / 1e6)
    if scored and scored.is_all:
        return number_text.count(scored.histogram.rows), "rows, %s of text" % size
    return (size, "of text") if size_bytes else (number_text.ABSENT, "")


def _sessions(training: report_data.Training) -> str:
    if training.sessions > 1:
        return "of the chief, in %d sessions" % training.sessions
    return "of the chief" if training.lines else "the job left no progress"
