"""The one Python toolchain: a CPython 3.7 of this machine, found, never downloaded."""

def python37_toolchain(name):
    """Declares `@name` with `:toolchain` and `:python`, and registers the toolchain.

    Args:
      name: Name of the repository.
    """
    _python37(name = name)
    native.register_toolchains("@%s//:toolchain" % name)

def _python37_impl(ctx):
    result = ctx.execute(["sh", ctx.path(ctx.attr._find_python)])
    if result.return_code:
        fail(result.stderr.strip())
    interpreter = result.stdout.strip()
    ctx.symlink(interpreter, "python")
    ctx.file("BUILD", _BUILD.format(interpreter = interpreter))

_BUILD = """# The CPython 3.7 that third_party/python/find_python.sh found.
load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")

# For repository rules that run pip.
exports_files(["python"])

py_runtime(
    name = "runtime",
    # By its path, not through a link: it finds its standard library beside itself.
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    # Bazel 4.2.3's default is `env python`, which a plain Debian 12 does not have.
    stub_shebang = "#!{interpreter}",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

_python37 = repository_rule(
    implementation = _python37_impl,
    attrs = {"_find_python": attr.label(default = "//third_party/python:find_python.sh")},
    # Not PATH: each new shell would then fetch every wheel again.
    environ = ["PYTHON37"],
    doc = "Asks find_python.sh for an interpreter.",
)
