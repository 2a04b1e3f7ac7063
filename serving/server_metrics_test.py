"""What is counted, by one process and by several."""

import os
import subprocess
import sys

from serving import metrics_text, server_metrics


def count(metrics):
    metrics.serve_version("1")
    metrics.begin()
    metrics.begin()
    metrics.begin()
    metrics.end("/a", 200, 0.25, rows=512)
    metrics.end("/a", 503, 0.5, rows=0)
    metrics.serve_version("2", instead_of="1")
    metrics.count_reload(is_loaded=True)
    metrics.count_reload(is_loaded=False)
    return metrics.render()


_WANT = {
    "serving_request_duration_seconds_count{route=/a,status=200}": 1,
    "serving_request_duration_seconds_sum{route=/a,status=200}": 0.25,
    "serving_request_duration_seconds_count{route=/a,status=503}": 1,
    "serving_request_duration_seconds_sum{route=/a,status=503}": 0.5,
    "serving_errors_total{route=/a,status=503}": 1,
    "serving_rows_total{}": 512,
    "serving_requests_in_flight{}": 1,
    "serving_model_version{version=1}": 0,
    "serving_model_version{version=2}": 1,
    "serving_model_reloads_total{outcome=loaded}": 1,
    "serving_model_reloads_total{outcome=failed}": 1,
}


def test_one_process_counts():
    assert metrics_text.samples(count(server_metrics.ServerMetrics())) == _WANT


def test_one_process_shows_its_memory():
    assert b"process_resident_memory_bytes" in server_metrics.ServerMetrics().render()


def test_reloads_are_shown_before_the_first():
    shown = metrics_text.samples(server_metrics.ServerMetrics().render())
    assert shown["serving_model_reloads_total{outcome=loaded}"] == 0
    assert shown["serving_model_reloads_total{outcome=failed}"] == 0


def test_several_processes_show_the_sum(tmp_path):
    program = "from serving import %s as t; import sys; sys.stdout.buffer.write(t.count(%s))" % (
        "server_metrics_test",
        "t.server_metrics.ServerMetrics()",
    )
    variables = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        server_metrics.FOLDER_VARIABLE: str(tmp_path),
    }
    command = [sys.executable, "-c", program]
    first, second = (
        subprocess.check_output(command, env=dict(os.environ, **variables)) for _ in range(2)
    )
    assert metrics_text.samples(first) == _WANT
    # The gauges of a process that has died count until its parent says so; counters for ever.
    assert metrics_text.samples(second) == {name: 2 * value for name, value in _WANT.items()}
