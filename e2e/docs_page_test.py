"""The page about the API of the real server, used in a real browser."""

import json

import pytest

from e2e import programs
from serving import sample_model
from third_party.chromium import browser

_PREDICT = "#operations-model-predict"
_ANSWER = _PREDICT + " .live-responses-table"

# What the page shows of an answer is coloured JSON, with the status before it.
_TEXT = "document.querySelector('%s').innerText"
_BODY = _TEXT % (_ANSWER + " .microlight")
_STATUS = _TEXT % (_ANSWER + " tbody .response-col_status")

_FILES = ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js", "openapi.json"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    sample_model.export(str(folder / "model" / "1662111628"))
    with programs.server(str(folder), str(folder)) as predict_url:
        yield predict_url.partition("v1/")[0]


@pytest.fixture
def page(url):
    with browser.open_page(url + "docs", height=1400) as opened:
        opened.wait_for("document.querySelectorAll('.opblock').length == 6")
        yield opened


def click(page, selector):
    page.wait_for("document.querySelectorAll(%s).length == 1" % json.dumps(selector))
    page.click(selector)


def choose(page, selector, value):
    """Takes an option of a <select> as React notices it."""
    script = (
        "(box => {box.value = %s; box.dispatchEvent(new Event('change', {bubbles: true}));})"
        "(document.querySelector(%s))"
    )
    page.evaluate(script % (json.dumps(value), json.dumps(selector)))


@pytest.mark.parametrize("form", ["instances", "rows", "wire"])
def test_every_example_can_be_tried(page, url, form):
    click(page, _PREDICT + " .opblock-summary-control")
    click(page, _PREDICT + " .try-out__btn")
    page.wait_for("!!document.querySelector('%s .execute')" % _PREDICT)
    choose(page, _PREDICT + " .examples-select-element", form)
    key = {"wire": "indexes"}.get(form, form)
    page.wait_for("document.querySelector('%s textarea').value.includes('%s')" % (_PREDICT, key))
    click(page, _PREDICT + " .execute")
    page.wait_for("!!document.querySelector(%s)" % json.dumps(_ANSWER + " .microlight"))
    assert page.evaluate(_STATUS).split() == ["200"]
    answer = json.loads(page.evaluate(_BODY))
    assert set(answer) - {"predictions"} == {"auc", "prediction"}
    assert [len(row) for row in answer["prediction"]] == [1, 1]
    assert all(0 < probability < 1 for (probability,) in answer["prediction"])
    assert page.errors == []
    assert page.requests == [url + name for name in [*_FILES, "v1/models/m:predict"]]


def test_a_refusal_is_shown(page):
    click(page, _PREDICT + " .opblock-summary-control")
    click(page, _PREDICT + " .try-out__btn")
    page.wait_for("!!document.querySelector('%s textarea')" % _PREDICT)
    page.evaluate(
        "(box => {Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')"
        '.set.call(box, \'{"rows": ["x"]}\'); '
        "box.dispatchEvent(new Event('input', {bubbles: true}));})"
        "(document.querySelector('%s textarea'))" % _PREDICT
    )
    click(page, _PREDICT + " .execute")
    page.wait_for("!!document.querySelector(%s)" % json.dumps(_ANSWER + " .microlight"))
    assert page.evaluate(_STATUS).split()[0] == "400"
    want = "rows[0]: expected a line of 39 columns, or 40 with the label, got 1 columns"
    assert json.loads(page.evaluate(_BODY)) == {"error": want}
