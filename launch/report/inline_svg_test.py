import re
import xml.etree.ElementTree

from matplotlib import figure, rc_context

from data_pipeline import picture
from launch.report import inline_svg

_XLINK = "{http://www.w3.org/1999/xlink}href"


def _draw(size=(2, 1)):
    result = figure.Figure(figsize=size)
    axes = result.subplots()
    axes.plot([1, 2, 3], [2, 1, 3], "o-", color=picture.DARK, label="a < b")
    axes.set_ylabel("turned")
    axes.legend()
    return result


def _svg(draw=_draw, name="x"):
    return inline_svg.svg(draw, name, 'a "plot" <b>')


def _parse(svg):
    # A page's parser knows the prefix by itself.
    declared = svg.replace("<svg", '<svg xmlns:xlink="http://www.w3.org/1999/xlink"', 1)
    return xml.etree.ElementTree.fromstring(declared)


def test_equal_figures_give_equal_text_and_others_do_not():
    assert _svg() == _svg()
    assert _svg() != _svg(lambda: _draw((3, 1)))


def test_text_holds_no_date_no_address_and_no_name_of_a_program():
    assert not re.search(r"http|matplotlib|<!|<\?|metadata|\d{4}-\d\d-\d\d", _svg())


def test_users_style_changes_nothing():
    plain = _svg()
    with rc_context({"font.size": 30, "lines.markersize": 30, "svg.fonttype": "path"}):
        assert _svg() == plain


def test_svg_is_an_element_with_a_description_and_without_a_size():
    root = _parse(_svg())
    assert root.attrib == {
        "role": "img",
        "aria-label": 'a "plot" <b>',
        "viewBox": "0 0 144 72",
    }


def test_text_stays_text_in_the_pages_font():
    svg = _svg()
    assert "a < b" in [element.text for element in _parse(svg).iter("text")]
    assert "font-size: 9px" in svg
    assert "font:" not in svg and "sans" not in svg
    # That of the label stays; the others would turn by nothing.
    assert re.findall(r"rotate\(-?\d+", svg) == ["rotate(-90"]


def test_colors_are_the_pages_variables():
    svg = _svg()
    assert "stroke: var(--dark)" in svg and "stroke: var(--faint)" in svg
    assert not re.search(r": #[0-9a-f]{6}", svg)


def test_ids_are_those_that_are_used_and_differ_between_names():
    all_ids = []
    for svg in (_svg(name="first"), _svg(name="second")):
        root = _parse(svg)
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        used = [element.attrib[_XLINK][1:] for element in root.iter("use")]
        used += re.findall(r"url\(#([^)]+)\)", svg)
        assert set(ids) == set(used) and len(ids) > 2
        all_ids += ids
    assert len(all_ids) == len(set(all_ids))
