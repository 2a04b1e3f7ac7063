"""The model that is being served, and its replacement while requests go on.

A new model is built beside the old one, in a thread: new requests get it once it is loaded and
warm, requests in flight end on the one they began with, which then goes.
"""

import gc
import logging
import threading
import time
from typing import Any, Callable, NamedTuple

from serving import model_files, server_metrics, service_loader

# A look costs a stat per file of the model.
_LOOK_SECS = 1.0
# On a slow file system, or in a folder that holds far more than models, looking takes at most a
# twentieth of the time.
_LOOK_PAUSES = 20

_logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A service that can predict, and the name of its model's folder."""

    service: Any
    version: str = ""


class LiveModel:
    """Loads the model, and each later one after a call of watch().

    Args:
      build: Returns a new loaded service, or raises service_loader.ServiceError.
      look: Returns the fingerprint of what build() would load; see model_files.
      metrics: Told of versions and reloads.

    Raises:
      service_loader.ServiceError: the model cannot be loaded.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        look: Callable[[], model_files.Fingerprint],
        metrics: server_metrics.ServerMetrics,
    ) -> None:
        self._build = build
        self._look = look
        self._metrics = metrics
        # Taken before: what changes while the model is loaded is seen as a change.
        self._tried = self._seen = look()
        self._loaded = Loaded(build(), model_files.version(self._tried))
        metrics.serve_version(self._loaded.version)
        _settle_garbage()

    def current(self) -> Loaded:
        """Returns the model that answers now; ask once for each request."""
        return self._loaded

    def watch(self) -> None:
        """Looks for a new model every second from now on, in a daemon thread."""
        threading.Thread(target=self._watch, name="reload", daemon=True).start()

    def check(self) -> bool:
        """Looks once; returns whether another model answers now.

        A model is taken when it is as it was at the look before, and is tried once: one that
        cannot be loaded is tried again when it changes.
        """
        seen, self._seen = self._seen, self._look()
        if not self._seen or self._seen != seen or self._seen == self._tried:
            return False
        self._tried = self._seen
        return self._replace(model_files.version(self._tried))

    def _replace(self, version: str) -> bool:
        _logger.info("reload: found model %s", version)
        try:
            service = self._build()
        except service_loader.ServiceError as error:
            self._metrics.count_reload(is_loaded=False)
            _logger.error("reload: model %s stays: %s", self._loaded.version, error)
            return False
        old_version = self._loaded.version
        self._loaded = Loaded(service, version)
        self._metrics.count_reload(is_loaded=True)
        self._metrics.serve_version(version, instead_of=old_version)
        _logger.info("reload: model %s answers, instead of %s", version, old_version)
        _settle_garbage()
        return True

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            started = time.monotonic()
            try:
                self.check()
            except Exception:  # The border of a thread that must not end.
                _logger.exception("cannot look for a new model")
            pause.wait(max(_LOOK_SECS, _LOOK_PAUSES * (time.monotonic() - started)))


def _settle_garbage() -> None:
    """Frees the models that have gone, and takes what stays out of the collector's sight.

    TensorFlow brings 135,000 objects; each full collection would look at all of them, for 45 ms in
    which no request is answered.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
