"""Tests of the table, and that pictures come out whole and the same."""

import pytest

from data_pipeline import column_report, column_statistics, errors, rows_testing
from data_pipeline import rows as rows_lib

_PNG = b"\x89PNG\r\n\x1a\n"


def _statistics(*blocks):
    statistics = column_statistics.ColumnStatistics()
    for block in blocks:
        statistics.add(block)
    return statistics


def test_table_is_aligned():
    rows = [rows_testing.row(i == 0, [i, None, 1200 * i - 1], [i % 2, None]) for i in range(4)]
    lines = column_report.table(_statistics(*rows)).split("\n")
    assert lines[:5] == [
        "4 rows, label rate 25.00 %",
        "column  kind      missing %  distinct~  top %  min    p50    p90    p99    max",
        "I1      integer         0.0          4      -    0      1      3      3      3",
        "I2      integer       100.0          0      -    -      -      -      -      -",
        "I3      integer         0.0          4      -   -1  1,195  3,591  3,591  3,599",
    ]  # 1,199 and 3,599 are in the buckets around 1,195 and 3,591
    assert lines[15:17] == [
        "C1      category        0.0          2   50.0    -      -      -      -      -",
        "C2      category      100.0          0      -    -      -      -      -      -",
    ]
    assert len(lines) == 2 + 39


def test_table_of_no_rows():
    lines = column_report.table(_statistics()).split("\n")
    assert lines[0] == "0 rows, label rate -"
    assert lines[2].split() == ["I1", "integer", "-", "0"] + ["-"] * 6


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([rows_testing.random_rows(500)], id="many"),
        pytest.param([rows_testing.row(1, [-(2**31), None, 2**31 - 1], [None, 3])], id="extreme"),
        pytest.param([rows_lib.empty(2)], id="all_missing"),
        pytest.param([], id="no_rows"),
    ],
)
def test_picture_of_equal_figures_is_equal(tmp_path, blocks):
    paths = [tmp_path / "one.png", tmp_path / "other.png"]
    for path in paths:
        column_report.write_picture(_statistics(*blocks), str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(_PNG)
    assert b"matplotlib" not in paths[0].read_bytes()


def test_picture_ignores_the_users_style(tmp_path):
    import matplotlib

    column_report.write_picture(_statistics(), str(tmp_path / "plain.png"))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        column_report.write_picture(_statistics(), str(tmp_path / "styled.png"))
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_picture_refuses_a_folder(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file to write, got a folder"):
        column_report.write_picture(_statistics(), str(tmp_path))
    assert list(tmp_path.iterdir()) == []
