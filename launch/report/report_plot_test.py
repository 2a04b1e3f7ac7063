import re

import pytest

from launch.report import report_plot


def _plot(title="A & b", label="", height_inches=2.0):
    def draw(axes):
        axes.plot([1, 2], [0.0001, 0.0002])
        axes.set_ylabel(label)

    return report_plot.plot(title, "a note", height_inches, draw)


def test_plot_has_its_words_and_its_size():
    plot = _plot()
    assert (plot.title, plot.note) == ("A & b", "a note")
    assert 'aria-label="A &amp; b" viewBox="0 0 331.2 144"' in plot.svg  # 4.6 x 2 inches, 72 points


def test_plots_of_other_titles_share_no_ids():
    ids = [set(re.findall(' id="([^"]+)"', _plot(title).svg)) for title in ("a", "b")]
    assert ids[0] and not ids[0] & ids[1]


@pytest.mark.parametrize("height_inches", [2.0, 4.0])
def test_axes_have_the_same_margins_at_any_height(height_inches):
    svg = _plot(height_inches=height_inches).svg
    left, top, width, height = [
        float(value)
        for value in re.search(
            '<rect x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', svg
        ).groups()
    ]
    margins = [left, top, 331.2 - left - width, 72 * height_inches - top - height]
    assert margins == pytest.approx([0.66 * 72, 0.16 * 72, 0.14 * 72, 0.45 * 72], abs=0.01)


def test_label_is_in_the_picture_whatever_the_ticks_are():
    x = float(re.search(r'x="([-0-9.]+)"[^>]*>a label<', _plot(label="a label").svg).group(1))
    assert 9 <= x <= 15  # the baseline of 9 points of turned text; ticks take 6 digits
