"""pytest_test: the only way a test is declared here; the policy lives in it."""

load("@pip//:requirements.bzl", "requirement")
load("@rules_python//python:defs.bzl", "py_test")

_MAIN = "//tools/build_defs:pytest_main.py"

def pytest_test(name, srcs, size = "small", data = [], deps = [], tags = [], **kwargs):
    """Runs exactly `srcs` under pytest, without network; a child left running or an empty collection fails it.

    Args:
      name: Target name; ends in `_test`.
      srcs: Test modules; exactly these are collected.
      size: "small", or "medium" or "large" with the reason beside it.
      data: Files the test reads, programs it starts.
      deps: What the test imports; pytest itself is added.
      tags: Added to block-network.
      **kwargs: Other attributes of py_test; `flaky`, `local` and `main` are refused.
    """
    if not name.endswith("_test"):
        fail("pytest_test %r: the name must end in _test" % name)
    for refused in ["flaky", "local", "main"]:
        if refused in kwargs:
            fail("pytest_test %r: %s is not allowed; see tools/build_defs/pytest.bzl" % (name, refused))
    py_test(
        name = name,
        size = size,
        srcs = srcs + [_MAIN],
        args = ["$(rootpath %s)" % src for src in srcs],
        data = data,
        main = _MAIN,
        tags = tags + ["block-network"],
        deps = deps + [requirement("pytest")],
        **kwargs
    )
