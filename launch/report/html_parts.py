"""Parts of an HTML page; every text that goes in is escaped here."""

import html
from typing import Iterable, Optional, Sequence

from launch.report import report_plot

# Kinds of tables: of words; of numbers, which stand to the right and keep their line ends; of
# names, values and meanings, where a narrow screen has the last below the others.
PLAIN, NUMBERS, MEANINGS = "plain", "numbers", "meanings"


def text(value: object) -> str:
    """Returns a value as text that means nothing to a browser."""
    return html.escape(str(value), quote=True)


def heading(title: str) -> str:
    """Returns a heading within a section."""
    return "<h3>%s</h3>" % text(title)


def section(title: str, parts: Iterable[str]) -> str:
    """Returns a section of ready parts below a heading."""
    return "<section>\n<h2>%s</h2>\n%s\n</section>" % (text(title), "\n".join(parts))


def paragraph(words: str) -> str:
    """Returns plain words as a paragraph."""
    return "<p>%s</p>" % text(words)


def verbatim(words: str) -> str:
    """Returns the words as they are, line by line."""
    # A parser drops a line end at the very beginning, so there is one of our own.
    return "<pre>\n%s</pre>" % text(words)


def figures(plots: Iterable[Optional[report_plot.Plot]], wide: str = "") -> str:
    """Returns the plots that there are, as many beside one another as there is room for.

    Args:
      plots: Of which those that are None are left out.
      wide: Ready parts that follow them in the room of two.
    """
    shown = [
        "<figure>\n<figcaption><b>%s</b> %s</figcaption>\n%s\n</figure>"
        % (text(plot.title), text(plot.note), plot.svg)
        for plot in plots
        if plot is not None
    ]
    shown += ['<div class="wide">\n%s\n</div>' % wide] if wide else []
    return '<div class="figures">\n%s\n</div>' % "\n".join(shown) if shown else ""


def cards(items: Iterable[Sequence[str]]) -> str:
    """Returns (label, value, note) of each item as a card."""
    shown = [
        "<div><dt>%s</dt><dd><b>%s</b> <small>%s</small></dd></div>" % tuple(map(text, item))
        for item in items
    ]
    return '<dl class="cards">\n%s\n</dl>' % "\n".join(shown)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], kind: str = PLAIN) -> str:
    """Returns a table whose first column names the rows.

    Args:
      header: Of each column; no header line where it is empty.
      rows: Cells, as many as the header has.
      kind: PLAIN, NUMBERS or MEANINGS.
    """
    lines = []
    if header:
        cells = "".join('<th scope="col">%s</th>' % text(cell) for cell in header)
        lines.append("<thead><tr>%s</tr></thead>" % cells)
    lines.append("<tbody>")
    for first, *others in rows:
        cells = "".join("<td>%s</td>" % text(cell) for cell in others)
        lines.append('<tr><th scope="row">%s</th>%s</tr>' % (text(first), cells))
    lines.append("</tbody>")
    # The box scrolls where the screen is narrower than the table.
    return '<div class="box"><table class="%s">\n%s\n</table></div>' % (kind, "\n".join(lines))
