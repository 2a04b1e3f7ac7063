"""What goes into a page comes out as text, whatever it is."""

import html.parser

import hypothesis
import pytest
from hypothesis import strategies as st

from data_pipeline import rows_testing
from launch.report import html_parts, report_plot

_PLOT = report_plot.Plot("Title & unit", "A <note>.", "<svg></svg>")
_EVIL = "<script>alert(\"1\" & '2')</script>"


class _Parser(html.parser.HTMLParser):
    """Collects start tags with their classes, and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def _parse(markup):
    parser = _Parser()
    parser.feed(markup)
    parser.close()
    return parser


@rows_testing.PROPERTY
@hypothesis.given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\0")))
def test_any_text_is_text(words):
    for markup in (html_parts.paragraph(words), html_parts.heading(words)):
        parsed = _parse(markup)
        assert len(parsed.tags) == 1 and parsed.text == words
    assert _parse(html_parts.verbatim(words)).text == "\n" + words


@pytest.mark.parametrize(
    "markup",
    [
        html_parts.section(_EVIL, []),
        html_parts.cards([(_EVIL, _EVIL, _EVIL)]),
        html_parts.table((_EVIL, _EVIL), [(_EVIL, _EVIL)], html_parts.MEANINGS),
        html_parts.figures([_PLOT._replace(title=_EVIL, note=_EVIL)]),
    ],
)
def test_markup_in_words_is_shown_and_not_done(markup):
    parsed = _parse(markup)
    assert "script" not in parsed.tags and _EVIL in parsed.text


def test_table_names_columns_and_rows():
    markup = html_parts.table(("", "b"), [("x", 1), ("y", 2)], html_parts.NUMBERS)
    assert markup == (
        '<div class="box"><table class="numbers">\n'
        '<thead><tr><th scope="col"></th><th scope="col">b</th></tr></thead>\n'
        "<tbody>\n"
        '<tr><th scope="row">x</th><td>1</td></tr>\n'
        '<tr><th scope="row">y</th><td>2</td></tr>\n'
        "</tbody>\n"
        "</table></div>"
    )


def test_table_without_header_has_none():
    assert "thead" not in html_parts.table((), [("x", 1)])


def test_figures_are_those_that_are_there_and_what_follows():
    markup = html_parts.figures([None, _PLOT, None], wide="<p>more</p>")
    assert markup.count("<figure>") == 1
    assert "<b>Title &amp; unit</b> A &lt;note&gt;." in markup and "<svg></svg>" in markup
    assert '<div class="wide">\n<p>more</p>\n</div>' in markup


def test_nothing_is_shown_of_no_figures():
    assert html_parts.figures([None]) == ""
