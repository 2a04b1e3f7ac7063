"""@pyspark: Spark with its jars, fetched when a target first needs it."""

load("//third_party/python:hashed_install.bzl", "hashed_install")

_BUILD = """# PySpark and py4j. Java is the machine's.
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "pyspark",
    data = ["site-packages"],
    imports = ["site-packages"],
    visibility = ["//visibility:public"],
)
"""

def pyspark_repository(name):
    """Declares `@name` with `:pyspark`.

    Args:
      name: Name of the repository.
    """
    hashed_install(
        name = name,
        build_file_content = _BUILD,
        requirements_lock = "//third_party/pyspark:requirements_lock.txt",
    )
