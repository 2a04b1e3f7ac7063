"""@hadoop: the jars of a real Hadoop, from registries alone, for tests that need an HDFS."""

# Stands in for the jars where they cannot be had: other targets build, and what starts an HDFS
# fails with the reason.
_MISSING = """{reason}
When that is mended, type: ./bazelw sync --only=hadoop
"""

def _hadoop_repository_impl(ctx):
    ctx.report_progress("Fetching Hadoop's jars")
    ctx.path(ctx.attr._packages)  # so that a change of it fetches anew
    result = ctx.execute(
        [
            ctx.path(ctx.attr._interpreter),
            ctx.path(ctx.attr._fetch_jars),
            "--requirement=%s" % ctx.path(ctx.attr._requirement),
            "--target=jars",
            "--versions=versions.txt",
        ],
        environment = {
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(ctx.path(ctx.attr._workspace).dirname),
        },
        timeout = 1800,  # seconds, for 220 MB
    )
    if result.return_code:
        ctx.delete("jars")
        ctx.file("jars/MISSING.txt", _MISSING.format(reason = result.stderr.strip()))

    # One directory, not one input per jar.
    ctx.file("BUILD", "exports_files([\"jars\"], visibility = [\"//visibility:public\"])\n")

hadoop_repository = repository_rule(
    implementation = _hadoop_repository_impl,
    attrs = {
        "_fetch_jars": attr.label(default = "//third_party/hadoop:fetch_jars.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
        "_packages": attr.label(default = "//third_party/debian:packages.py"),
        "_requirement": attr.label(default = "//third_party/hadoop:pyspark_sdist.txt"),
        "_workspace": attr.label(default = "//:WORKSPACE"),
    },
    doc = """Makes @hadoop//:jars, a folder.

    versions.txt beside it says which Debian packages four of the jars come from.
    """,
)
