"""python_sources: the modules behind targets, as data of a test that reads their text."""

def _python_sources_impl(ctx):
    files = depset(
        ctx.files.srcs,
        transitive = [dep[PyInfo].transitive_sources for dep in ctx.attr.deps],
    ).to_list()
    own = [file for file in files if not file.owner.workspace_name]
    return [DefaultInfo(files = depset(own), runfiles = ctx.runfiles(own))]

python_sources = rule(
    implementation = _python_sources_impl,
    attrs = {
        "deps": attr.label_list(
            doc = "Libraries and programs; what they import comes along, but for other repositories.",
            providers = [PyInfo],
        ),
        "srcs": attr.label_list(
            allow_files = [".py"],
            doc = "Modules of programs whose dependencies nothing here should fetch.",
        ),
    },
    doc = "The first-party modules of `deps` and `srcs`, and nothing else of them.",
)
