import html.parser
import json
import re

import numpy as np
import pytest

from launch.report import report_data, report_page, score_histogram, scores
from model import hyper_parameters

pytestmark = pytest.mark.filterwarnings("error")

_FACTS = {
    "data": {
        "train": {"kind": "row_blocks", "rows": 60000, "positives": 13000, "shards": 2},
        "eval": {"kind": "text", "files": [{"name": "eval.tsv", "size_bytes": 2915102}]},
    },
    "flags": {"export": "best"},
    "code_sha256": "ab" * 32,
}
_EVALUATIONS = (
    {"global_step": 100, "auc": 0.72, "log_loss": 0.48, "calibration": 1.19, "loss": 0.49},
    {"global_step": 469, "auc": 0.75557, "log_loss": 0.45762, "calibration": 0.98526, "loss": 0.46},
)


def _line(step, secs, rate):
    return json.dumps({"step": step, "loss": 0.5, "samples_per_sec": rate, "secs": secs}) + "\n"


_PROGRESS = _line(1, 2.0, None) + _line(200, 70.0, 6000.0) + _line(460, 189.0, 7000.0)


def _report(progress=_PROGRESS, evaluations=_EVALUATIONS, facts=None, config=None, **changes):
    histogram = score_histogram.ScoreHistogram()
    histogram.add(np.array([0, 1, 0, 1]), np.array([-1.0, 0.0, 0.0, 1.0]))
    run = report_data.Run(
        hyper_parameters.HyperParameters(batch_size=128),
        _FACTS if facts is None else facts,
        tuple(evaluations),
        report_data.parse_progress(progress),
        config,
    )
    scored = scores.Scored(histogram, is_all=True)
    report = report_page.Report(run, "/models/1795606641", 469, scored)
    return report._replace(**changes)


class _Checker(html.parser.HTMLParser):
    """Fails on tags that do not match, and collects tags and ids."""

    _EMPTY = ("link", "meta")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self._EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _check(page):
    checker = _Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def _cards(page):
    found = re.findall("<dt>([^<]*)</dt><dd><b>([^<]*)</b> <small>([^<]*)</small>", page)
    return {label: (value, note) for label, value, note in found}


def test_equal_reports_give_equal_pages():
    assert report_page.render(_report()) == report_page.render(_report())
    assert report_page.render(_report()) != report_page.render(_report(step=100))


def test_page_is_well_formed_and_its_ids_are_unique():
    checker = _check(report_page.render(_report(config="a: 1\n")))
    assert len(checker.ids) == len(set(checker.ids)) > 10


def test_page_holds_all_parts_in_order():
    page = report_page.render(_report(config="a: 1\n"))
    assert re.findall("<h2>([^<]*)", page) == [
        "Training",
        "Scores of the exported model",
        "Configuration",
        "Data and code",
    ]
    assert re.findall("<figcaption><b>([^<]*)", page) == [
        "Loss with regularisation over steps",
        "AUC over steps",
        "Log loss over steps",
        "Calibration over steps",
        "Throughput over steps, samples/s",
        "ROC",
        "Precision and recall",
        "Calibration",
        "Scores by label",
    ]


def test_page_needs_nothing_else():
    page = report_page.render(_report(config="a: 1\n"))
    checker = _check(page)
    names = {tag for tag, _ in checker.tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "base", "form", "a"}
    (policy,) = [a["content"] for t, a in checker.tags if a.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert [attributes["href"] for tag, attributes in checker.tags if tag == "link"] == ["data:,"]
    assert "http://" not in page and "https://" not in page
    assert set(re.findall(r"url\(([^)])", page)) == {"#"}


def test_summary_has_the_model_and_its_numbers():
    page = report_page.render(_report())
    assert "<p>Model: /models/1795606641</p>" in page
    assert _cards(page) == {
        "AUC": ("0.7556", "evaluation rows"),
        "Log loss": ("0.4576", "evaluation rows"),
        "Calibration": ("0.985", "mean prediction / mean label"),
        "Steps": ("469", "batch size 128"),
        "Training time": ("3 min 09 s", "of the chief"),
        "Throughput": ("6,500", "samples/s, median"),
        "Training data": ("60,000", "rows in row blocks"),
        "Evaluation data": ("4", "rows, 2.92 MB of text"),
    }
    assert "Step 469, of the exported model, is marked." in page


def test_exported_model_of_an_earlier_step_is_told():
    page = report_page.render(_report(step=100))
    assert _cards(page)["AUC"][0] == "0.7200"
    assert _cards(page)["Steps"] == ("469", "the model is of step 100")
    assert "Step 100, of the exported model, is marked." in page


@pytest.mark.parametrize("step", [None, 50])
def test_best_evaluation_stands_for_a_model_without_one(step):
    page = report_page.render(_report(step=step))
    assert _cards(page)["AUC"][0] == "0.7556"
    assert "Step 469, which has the best AUC, is marked." in page


def test_restarts_are_told():
    page = report_page.render(_report(progress=_PROGRESS + _line(461, 3.0, None) + "x\n"))
    assert _cards(page)["Training time"] == ("3 min 12 s", "of the chief, in 2 sessions")
    assert "Lines of progress that cannot be read: 1." in page


def test_some_of_the_rows_do_not_stand_for_all():
    scored = _report().scored._replace(is_all=False)
    assert _cards(report_page.render(_report(scored=scored)))["Evaluation data"] == (
        "2.92 MB",
        "of text",
    )


def test_page_of_a_job_that_left_nothing_says_so():
    page = report_page.render(_report("", [], {}, saved_model=None, step=None, scored=None))
    _check(page)
    assert "<svg" not in page
    for words in (
        "No checkpoint was evaluated.",
        "The job left no progress",
        "No --eval_file was given",
        "Nothing was recorded.",
        "Model: \u2013",
    ):
        assert words in page
    assert {value for value, _ in _cards(page).values()} == {"\u2013"}


def test_metric_that_is_no_number_is_told():
    records = [dict(record, auc=float("nan")) for record in _EVALUATIONS]
    page = report_page.render(_report(evaluations=records))
    assert "No evaluation has a number as AUC." in page
    assert _cards(page)["AUC"][0] == "\u2013"
    assert "AUC over steps" not in page and "Log loss over steps" in page


def test_markup_in_what_the_job_left_is_shown_and_not_done():
    evil = "</pre><script>alert(1)</script>"
    facts = dict(_FACTS, code_sha256=evil, flags={evil: evil})
    page = report_page.render(_report(facts=facts, config=evil, saved_model=evil))
    assert "<script" not in page
    assert page.count("&lt;/pre&gt;&lt;script&gt;") == 5
    _check(page)
