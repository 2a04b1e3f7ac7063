"""@chromium: a headless Chromium for tests, from one npm package whose hash is pinned (docs/adr/0014)."""

_PACKAGE = "@sparticuz/chromium"
_VERSION = "153.0.0"
_SHA256 = "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0"

# Stands in for the program where it cannot be had: other targets build, and what opens a page fails with the reason.
_MISSING = """none: {reason}
When that is mended, type ./bazelw sync --only=chromium
"""

# Node decompresses Brotli; Bazel and Python do not.
_DECOMPRESS = """
const fs = require("fs"), zlib = require("zlib");
const [source, target] = process.argv.slice(1);
fs.writeFileSync(target, zlib.brotliDecompressSync(fs.readFileSync(source)));
"""

def _fetch(ctx):
    """Downloads and unpacks the package; returns an empty string, or why that was not possible."""
    platform = ctx.execute(["uname", "-sm"]).stdout.strip()
    if platform != "Linux x86_64":
        return "%s has a program for Linux x86_64, this is %s" % (_PACKAGE, platform)
    npm, node = ctx.which("npm"), ctx.which("node")
    if not npm or not node:
        return "npm and node are not both on PATH (Debian: apt-get install npm)"

    # npm knows the user's registry and credentials, which a URL here would not.
    ctx.report_progress("Fetching %s" % _PACKAGE)
    packed = ctx.execute(
        [npm, "pack", "--loglevel=error", "%s@%s" % (_PACKAGE, _VERSION)],
        timeout = 900,  # seconds, for 70 MB
    )
    if packed.return_code:
        return "npm pack failed:\n%s\n" % "\n".join(packed.stderr.split("\n")[:4])
    archive = ctx.path("sparticuz-chromium-%s.tgz" % _VERSION)

    # Through download_and_extract, which compares the hash.
    ctx.download_and_extract(
        url = "file://%s" % archive,
        output = "package",
        sha256 = _SHA256,
        stripPrefix = "package",
        type = "tar.gz",
    )
    ctx.delete(archive)
    ctx.file("browser/VERSION.txt", "%s %s\n" % (_PACKAGE, _VERSION))
    for source, target in [
        ("chromium.br", "browser/chromium"),
        ("al2023.tar.br", "libraries.tar"),
        ("fonts.tar.br", "fonts.tar"),
    ]:
        result = ctx.execute([node, "-e", _DECOMPRESS, "package/bin/" + source, target])
        if result.return_code:
            return "%s failed:\n%s\n" % (node, result.stderr.strip())
    ctx.execute(["chmod", "755", "browser/chromium"])

    # NSS, NSPR and Expat: all that the program needs besides glibc and libgcc_s.
    ctx.extract("libraries.tar", output = "browser/lib", stripPrefix = "lib")
    ctx.extract("fonts.tar", output = "browser/fonts", stripPrefix = "fonts")
    for unpacked in ["package", "libraries.tar", "fonts.tar"]:
        ctx.delete(unpacked)
    return ""

def _chromium_repository_impl(ctx):
    reason = _fetch(ctx)
    if reason:
        ctx.delete("browser")
        ctx.file("browser/MISSING.txt", _MISSING.format(reason = reason))

    # One directory, not one input per file.
    ctx.file("BUILD", "exports_files([\"browser\"], visibility = [\"//visibility:public\"])\n")

chromium_repository = repository_rule(
    implementation = _chromium_repository_impl,
    doc = "Makes @chromium//:browser, a folder with chromium, lib/, fonts/ and VERSION.txt; fetched when first needed.",
)
