"""@pypi__pkginfo for released rules_python 0.5.0, patched to read today's wheels."""

_PIN = "pkginfo==1.7.1 --hash=sha256:37ecd857b47e5f55949c41ed061eb51a0bee97a87c969219d144c0e023982779"

# What follows 2.1 (PEP 643, 685, 639) adds fields that rules_python does not look at.
_PATCH = """
HEADER_ATTRS.update(dict.fromkeys(["2.2", "2.3", "2.4"], HEADER_ATTRS_2_1))
"""

def _pkginfo_impl(ctx):
    ctx.file("requirements.txt", _PIN + "\n")
    result = ctx.execute([
        ctx.path(ctx.attr._interpreter),
        ctx.path(ctx.attr._install_wheel),
        "--requirements=requirements.txt",
        "--build_requirements=requirements.txt",
        "--target=site-packages",
    ])
    if result.return_code:
        fail("could not install %s:\n%s" % (_PIN, result.stderr))
    module = "pkginfo/distribution.py"
    ctx.execute(["cp", "-r", "site-packages/pkginfo", "pkginfo"])
    ctx.execute(["rm", "-r", "pkginfo/__pycache__"])
    ctx.file(module, ctx.read(module) + _PATCH)
    ctx.file("BUILD.bazel", "# Read by path.\n")

pkginfo_repository = repository_rule(
    implementation = _pkginfo_impl,
    attrs = {
        "_install_wheel": attr.label(default = "//third_party/python:install_wheel.py"),
        "_interpreter": attr.label(default = "@python37//:python"),
    },
    doc = """Stands in for the pkginfo that rules_python 0.5.0 declares for itself if nobody has.

    Version 1.7.1, as there: it knows no metadata after 2.1 and then finds no dependencies; newer
    versions take TensorFlow's wheel for a source distribution of gast.""",
)
