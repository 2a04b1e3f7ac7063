"""Declares the repositories that Bazel 4.2.3 would fetch from GitHub for itself."""

_STAND_INS = [
    "remote_coverage_tools",
    "rules_cc",
    "rules_java",
    "rules_proto",
]

def bazel_stand_ins():
    """Declares each stand-in unless a repository of that name is there already."""
    for name in _STAND_INS:
        if name not in native.existing_rules():
            native.local_repository(
                name = name,
                path = "third_party/bazel/" + name,
            )
