"""Figures as SVG inside an HTML page: equal figures give equal text, and the page has the colours.

Text stays text, in the page's font; colours of data_pipeline/picture.py become variables that the
page sets, so that one picture fits light and dark.
"""

import html
import io
import re
from typing import Any, Callable

from data_pipeline import picture

# Of the page's style sheet.
VARIABLES = {
    picture.DARK: "--dark",
    picture.LIGHT: "--light",
    picture.ORANGE: "--orange",
    picture.RED: "--red",
    picture.INK: "--ink",
    picture.FAINT: "--faint",
}

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": picture.INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": picture.INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.color": picture.FAINT,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "text.color": picture.INK,
    "xtick.color": picture.INK,
    "ytick.color": picture.INK,
}

# What matplotlib puts around and into an <svg> that a page does not need, such as today's date.
_AROUND = re.compile(r"\A.*?(?=<svg )", re.DOTALL)
_INSIDE = re.compile(
    r'<metadata>.*?</metadata>|<style type="text/css">.*?</style>|<!--.*?-->'
    r'| xmlns(:xlink)?="[^"]*"| version="[^"]*"| (width|height)="[0-9.]+pt"'
    r'| transform="rotate\(-?0, [^"]*\)"',
    re.DOTALL,
)
_ID = re.compile(r' id="([^"]*)"')
_USED_ID = re.compile(r'(?:url\(|xlink:href=")#([^")]+)')
_FONT = re.compile(r"font: ([0-9.]+px) [^;\"]*")
_LINE_ENDS = re.compile(r"\s*\n\s*")


def svg(draw: Callable[[], Any], name: str, description: str) -> str:
    """Returns an <svg> element without a size: the page's style says how wide it is.

    Args:
      draw: Returns a matplotlib.figure.Figure; called with our style in force.
      name: Unique in the page, as the ids of the element's parts are made from it.
      description: For those who do not see it.
    """
    # Imported here: it takes half a second and 50 MB, and only pictures need it.
    import matplotlib
    from matplotlib.backends import backend_svg

    # Not that of the user's matplotlibrc.
    parameters = dict(matplotlib.rcParamsDefault, **_STYLE)
    parameters["svg.hashsalt"] = name
    parameters.pop("backend")
    with matplotlib.rc_context(parameters):
        output = io.BytesIO()
        backend_svg.FigureCanvasSVG(draw()).print_svg(output)
    return _for_page(output.getvalue().decode("utf-8"), description)


def _for_page(text: str, description: str) -> str:
    text = _INSIDE.sub("", _AROUND.sub("", text))
    used = set(_USED_ID.findall(text))
    # Several figures would use the same names for the parts that nothing refers to.
    text = _ID.sub(lambda match: match.group() if match.group(1) in used else "", text)
    text = _FONT.sub(r"font-size: \1", text)
    for color, variable in VARIABLES.items():
        text = text.replace(color, "var(%s)" % variable)
    # Line ends in paths are separators.
    text = _LINE_ENDS.sub(" ", text).replace("> <", "><").strip()
    label = html.escape(description, quote=True)
    return text.replace("<svg", '<svg role="img" aria-label="%s"' % label, 1)
