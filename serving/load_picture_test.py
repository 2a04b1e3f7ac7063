import hypothesis
import pytest
from hypothesis import strategies

from data_pipeline import errors
from serving import latency, load_generator, load_picture, load_plan, load_summary

_LOAD = load_summary.Load("http://h:1/v1/models/m:predict", load_plan.Plan(clients=8, secs=2), 512)
_BEGINNINGS = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml"}


def _result(times, num_failed=0):
    result = load_generator.Result()
    for nanos in times:
        result.latencies.record(nanos)
    result.failures = {"503": num_failed} if num_failed else {}
    result.secs = 2.0
    return result


def _bytes(folder, result, ending):
    path = folder / ("latency" + ending)
    load_picture.write(_LOAD, result, str(path))
    return path.read_bytes()


_MANY = [1000000 + 3001 * i for i in range(2000)] + [50000000]


@pytest.mark.parametrize("ending", load_picture.ENDINGS)
@pytest.mark.parametrize(
    "times",
    [
        pytest.param(_MANY, id="many"),
        pytest.param([1234567], id="one"),
        pytest.param([0], id="zero"),
        pytest.param([1, 2**50], id="widest"),
    ],
)
@pytest.mark.filterwarnings("error")  # such as for an axis without length
def test_equal_results_give_equal_pictures(tmp_path, times, ending):
    picture = _bytes(tmp_path, _result(times), ending)
    assert picture.startswith(_BEGINNINGS[ending]) and b"atplotlib v" not in picture
    assert _bytes(tmp_path, _result(times), ending) == picture


@pytest.mark.parametrize("ending", load_picture.ENDINGS)
def test_other_results_give_other_pictures(tmp_path, ending):
    pictures = {
        _bytes(tmp_path, _result(_MANY), ending),
        _bytes(tmp_path, _result(_MANY, num_failed=3), ending),
        _bytes(tmp_path, _result(_MANY[:-1]), ending),
    }
    assert len(pictures) == 3


def test_svg_says_what_the_table_says(tmp_path):
    text = _bytes(tmp_path, _result([1000000] * 1000, num_failed=3), ".svg").decode()
    assert "1,000 answers in 2.0 s, 500.0 a second; 3 requests failed" in text
    assert "%s: 8 clients, closed loop, 2.00 s" % _LOAD.url in text
    for name in ("p50", "p99", "p99.9"):
        assert "%s 1 ms" % name in text


@pytest.mark.parametrize("ending", load_picture.ENDINGS)
def test_users_style_changes_nothing(tmp_path, ending):
    import matplotlib

    plain = _bytes(tmp_path, _result(_MANY), ending)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert _bytes(tmp_path, _result(_MANY), ending) == plain


@hypothesis.given(
    strategies.lists(
        strategies.integers(0, 43).flatmap(lambda bits: strategies.integers(0, 2**bits)),
        min_size=1,
        max_size=50,
    )
)
def test_bars_hold_all_requests_between_their_edges(times):
    histogram = latency.Histogram()
    for nanos in times:
        histogram.record(nanos)
    edges, counts = load_picture.bars(histogram.buckets())
    assert len(edges) == len(counts) + 1
    assert edges == sorted(edges)
    assert sum(counts) == pytest.approx(len(times))
    # The axis ends at 2^42 ns, as the buckets do.
    assert edges[0] * 1e6 <= max(1, min(min(times), 2**42)) * (1 + 1e-9)
    assert edges[-1] * 1e6 >= min(max(times), 2**42 - 1) * (1 - 1e-9)


@pytest.mark.parametrize("ending", load_picture.ENDINGS)
def test_place_where_no_file_can_be_is_refused(tmp_path, ending):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.InputError, match="file"):
        load_picture.write(_LOAD, _result([1]), str(tmp_path / "file" / ("a" + ending)))


def test_picture_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected at least one latency, got none"):
        _bytes(tmp_path, _result([]), ".png")


def test_other_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a file name with \.png or \.svg, got "):
        _bytes(tmp_path, _result([1]), ".jpg")
