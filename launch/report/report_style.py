"""The style sheet of a report: on screens of any width, light or dark, and on paper."""

from typing import Dict

from data_pipeline import picture
from launch.report import inline_svg

# Beside those of data_pipeline/picture.py.
_LIGHT = dict({color: color for color in inline_svg.VARIABLES}, paper="#ffffff", card="#f4f6f8")

_DARK = {
    picture.DARK: "#7db4dc",
    picture.LIGHT: "#3d617d",
    picture.ORANGE: "#f0a55f",
    picture.RED: "#ea7b87",
    picture.INK: "#d9dcdf",
    picture.FAINT: "#343a41",
    "paper": "#15181c",
    "card": "#20252b",
}

_RULES = """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); margin: 0 auto; padding: 1rem;
  max-width: 75rem; font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0.2rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.6rem; border-bottom: 1px solid var(--faint); }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
p { max-width: 50rem; overflow-wrap: anywhere; }
small { display: block; }
.cards { display: grid; grid-template-columns: repeat(2, 1fr); gap: 0.6rem; margin: 0; }
@media (min-width: 40rem) { .cards { grid-template-columns: repeat(4, 1fr); } }
.cards div { background: var(--card); border-radius: 0.4rem; padding: 0.5rem 0.7rem; }
.cards dt { font-size: 0.85rem; }
.cards dd { margin: 0; }
.cards b { font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 1.6rem 1.2rem; }
@media (min-width: 48rem) { .wide { grid-column: span 2; } }
.wide h3, .wide p { margin: 0 0 0.4rem; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; }
figcaption { font-size: 0.85rem; margin-bottom: 0.3rem; }
figcaption b { display: block; font-size: 1rem; }
/* At the bottom, so that those of a row are level. */
svg { display: block; width: 100%; height: auto; margin-top: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.box { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; font-weight: normal;
  padding: 0.25rem 0.8rem 0.25rem 0; border-bottom: 1px solid var(--faint); }
td:last-child { overflow-wrap: anywhere; }
thead th { font-weight: bold; }
.numbers td, .numbers thead th { text-align: right; white-space: pre-line; padding-left: 0.8rem;
  font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) {
  .meanings { width: 100%; }
  .meanings tr { display: grid; grid-template-columns: 1fr auto;
    border-bottom: 1px solid var(--faint); }
  .meanings th, .meanings td { border: 0; }
  .meanings tr > :nth-child(3) { grid-column: 1 / -1; padding-top: 0; font-size: 0.85rem; }
}
pre { background: var(--card); border-radius: 0.4rem; padding: 0.7rem; overflow-x: auto;
  font-size: 0.85rem; }
@media print {
  h2, h3 { break-after: avoid; }
  figure, pre, tr, .cards { break-inside: avoid; }
}
"""


def sheet() -> str:
    """Returns CSS that sets inline_svg.VARIABLES and knows the classes of html_parts."""
    # Paper is white, whatever the screen is.
    dark = "@media screen and (prefers-color-scheme: dark) { %s }" % _variables(_DARK)
    return "\n".join([_variables(_LIGHT), dark, _RULES])


def _variables(colors: Dict[str, str]) -> str:
    named = {inline_svg.VARIABLES.get(key, "--" + key): color for key, color in colors.items()}
    return ":root { %s }" % " ".join("%s: %s;" % item for item in sorted(named.items()))
