"""@kerberos: a real MIT Kerberos, out of Debian packages that are not installed, for tests that need a KDC."""

# Stands in for the programs where they cannot be had: other targets build, and what starts a KDC
# fails with the reason.
_MISSING = """{reason}
When that is mended, type: ./bazelw sync --only=kerberos
"""

def _kerberos_repository_impl(ctx):
    ctx.report_progress("Fetching MIT Kerberos")
    ctx.path(ctx.attr._packages)  # so that a change of it fetches anew
    result = ctx.execute(
        [
            ctx.path(ctx.attr._interpreter),
            ctx.path(ctx.attr._fetch_programs),
            "--target=kerberos",
            "--versions=versions.txt",
        ],
        environment = {
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(ctx.path(ctx.attr._workspace).dirname),
        },
        timeout = 600,  # seconds, for 2 MB and the package lists
    )
    if result.return_code:
        ctx.delete("kerberos")
        ctx.file("kerberos/MISSING.txt", _MISSING.format(reason = result.stderr.strip()))

    # One directory, not one input per file.
    ctx.file("BUILD", "exports_files([\"kerberos\"], visibility = [\"//visibility:public\"])\n")

kerberos_repository = repository_rule(
    implementation = _kerberos_repository_impl,
    attrs = {
        "_fetch_programs": attr.label(default = "//third_party/kerberos:fetch_programs.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
        "_packages": attr.label(default = "//third_party/debian:packages.py"),
        "_workspace": attr.label(default = "//:WORKSPACE"),
    },
    doc = """Makes @kerberos//:kerberos, a folder with bin and lib.

    versions.txt beside it says which Debian packages they come from.
    """,
)
