"""@real_data: real inputs outside the tree, for tests that can use them."""

def _real_data_impl(ctx):
    folder = ctx.os.environ.get("REAL_DATA", "")
    files = []
    if folder:
        path = ctx.path(folder)
        if not path.exists:
            fail("REAL_DATA=%s: no such folder; give --repo_env=REAL_DATA=DIR, or leave it out" % folder)
        for child in path.readdir():
            ctx.symlink(child, "files/" + child.basename)
            files.append("files/" + child.basename)
    ctx.file("BUILD", _BUILD.format(files = files))

_BUILD = """# The folder named by --repo_env=REAL_DATA=DIR; empty when that is unset.
filegroup(
    name = "files",
    srcs = {files},
    visibility = ["//visibility:public"],
)
"""

real_data = repository_rule(
    implementation = _real_data_impl,
    environ = ["REAL_DATA"],
    local = True,  # the folder is not ours: look again in each build
    doc = "Exposes the files of the folder named by the environment variable REAL_DATA.",
)
