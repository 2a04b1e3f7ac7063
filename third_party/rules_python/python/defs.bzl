"""The Python rules under the names of released rules_python: Bazel's own, with its migration tag."""

load("@bazel_tools//tools/python:toolchain.bzl", _py_runtime_pair = "py_runtime_pair")

# Bazel's --incompatible_load_python_rules_from_bzl looks for this tag.
_MIGRATION_TAG = "__PYTHON_RULES_MIGRATION_DO_NOT_USE_WILL_BREAK__"

def _tagged(attrs):
    attrs["tags"] = (attrs.get("tags") or []) + [_MIGRATION_TAG]
    return attrs

def py_library(**attrs):
    """See Bazel's py_library. Args: **attrs: its attributes."""
    native.py_library(**_tagged(attrs))

def py_binary(**attrs):
    """See Bazel's py_binary; Python 2 is refused. Args: **attrs: its attributes."""
    _refuse_python2("py_binary", attrs)
    native.py_binary(**_tagged(attrs))

def py_test(**attrs):
    """See Bazel's py_test; Python 2 is refused. Args: **attrs: its attributes."""
    _refuse_python2("py_test", attrs)
    native.py_test(**_tagged(attrs))

def py_runtime(**attrs):
    """See Bazel's py_runtime; Python 2 is refused. Args: **attrs: its attributes."""
    _refuse_python2("py_runtime", attrs)
    native.py_runtime(**_tagged(attrs))

py_runtime_pair = _py_runtime_pair

def _refuse_python2(rule, attrs):
    if attrs.get("python_version") == "PY2":
        fail("%s %r: Python 2 is not supported" % (rule, attrs.get("name")))
