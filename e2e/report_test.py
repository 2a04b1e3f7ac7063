"""//launch/report of a real job, looked at in a real browser."""

import os
import re
import subprocess

import pytest
from matplotlib import colors, image

from data_pipeline import picture
from e2e import programs, small_job
from third_party.chromium import browser

_PLOTS = [
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

# Of an <svg>, the texts that are not wholly in it, and how far they stick out in pixels.
_CUT_TEXTS = """[...document.querySelectorAll("svg")].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].map(text => {
    const own = text.getBoundingClientRect();
    const out = Math.max(box.left - own.left, own.right - box.right,
                         box.top - own.top, own.bottom - box.bottom);
    return [text.textContent, out];
  }).filter(([_, out]) => out > 1);
})"""

# Pairs of an <svg>'s texts that cover one another.
_COLLIDING_TEXTS = """[...document.querySelectorAll("svg")].flatMap(svg => {
  const texts = [...svg.querySelectorAll("text")]
    .map(text => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([name, a], i) => texts.slice(i + 1).filter(([_, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
  ).map(([other, _]) => [name, other]));
})"""


def _report(*flags):
    return subprocess.run(
        [programs.binary("launch/report/report")] + list(flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder with the files and the job of small_job, and the path of the job's report."""
    folder = tmp_path_factory.mktemp("job")
    small_job.write_data(folder)
    model = small_job.train(folder, folder, 1)
    path = str(folder / "report.html")
    result = _report(
        "--model_dir=%s" % (folder / "model"),
        "--saved_model=%s" % model,
        "--eval_file=%s" % (folder / "eval.tsv"),
        "--output=%s" % path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "report: " + path
    return folder, path


def _has_color(pixels, color):
    """Whether a picture has pixels of a colour, as a line's middle has."""
    distance = abs(pixels[..., :3] - colors.to_rgb(color)).max(axis=2)
    return (distance < 0.02).sum() > 20


def test_page_shows_the_job_and_asks_for_nothing(job, tmp_path):
    folder, path = job
    with browser.open_page(path) as page:
        assert (page.errors, page.requests) == ([], [])
        assert page.title == "Training report"
        text = page.text
        page.screenshot(str(tmp_path / "page.png"), full_page=True)
    for pattern in (
        r"\nAUC\n0\.\d{4}\n",
        r"\nLog loss\n0\.\d{4}\n",
        r"\nSteps\n%d\nbatch size %d\n" % (small_job.last_step(folder), small_job.BATCH),
        r"\nTraining time\n(\d+ min )?\d+ s\nof the chief\n",
        r"\nThroughput\n[\d,]+\nsamples/s, median\n",
        r"\nEvaluation data\n%d\nrows, " % small_job.EVAL_ROWS,
        r"All %d rows of the evaluation file" % small_job.EVAL_ROWS,
        r"0\.\d+ or more is a click: the threshold with the highest F1 on these rows\.",
        r"\nembedding_dim\s+4\s",
        r"\nfile\s+train.tsv, [\d,]+ bytes\n",
    ):
        assert re.search(pattern, text), pattern + "\n" + text
    pixels = image.imread(str(tmp_path / "page.png"))
    for color in (picture.DARK, picture.LIGHT, picture.ORANGE, picture.INK):
        assert _has_color(pixels, color), color


# A desktop's window, and a phone.
@pytest.mark.parametrize("width", [1200, 390])
def test_every_plot_is_whole_at_any_width(job, width):
    _, path = job
    with browser.open_page(path, width=width) as page:
        assert page.evaluate(
            "[...document.querySelectorAll('figure b')].map(b => b.innerText)"
        ) == (_PLOTS)
        sizes = page.evaluate(
            "[...document.querySelectorAll('figure svg')]"
            ".map(svg => [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height])"
        )
        assert len(sizes) == len(_PLOTS)
        # As wide as a third of the window, or as the phone.
        assert all(min(320, width) - 40 < w < 480 and 150 < h < 400 for w, h in sizes), sizes
        assert page.evaluate(_CUT_TEXTS) == []
        assert page.evaluate(_COLLIDING_TEXTS) == []
        # Nothing is beside the window.
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_wrong_input_is_one_line_and_exit_code_2(tmp_path):
    result = _report("--model_dir=%s" % tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.search("^report: error: .*training.json$", result.stderr.splitlines()[-1])
    assert os.listdir(str(tmp_path)) == []
