"""A repository from a lock file of its own, for what must not share everybody's."""

def _hashed_install_impl(ctx):
    ctx.report_progress("Installing %s" % ctx.attr.requirements_lock)
    result = ctx.execute(
        [
            ctx.path(ctx.attr._interpreter),
            ctx.path(ctx.attr._install_wheel),
            "--requirements=%s" % ctx.path(ctx.attr.requirements_lock),
            "--build_requirements=%s" % ctx.path(ctx.attr._build_requirements),
            "--target=site-packages",
        ],
        environment = {"PYTHONNOUSERSITE": "1", "PYTHONPATH": ""},
        timeout = 1800,  # seconds: PySpark has 311 MB
    )
    if result.return_code:
        fail("could not install %s:\n%s" % (ctx.attr.requirements_lock, result.stderr))
    ctx.file("BUILD", ctx.attr.build_file_content)

hashed_install = repository_rule(
    implementation = _hashed_install_impl,
    attrs = {
        "build_file_content": attr.string(
            doc = "Of the BUILD file; `site-packages` beside it is one directory, not one input per file.",
            mandatory = True,
        ),
        "requirements_lock": attr.label(
            doc = "All that is installed, with hashes; nothing is resolved.",
            mandatory = True,
        ),
        "_build_requirements": attr.label(default = "//third_party/python:build_requirements_lock.txt"),
        "_install_wheel": attr.label(default = "//third_party/python:install_wheel.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
    },
    doc = "Installs a lock file into site-packages/, hash-checked, --no-deps.",
)
