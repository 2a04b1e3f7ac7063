import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from serving import latency

# From a nanosecond to an hour, as many short times as long ones.
_TIMES = strategies.integers(0, 41).flatmap(lambda bits: strategies.integers(0, 2**bits))


def _histogram(times):
    result = latency.Histogram()
    for nanos in times:
        result.record(nanos)
    return result


@hypothesis.given(
    strategies.lists(_TIMES, min_size=1, max_size=200),
    strategies.sampled_from([0, 1, 50, 90, 95, 99, 99.9, 100]) | strategies.floats(0, 100),
)
def test_percentile_is_numpys_but_for_the_width_of_a_bucket(times, percent):
    # numpy 1.18 has no nearest rank; that lies between the two that it would interpolate.
    low, high = [np.percentile(times, percent, interpolation=kind) for kind in ("lower", "higher")]
    got = _histogram(times).percentile_ms(percent) * 1e6
    error = latency.RELATIVE_WIDTH / 2
    assert low * (1 - error) - 1e-6 <= got <= high * (1 + error) + 1e-6


@hypothesis.given(strategies.lists(_TIMES, min_size=1, max_size=200))
def test_count_mean_least_and_greatest_are_exact(times):
    histogram = _histogram(times)
    assert histogram.count == len(times)
    assert histogram.mean_ms() == sum(times) / len(times) / 1e6
    assert (histogram.min_nanos, histogram.max_nanos) == (min(times), max(times))


@hypothesis.given(_TIMES)
def test_bucket_holds_its_time_and_is_narrow(nanos):
    (bucket,) = _histogram([nanos]).buckets()
    assert bucket.low_nanos <= nanos < bucket.high_nanos
    width = bucket.high_nanos - bucket.low_nanos
    assert width == 1 or width <= bucket.low_nanos * latency.RELATIVE_WIDTH


@hypothesis.given(strategies.lists(_TIMES, max_size=200))
def test_buckets_are_in_order_apart_and_hold_all(times):
    buckets = _histogram(times).buckets()
    assert sum(bucket.num_times for bucket in buckets) == len(times)
    for one, next_one in zip(buckets, buckets[1:]):
        assert one.high_nanos <= next_one.low_nanos


def test_bounds_of_the_buckets_by_hand():
    # 255 is the last that has a bucket of its own; from 2^8 two share one, from 2^9 four.
    histogram = _histogram([255, 256, 257, 258, 1023])
    assert histogram.buckets() == [
        latency.Bucket(255, 256, 1),
        latency.Bucket(256, 258, 2),
        latency.Bucket(258, 260, 1),
        latency.Bucket(1020, 1024, 1),
    ]


def test_percentiles_by_hand():
    histogram = _histogram(range(1, 1001))  # 999 lies in 996 to 999
    assert histogram.percentile_ms(0) == 1e-6
    assert histogram.percentile_ms(10) == 100e-6
    assert histogram.percentile_ms(99.9) == pytest.approx(997.5e-6)
    assert histogram.percentile_ms(100) == 1000e-6  # not 1001.5, the middle of its bucket


def test_what_takes_longer_than_73_minutes_is_counted_there():
    histogram = _histogram([1, 2**50])
    assert (histogram.count, histogram.max_nanos) == (2, 2**50)
    assert histogram.buckets()[-1].high_nanos == 2**42
    assert histogram.buckets()[-1].num_times == 1


def test_negative_time_is_refused():
    with pytest.raises(ValueError, match="expected a time of at least 0 ns, got -1"):
        _histogram([-1])


def test_percentile_outside_0_to_100_is_refused():
    with pytest.raises(ValueError, match="expected 0 to 100 percent, got 101"):
        _histogram([1]).percentile_ms(101)


@pytest.mark.parametrize("ask", [lambda h: h.mean_ms(), lambda h: h.percentile_ms(50)])
def test_figure_of_no_time_is_refused(ask):
    with pytest.raises(ValueError, match="expected at least one time, got none"):
        ask(latency.Histogram())
