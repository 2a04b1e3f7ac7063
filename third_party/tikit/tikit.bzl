"""@tikit: the TI-ONE client, installed without the dependencies that its metadata asks for."""

load("//third_party/python:hashed_install.bzl", "hashed_install")

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

def tikit_repository(name):
    """Declares `@name` with `:tikit`.

    Args:
      name: Name of the repository.
    """
    hashed_install(
        name = name,
        build_file_content = _BUILD,
        requirements_lock = "//third_party/tikit:requirements_lock.txt",
    )
