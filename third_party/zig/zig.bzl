"""@zig: a C compiler from the package index, the same on every machine, and a rule that uses it."""

def _zig_repository_impl(ctx):
    ctx.report_progress("Installing zig")
    result = ctx.execute(
        [
            ctx.path(ctx.attr._interpreter),
            ctx.path(ctx.attr._install_wheel),
            "--requirements=%s" % ctx.path(ctx.attr._lock),
            "--build_requirements=%s" % ctx.path(ctx.attr._build_requirements),
            "--target=site-packages",
        ],
        environment = {"PYTHONNOUSERSITE": "1", "PYTHONPATH": ""},
        timeout = 600,  # seconds, for 81 MB
    )
    if result.return_code:
        fail("could not install zig:\n" + result.stderr)

    # One directory, not one input per file: it has 15,000.
    ctx.file("BUILD", "exports_files([\"site-packages/ziglang\"], visibility = [\"//visibility:public\"])\n")

zig_repository = repository_rule(
    implementation = _zig_repository_impl,
    attrs = {
        "_build_requirements": attr.label(default = "//third_party/python:build_requirements_lock.txt"),
        "_install_wheel": attr.label(default = "//third_party/python:install_wheel.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
        "_lock": attr.label(default = "//third_party/zig:requirements_lock.txt"),
    },
    doc = "Installs third_party/zig/requirements_lock.txt, hash-checked.",
)

# The oldest processors and C libraries that TensorFlow 1.15's own wheels run on, but for SSE 4.2 (2009).
_TARGET = ["-target", "x86_64-linux-gnu.2.17", "-mcpu=x86_64_v2"]

# -fno-sanitize: zig would add traps for undefined behaviour to every build that is not a release.
_FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-sanitize=all", "-fPIC", "-shared", "-nostdlib", "-s"]

def _freestanding_library_impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + ".so")
    ctx.actions.run_shell(
        outputs = [output],
        inputs = [ctx.file.src, ctx.file._zig],
        # zig wants a cache; one of its own for each action keeps actions apart.
        command = """set -eu
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
export ZIG_GLOBAL_CACHE_DIR=$cache ZIG_LOCAL_CACHE_DIR=$cache
"$1/zig" cc {options} -o "$3" "$2"
""".format(options = " ".join(_TARGET + _FLAGS)),
        arguments = [ctx.file._zig.path, ctx.file.src.path, output.path],
        mnemonic = "ZigCc",
        progress_message = "Compiling %s" % ctx.label,
    )
    return [DefaultInfo(files = depset([output]), runfiles = ctx.runfiles([output]))]

freestanding_library = rule(
    implementation = _freestanding_library_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".c"], mandatory = True),
        "_zig": attr.label(allow_single_file = True, default = "@zig//:site-packages/ziglang"),
    },
    doc = """Compiles one C file without libc to NAME.so, for ctypes.

    The same bytes on every machine, and code that any x86-64 Linux can load, whatever its C library.
    """,
)
