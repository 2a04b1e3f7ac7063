"""@zig: a C compiler from the package index, the same on every machine, and a rule that uses it."""

load("//third_party/python:hashed_install.bzl", "hashed_install")

def zig_repository(name):
    """Declares `@name` with the compiler's folder, one directory.

    Args:
      name: Name of the repository.
    """
    hashed_install(
        name = name,
        build_file_content = "exports_files([\"site-packages/ziglang\"], visibility = [\"//visibility:public\"])\n",
        requirements_lock = "//third_party/zig:requirements_lock.txt",
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
