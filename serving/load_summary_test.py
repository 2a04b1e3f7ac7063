import json

from serving import load_generator, load_plan, load_summary

_URL = "http://h:1/v1/models/m:predict"
_PLAN = load_plan.Plan(clients=8, secs=2)


def _result():
    """1 to 1000 microseconds, two refusals."""
    result = load_generator.Result()
    for micros in range(1, 1001):
        result.latencies.record(1000 * micros)
    result.failures = {"503": 2, "timeout": 1}
    result.secs = 2.0
    result.cpu_secs = 0.1003
    return result


def test_table_has_every_figure():
    # Percentiles are the middles of buckets, here 4.096 us wide: 950 us lie in 946.176 to 950.271.
    table = load_summary.lines(load_summary.Load(_URL, _PLAN, 512), _result())
    assert "\n".join(table) == (
        "http://h:1/v1/models/m:predict: 8 clients, closed loop, 2.00 s\n"
        "requests                     1,003           500.0/s\n"
        "rows                       512,000       256,000.0/s\n"
        "errors                           3\n"
        "  503                            2\n"
        "  timeout                        1\n"
        "latency, ms                min      mean       p50       p90       p95       p99"
        "     p99.9       max\n"
        "                         0.001     0.500     0.501     0.899     0.948     0.989"
        "     0.997     1.000\n"
        "this client's CPU time: 100 us/request, 5 %"
    )


def test_table_of_an_open_loop_without_rows_and_answers():
    result = load_generator.Result()
    result.failures = {"connection refused": 4}
    plan = load_plan.Plan(clients=1, secs=2, rate=2.5)
    table = load_summary.lines(load_summary.Load(_URL, plan, None), result)
    assert table == [
        "http://h:1/v1/models/m:predict: 1 client, 2.5 requests/s due, 0.00 s",
        "requests                         4             0.0/s",
        "errors                           4",
        "  connection refused             4",
        "latency, ms                min      mean       p50       p90       p95       p99"
        "     p99.9       max",
        "                    " + "         -" * 8,
    ]


def test_values_are_json_and_whole():
    values = load_summary.values(load_summary.Load(_URL, _PLAN, 512), _result())
    assert json.loads(json.dumps(values, allow_nan=False)) == {
        "url": _URL,
        "clients": 8,
        "rate": None,
        "rows_per_request": 512,
        "secs": 2.0,
        "requests": 1003,
        "errors": 3,
        "failures": {"503": 2, "timeout": 1},
        "requests_per_sec": 500.0,
        "rows_per_sec": 256000.0,
        "latency_ms": {
            "min": 0.001,
            "mean": 0.5005,
            "p50": values["latency_ms"]["p50"],
            "p90": values["latency_ms"]["p90"],
            "p95": values["latency_ms"]["p95"],
            "p99": values["latency_ms"]["p99"],
            "p99.9": values["latency_ms"]["p99.9"],
            "max": 1.0,
        },
        "client_cpu_us_per_request": 100.0,
    }


def test_values_without_an_answer_are_null():
    values = load_summary.values(load_summary.Load(_URL, _PLAN, None), load_generator.Result())
    assert values["rows_per_sec"] is None
    assert set(values["latency_ms"].values()) == {None}
    assert values["client_cpu_us_per_request"] is None
