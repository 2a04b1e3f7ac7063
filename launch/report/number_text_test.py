import pytest

from launch.report import number_text


@pytest.mark.parametrize(
    "value, text",
    [(0.75557, "0.7556"), (2, "2.0000"), (None, "\u2013"), (float("nan"), "\u2013")]
    + [(float("inf"), "\u2013")],
)
def test_number_has_its_digits_or_is_absent(value, text):
    assert number_text.number(value, "%.4f") == text


@pytest.mark.parametrize(
    "value, text", [(0, "0"), (1234567, "1,234,567"), (8999.7, "9,000"), (None, "\u2013")]
)
def test_count_has_commas_or_is_absent(value, text):
    assert number_text.count(value) == text


@pytest.mark.parametrize(
    "part, whole, text", [(1, 3, "33.33 %"), (3, 3, "100.00 %"), (0, 0, "\u2013")]
)
def test_share_is_per_cent_or_absent(part, whole, text):
    assert number_text.share(part, whole) == text


@pytest.mark.parametrize(
    "secs, text",
    [
        (0.0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (189.0, "3 min 09 s"),
        (3599.9, "1 h 00 min"),
        (7510.0, "2 h 05 min"),
        (360000.0, "100 h 00 min"),
    ],
)
def test_duration_has_the_two_largest_units(secs, text):
    assert number_text.duration(secs) == text
