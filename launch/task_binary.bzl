"""task_binary: a main for the CPU and its twin for the GPU."""

load("@pip//:requirements.bzl", "requirement")
load("@rules_python//python:defs.bzl", "py_binary", "py_library")

def task_binary(name, deps):
    """Declares `name` (CPU wheel, no GPU visible) and `name`_gpu (GPU wheel, GPU 0 visible).

    Args:
      name: Target and module; `name`.py and `name`_gpu.py are the mains.
      deps: What `name`.py imports; no TensorFlow wheel.
    """
    py_library(
        name = name + "_lib",
        srcs = [name + ".py"],
        # The code package takes the main and what it imports, as files.
        visibility = [
            "//kerberos_pkg:__pkg__",
            "//tools/lint:__pkg__",
        ],
        deps = deps,
    )
    py_binary(
        name = name,
        srcs = [name + ".py"],
        visibility = ["//visibility:public"],
        deps = deps + [requirement("tensorflow")],
    )
    py_binary(
        name = name + "_gpu",
        srcs = [name + "_gpu.py"],
        visibility = ["//visibility:public"],
        deps = [
            ":%s_lib" % name,
            requirement("tensorflow-gpu"),
        ],
    )
