"""What the server counts, in the text format of Prometheus.

Several processes count into files of one folder, and any of them answers with the sum: the
multiprocess mode of prometheus_client. That is chosen by the environment when prometheus_client is
imported, so the folder must be there and named before this module is imported.
Source: prometheus_client 0.17, "Multiprocess Mode (E.g. Gunicorn)".
"""

import os
from typing import Dict, Tuple

import prometheus_client
from prometheus_client import multiprocess

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

# Seconds: from a one-row request on an idle machine to the longest that is waited for.
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ServerMetrics:
    """The counters of this process; its methods may be called from any thread."""

    def __init__(self) -> None:
        registry = prometheus_client.CollectorRegistry()
        self._registry = registry
        self._folder = os.environ.get(FOLDER_VARIABLE)
        if not self._folder:
            prometheus_client.ProcessCollector(registry=registry)
        self._secs = prometheus_client.Histogram(
            "serving_request_duration_seconds",
            "From the end of the request head to the end of the answer.",
            ["route", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._errors = prometheus_client.Counter(
            "serving_errors",
            "Requests that were answered with a status of 400 or above.",
            ["route", "status"],
            registry=registry,
        )
        self._rows = prometheus_client.Counter(
            "serving_rows", "Rows that were answered with a prediction.", registry=registry
        )
        self._in_flight = prometheus_client.Gauge(
            "serving_requests_in_flight",
            "Requests that have not been answered yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._versions = prometheus_client.Gauge(
            "serving_model_version",
            "Processes that serve the version of the model.",
            ["version"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._reloads = prometheus_client.Counter(
            "serving_model_reloads",
            "Models that were taken, or could not be loaded, while the server ran.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("loaded", "failed"):
            self._reloads.labels(outcome)  # Shown as 0 before the first.
        # labels() looks up under a lock and formats each label; there are few combinations.
        self._secs_of: Dict[Tuple[str, int], prometheus_client.Histogram] = {}

    def begin(self) -> None:
        """Counts a request that has come."""
        self._in_flight.inc()

    def end(self, route: str, status: int, seconds: float, rows: int) -> None:
        """Counts the end of a request for which begin() was called."""
        self._in_flight.dec()
        secs = self._secs_of.get((route, status))
        if secs is None:
            secs = self._secs_of[route, status] = self._secs.labels(route, str(status))
        secs.observe(seconds)
        if rows:
            self._rows.inc(rows)
        if status >= 400:
            self._errors.labels(route, str(status)).inc()

    def serve_version(self, version: str, instead_of: str = "") -> None:
        """Notes which version answers from now on."""
        if instead_of:
            self._versions.labels(instead_of).set(0)
        self._versions.labels(version).set(1)

    def count_reload(self, is_loaded: bool) -> None:
        """Counts a model that was found while the server ran."""
        self._reloads.labels("loaded" if is_loaded else "failed").inc()

    def render(self) -> bytes:
        """Returns all values, of all processes; CONTENT_TYPE says what it is."""
        if not self._folder:
            return prometheus_client.generate_latest(self._registry)
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=self._folder)
        return prometheus_client.generate_latest(registry)
