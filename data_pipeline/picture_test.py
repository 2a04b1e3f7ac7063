import pytest
from matplotlib import figure, rcParams

from data_pipeline import errors, picture


def _draw():
    result = figure.Figure(figsize=(2, 1))
    result.subplots().plot([1, 2], color=picture.DARK)
    return result


def test_equal_figures_give_equal_bytes(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        picture.write(str(path), _draw)
    first, second = [path.read_bytes() for path in paths]
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"atplotlib" not in first


def test_style_holds_for_the_picture_alone(tmp_path):
    before = dict(rcParams)
    seen = []
    picture.write(
        str(tmp_path / "a.png"), lambda: seen.append(dict(rcParams)) or _draw(), {"axes.grid": True}
    )
    assert (seen[0]["text.color"], seen[0]["axes.grid"]) == (picture.INK, True)
    assert dict(rcParams) == before


def test_place_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.InputError, match="file"):
        picture.write(str(tmp_path / "file" / "a.png"), _draw)
