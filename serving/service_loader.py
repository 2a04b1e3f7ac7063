"""Finds, builds and loads the tiinfer.Model of a service file, by tiinfer's own rules."""

import contextlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
from types import ModuleType
from typing import Any, Callable, Iterator, Optional, Type

# The name under which tiinfer imports the service file (tiinfer.IMPORT_MODULE_NAME).
MODULE_NAME = "model_service"

_logger = logging.getLogger(__name__)


class ServiceError(Exception):
    """The service cannot be started; the text is one line for whoever starts it."""


def require_folder(model_dir: str) -> None:
    """Raises ServiceError unless there is such a folder: before imports that take seconds."""
    if not os.path.isdir(model_dir):
        raise ServiceError("model_dir: expected a folder, got %r" % model_dir)


def load_class(path: str) -> Type[Any]:
    """Imports the service file and returns its class, a subclass of tiinfer.Model.

    Raises:
      ServiceError: no such file, or no service class in it.
    """
    return find_class(_import_file(path))


def model_finder(service_class: Type[Any]) -> Optional[Callable[[str], str]]:
    """Returns find_saved_model(model_dir) -> folder of the file of the class, None without one."""
    return getattr(sys.modules[service_class.__module__], "find_saved_model", None)


def build(service_class: Type[Any], model_dir: str, warmup: bool = False) -> Any:
    """Returns a new service for `model_dir`, loaded.

    Args:
      service_class: A subclass of tiinfer.Model.
      model_dir: What it is built with.
      warmup: Whether to run its warmup_request(), if it has that, so that the first real request
        does not pay for what TensorFlow only does once, and a broken model answers none.

    Raises:
      ServiceError: no such folder, or the service fails.
    """
    require_folder(model_dir)
    name = service_class.__name__
    try:
        service = service_class(model_dir)
        is_loaded = service.load()
    except Exception as error:  # The border to the user's service file.
        _logger.exception("%s failed to load", name)
        raise ServiceError("%s.load failed: %s" % (name, _line(error))) from error
    if not is_loaded:
        text = "%s.load did not succeed for %s; its log above says why"
        raise ServiceError(text % (name, model_dir))
    if warmup and hasattr(service, "warmup_request"):
        try:
            service(service.warmup_request())
        except Exception as error:  # The border to the user's service file.
            _logger.exception("%s failed to warm up", name)
            raise ServiceError("%s failed to warm up: %s" % (name, _line(error))) from error
    return service


def find_class(module: ModuleType) -> Type[Any]:
    """Returns the alphabetically first subclass of tiinfer.Model in `module`, as tiinfer does.

    Raises:
      ServiceError: there is none, or the first one is the bare base class, whose load() tiinfer
        would call in vain.
    """
    base = _import_tiinfer().Model
    members = [getattr(module, name) for name in dir(module)]
    classes = [member for member in members if inspect.isclass(member) and issubclass(member, base)]
    if not classes:
        raise ServiceError("%s: expected a subclass of tiinfer.Model, got none" % module.__file__)
    if classes[0] is base:
        text = "%s: tiinfer would take its base class; write `import tiinfer`, not `from tiinfer`"
        raise ServiceError(text % module.__file__)
    return classes[0]


def _import_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise ServiceError("service: expected a Python file, got %r" % path)
    _import_tiinfer()  # Before the file does it itself, unshielded.
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ServiceError("service: expected a Python file, got %r" % path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # The border to the user's service file.
        _logger.exception("%s failed to import", path)
        raise ServiceError("%s: cannot be imported: %s" % (path, _line(error))) from error
    return module


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n"))


def _import_tiinfer() -> ModuleType:
    with _argv_for_mosec():
        return importlib.import_module("tiinfer")


@contextlib.contextmanager
def _argv_for_mosec() -> Iterator[None]:
    """Hides our flags from mosec, which tiinfer imports.

    mosec 0.6.6 parses sys.argv when it is imported, takes --port and --address for its own, and
    fails when that port is taken (0.0.0.0:8000 without flags). Nobody listens on port 0.
    """
    argv = sys.argv
    sys.argv = argv[:1] + ["--address=127.0.0.1", "--port=0"]
    try:
        yield
    finally:
        sys.argv = argv
