"""@tikit: the TI-ONE client, installed without the dependencies that its metadata asks for."""

def _tikit_impl(ctx):
    ctx.report_progress("Installing tikit")
    result = ctx.execute(
        [
            ctx.path(ctx.attr._interpreter),
            ctx.path(ctx.attr._install_wheel),
            "--requirements=%s" % ctx.path(ctx.attr._lock),
            "--build_requirements=%s" % ctx.path(ctx.attr._build_requirements),
            "--target=site-packages",
        ],
        environment = {"PYTHONNOUSERSITE": "1", "PYTHONPATH": ""},
        timeout = 600,
    )
    if result.return_code:
        fail("could not install tikit:\n" + result.stderr)
    ctx.file("BUILD", _BUILD)

_BUILD = """# tikit and its few real dependencies; requests is shared with everybody else.
load("@pip//:requirements.bzl", "requirement")
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "tikit",
    data = ["site-packages"],
    imports = ["site-packages"],
    visibility = ["//visibility:public"],
    deps = [
        requirement("requests"),
        requirement("six"),
        requirement("urllib3"),
    ],
)
"""

tikit_repository = repository_rule(
    implementation = _tikit_impl,
    attrs = {
        "_build_requirements": attr.label(default = "//third_party/python:build_requirements_lock.txt"),
        "_install_wheel": attr.label(default = "//third_party/python:install_wheel.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
        "_lock": attr.label(default = "//third_party/tikit:requirements_lock.txt"),
    },
    doc = "Installs third_party/tikit/requirements_lock.txt, hash-checked, --no-deps.",
)
