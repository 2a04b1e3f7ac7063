import re

import pytest

from launch.report import inline_svg, report_style

_SHEET = report_style.sheet()


def _luminance(color):
    """Source: WCAG 2.1, relative luminance."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _schemes():
    rules = re.findall(r":root \{ (--[^}]*)\}", _SHEET)
    return [dict(re.findall(r"(--\w+): (#\w{6});", rule)) for rule in rules]


def test_every_variable_has_a_color_in_light_and_dark():
    used = set(re.findall(r"var\((--\w+)\)", _SHEET)) | set(inline_svg.VARIABLES.values())
    light, dark = _schemes()
    assert set(light) == set(dark) == used
    assert all(light[name] != dark[name] for name in used)


@pytest.mark.parametrize("scheme", _schemes(), ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["--paper", "--card"])
def test_words_are_told_from_the_ground(scheme, ground):
    # 7 is what WCAG 2.1 asks of text at level AAA, "Contrast (Enhanced)".
    pair = sorted(_luminance(scheme[name]) for name in ("--ink", ground))
    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 7


def test_paper_is_white():
    assert "@media screen and (prefers-color-scheme: dark)" in _SHEET
    assert _schemes()[0]["--paper"] == "#ffffff"


def test_sheet_asks_for_nothing():
    assert not re.search(r"url\(|@import|@font-face|http", _SHEET)
