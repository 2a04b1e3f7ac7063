"""One picture of a report, with its words."""

from typing import Any, Callable, NamedTuple

from launch.report import inline_svg

# As wide as a phone's screen is, so that text has its size there.
_WIDTH_INCHES = 4.6
_LEFT_INCHES, _RIGHT_INCHES, _TOP_INCHES, _BOTTOM_INCHES = 0.66, 0.14, 0.16, 0.45
_LABEL_INCHES = 0.48  # from the axis, so that tick labels of any length have room


class Plot(NamedTuple):
    """A picture of a page.

    Attributes:
      title: What it shows, with its unit; plain text.
      note: What to know when looking at it; plain text.
      svg: An <svg> element.
    """

    title: str
    note: str
    svg: str


def plot(title: str, note: str, height_inches: float, draw: Callable[[Any], None]) -> Plot:
    """Draws a picture of one pair of axes.

    Args:
      title: See Plot; unique in its page.
      note: See Plot.
      height_inches: Of the picture.
      draw: Gets the matplotlib.axes.Axes, with our style in force.
    """

    def drawn() -> Any:
        from matplotlib import figure

        result = figure.Figure(figsize=(_WIDTH_INCHES, height_inches))
        axes = result.subplots()
        result.subplots_adjust(
            left=_LEFT_INCHES / _WIDTH_INCHES,
            right=1 - _RIGHT_INCHES / _WIDTH_INCHES,
            top=1 - _TOP_INCHES / height_inches,
            bottom=_BOTTOM_INCHES / height_inches,
        )
        width = _WIDTH_INCHES - _LEFT_INCHES - _RIGHT_INCHES
        axes.yaxis.set_label_coords(-_LABEL_INCHES / width, 0.5)
        draw(axes)
        return result

    return Plot(title, note, inline_svg.svg(drawn, title, title))
