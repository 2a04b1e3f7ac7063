"""@rules_python: the in-tree repository, or the released rules for those who reach GitHub."""

_VERSION = "0.5.0"
_SHA256 = "cd6730ed53a002c56ce4e2f396ba3b3be262fd7cb68339f0377a45e8227fe332"
_URL = "https://github.com/bazelbuild/rules_python/releases/download/{v}/rules_python-{v}.tar.gz"

def _rules_python_impl(ctx):
    source = ctx.os.environ.get("RULES_PYTHON", "in_tree")
    if source == "upstream":
        ctx.download_and_extract(url = _URL.format(v = _VERSION), sha256 = _SHA256)
    elif source == "in_tree":
        root = ctx.path(Label("//:WORKSPACE")).dirname.get_child("third_party").get_child("rules_python")
        for child in root.readdir():
            ctx.symlink(child, child.basename)
    else:
        fail("RULES_PYTHON: expected in_tree or upstream, got %r" % source)

rules_python_repository = repository_rule(
    implementation = _rules_python_impl,
    environ = ["RULES_PYTHON"],
    local = True,  # links only: cheap, and sees files that were added
    doc = "Selected by --repo_env=RULES_PYTHON=in_tree|upstream.",
)
