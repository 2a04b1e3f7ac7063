"""bazel_program_repository: the Bazel that builds this, for tests that ask a Bazel of their own."""

# Debian's build of the pinned version, which does not know its version.
_DEBIAN = "bazel-4"

# Stands in for the program where it was not found: other targets build, and what runs it fails with
# the reason.
_MISSING = """#!/bin/sh
echo "no Bazel {version} on PATH: set BAZEL to one and type: ./bazelw sync --only={name}" >&2
exit 69
"""

# Tests have a PATH of their own and no JAVA_HOME.
_FOUND = """#!/bin/sh
{java_home}exec '{bazel}' "$@"
"""

def _is_wanted(ctx, program, version):
    if not program or not ctx.path(program).exists:
        return False

    # In the workspace, where bazelisk finds its .bazelversion.
    root = str(ctx.path(ctx.attr._version).dirname)
    found = ctx.execute([program, "--version"], working_directory = root).stdout.strip()
    return found == "bazel " + version or (found == "bazel no_version" and ctx.path(program).basename == _DEBIAN)

def _find(ctx, version):
    # In ./bazelw's order, but for BAZEL_REAL: bazelisk tells its choice by that.
    candidates = [ctx.os.environ.get(variable) for variable in ("BAZEL", "BAZEL_REAL")]
    candidates += [ctx.which(program) for program in (_DEBIAN, "bazel-" + version, "bazel")]
    for program in candidates:
        if _is_wanted(ctx, program, version):
            return program
    return None

def _bazel_program_repository_impl(ctx):
    version = ctx.read(ctx.attr._version).strip()
    bazel = _find(ctx, version)
    java_home = ctx.os.environ.get("JAVA_HOME")
    if bazel:
        text = _FOUND.format(
            bazel = bazel,
            java_home = "export JAVA_HOME='%s'\n" % java_home if java_home else "",
        )
    else:
        text = _MISSING.format(name = ctx.name, version = version)
    ctx.file("bazel", text, executable = True)
    ctx.file("BUILD", "exports_files([\"bazel\"], visibility = [\"//visibility:public\"])\n")

bazel_program_repository = repository_rule(
    implementation = _bazel_program_repository_impl,
    attrs = {"_version": attr.label(default = "//:.bazelversion")},
    # Not PATH, which differs from shell to shell.
    environ = ["BAZEL", "JAVA_HOME"],
    doc = "Searches as ./bazelw does; `:bazel` starts what was found.",
)
