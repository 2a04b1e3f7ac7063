"""How our pictures look, and how they get into a file: equal figures give equal bytes."""

from typing import Any, Callable, Dict, Optional

from data_pipeline import whole_file

DARK, LIGHT, ORANGE, RED = "#2f6690", "#a9c8de", "#e08e45", "#b23a48"
INK, FAINT = "#333333", "#e4e4e4"

_STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlecolor": INK,
    "font.size": 10,
    "grid.color": FAINT,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def write(path: str, draw: Callable[[], Any], style: Optional[Dict[str, Any]] = None) -> None:
    """Writes a PNG, whole or not at all.

    Args:
      path: File to write; replaced if it exists.
      draw: Returns a matplotlib.figure.Figure; called with our style in force.
      style: What else of matplotlib's rcParams to set.

    Raises:
      InputError: The file cannot be written there.
    """
    # Imported here: it takes half a second and 50 MB, and only pictures need it.
    import matplotlib
    from matplotlib.backends import backend_agg

    # Not that of the user's matplotlibrc.
    parameters = dict(matplotlib.rcParamsDefault, **_STYLE)
    parameters.update(style or {})
    parameters.pop("backend")
    with matplotlib.rc_context(parameters), whole_file.replace(path) as file:
        canvas = backend_agg.FigureCanvasAgg(draw())
        # The version of matplotlib is left out, and there is no date.
        canvas.print_png(file, metadata={"Software": None})
