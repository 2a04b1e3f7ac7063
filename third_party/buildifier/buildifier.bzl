"""buildifier_repository: the released buildifier program, from its npm package."""

_VERSION = "8.2.1"
_SHA256 = "b96ea9b13003036c801f52bee6f9b0314738f8432e5cb9d814c89f59292604ee"

# `uname -s` and `uname -m` -> the package's file.
_PROGRAMS = {
    "Darwin arm64": "buildifier-darwin_arm64",
    "Darwin x86_64": "buildifier-darwin_amd64",
    "Linux aarch64": "buildifier-linux_arm64",
    "Linux riscv64": "buildifier-linux_riscv64",
    "Linux x86_64": "buildifier-linux_amd64",
}

# Stands in for the program where it cannot be had: other targets build, and what runs it fails with
# the reason.
_MISSING = """#!/bin/sh
echo "no buildifier: {reason}." >&2
echo "Install npm (Debian: apt-get install npm) and type: ./bazelw sync --only=buildifier" >&2
exit 69
"""

def _fetch(ctx):
    """Downloads and unpacks the package; returns an empty string, or why that was not possible."""
    platform = ctx.execute(["uname", "-sm"]).stdout.strip()
    program = _PROGRAMS.get(platform)
    if not program:
        return "the package has none for %s" % platform
    npm = ctx.which("npm")
    if not npm:
        return "npm is not on PATH"

    # npm knows the user's registry and credentials, which a URL here would not.
    packed = ctx.execute(
        [npm, "pack", "--loglevel=error", "@bazel/buildifier@" + _VERSION],
        timeout = 300,  # seconds, for 24 MB
    )
    if packed.return_code:
        return "npm pack failed (%s)" % packed.stderr.strip().split("\n")[-1].replace("\"", "'")
    archive = ctx.path("bazel-buildifier-%s.tgz" % _VERSION)

    # Through download_and_extract, which compares the hash.
    ctx.download_and_extract(
        url = "file://%s" % archive,
        output = "package",
        sha256 = _SHA256,
        stripPrefix = "package",
        type = "tar.gz",
    )
    ctx.delete(archive)
    ctx.symlink("package/" + program, "buildifier")
    return ""

def _buildifier_repository_impl(ctx):
    reason = _fetch(ctx)
    if reason:
        ctx.file("buildifier", _MISSING.format(reason = reason), executable = True)
    ctx.file("BUILD", "exports_files([\"buildifier\"], visibility = [\"//visibility:public\"])\n")

buildifier_repository = repository_rule(
    implementation = _buildifier_repository_impl,
    doc = "Makes @buildifier//:buildifier, the program for this machine.",
)
