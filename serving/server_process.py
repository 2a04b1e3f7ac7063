"""One process that serves: its model, its application, its HTTP server."""

import functools
import socket
import sys
from typing import Callable, Optional

from model import freed_memory
from serving import (
    acceptor,
    app,
    http_server,
    listener,
    live_model,
    model_files,
    prediction,
    request_body,
    server_metrics,
    server_options,
    service_loader,
)

# What the user can do something about; each has a text of one line.
REFUSALS = (listener.ListenError, service_loader.ServiceError)

# A thread waits this long for the interpreter when another computes: Python's own 5 ms is longer
# than most requests take.
_SWITCH_SECS = 0.001


def serve(
    options: server_options.Options,
    sock: socket.socket,
    on_ready: Callable[[int], None],
    share: Optional[acceptor.Share] = None,
) -> None:
    """Loads the model and answers on `sock` until SIGTERM or SIGINT.

    Threads may be left that nothing can end: a prediction that hangs, a model half loaded. The
    process must be left with os._exit, or Python's own end waits for them or crashes.

    Args:
      options: What the user asked for.
      sock: Bound; other processes may listen on it as well.
      on_ready: Called with the port once requests are accepted.
      share: Of this process, if others accept on the same socket.

    Raises:
      One of REFUSALS, before on_ready is called.
    """
    freed_memory.keep()
    sys.setswitchinterval(_SWITCH_SECS)
    metrics = server_metrics.ServerMetrics()
    model = _load(options, metrics)
    drain = http_server.DrainState()
    surroundings = app.Surroundings(
        metrics,
        drain,
        _limits(options),
        options.access_log,
        is_deepfm=options.service == server_options.DEFAULT_SERVICE,
    )
    application = app.create_app(model.current, options.model_name, surroundings)
    port = listener.listen(sock)
    ready = functools.partial(on_ready, port)
    times = http_server.ConnectionTimes(options.body_timeout_secs)
    server = http_server.HttpServer(application, times, drain, ready, share)
    if options.reload:
        model.watch()
    server.run([sock])


def _load(
    options: server_options.Options, metrics: server_metrics.ServerMetrics
) -> live_model.LiveModel:
    service_loader.require_folder(options.model_dir)
    service_class = service_loader.load_class(options.service)
    return live_model.LiveModel(
        functools.partial(
            service_loader.build, service_class, options.model_dir, warmup=options.warmup
        ),
        functools.partial(
            model_files.fingerprint,
            options.model_dir,
            service_loader.model_finder(service_class),
        ),
        metrics,
    )


def _limits(options: server_options.Options) -> prediction.Limits:
    return prediction.Limits(
        request_body.BodyLimits(options.max_body_mib << 20, options.body_timeout_secs),
        options.predict_timeout_secs,
        options.max_concurrent,
    )
