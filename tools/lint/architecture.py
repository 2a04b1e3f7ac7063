"""The rules of the build, each a function from targets to a list of violations.

A violation is one line that names the target, what is wrong, and what would be right.
"""

import re
from typing import Dict, Iterable, List

from tools.lint import build_files

# Who may depend on whom: a package on itself and on those of lower rank. Equal ranks are strangers.
LAYERS = {
    "third_party": 0,
    "tools": 0,
    "data_pipeline": 1,
    "model": 2,
    "kerberos_pkg": 3,
    "serving": 3,
    "launch": 4,
    "e2e": 5,
}

# Macros and pins serve one another.
_FOUNDATION = ("third_party", "tools")

# Rules that copy their `srcs` as files and import nothing of them.
_COPIES_SRCS = ("code_package",)

# Rules that read their sources as text; mypy's list of modules is one.
_READS_TEXT = ("python_sources",)

# Compares two output bases, so it runs whole builds.
_LARGE_TESTS = ("//e2e:reproducible_test",)

_PYTHON_RULES = ("py_binary", "py_library", "py_test")
_TENSORFLOW = re.compile(r"@pip(//:|_)tensorflow(_gpu)?\b")
_TENSORFLOW_GPU = re.compile(r"@pip(//:|_)tensorflow_gpu\b")


def upward_dependencies(targets: Iterable[build_files.Target]) -> List[str]:
    """Edges go down the layers; every top-level folder has a place among them."""
    found = []
    for target in targets:
        if target.kind in _READS_TEXT:
            continue
        top = target.package.split("/")[0]
        if top and top not in LAYERS:
            found.append("%s: folder %s has no place in architecture.LAYERS" % (target.label, top))
            continue
        copied = target.labels("srcs") if target.kind in _COPIES_SRCS else []
        for label in target.dependencies():
            other = label[2:].split(":")[0].split("/")[0] if label.startswith("//") else ""
            if other in ("", top) or label in copied:
                continue
            if top in _FOUNDATION and other in _FOUNDATION:
                continue
            if top and LAYERS.get(other, 99) >= LAYERS[top]:
                found.append("%s depends on %s, which is not below it" % (target.label, label))
    return found


def untagged_tests(targets: Iterable[build_files.Target]) -> List[str]:
    """Tests have no network, are small or medium, and pass at the first try."""
    found = []
    for target in _tests(targets):
        attributes = target.attributes
        if "block-network" not in attributes.get("tags", []):
            found.append("%s: no tag block-network; declare it with pytest_test" % target.label)
        size = attributes.get("size", "medium")
        if size not in ("small", "medium") and target.label not in _LARGE_TESTS:
            found.append("%s: size %s; small and medium are allowed" % (target.label, size))
        if attributes.get("flaky"):
            found.append("%s: flaky; find out why instead" % target.label)
        if attributes.get("local") or "manual" in attributes.get("tags", []):
            found.append("%s: local or manual, so `bazel test //...` says less" % target.label)
    return found


def public_libraries(targets: Iterable[build_files.Target]) -> List[str]:
    """Only programs, which users type, are public; libraries name their consumers."""
    return [
        "%s: a %s is public; name the packages that use it" % (target.label, target.kind)
        for target in targets
        if "//visibility:public" in target.attributes["visibility"]
        and target.kind != "py_binary"
        and not target.package.startswith("third_party")
    ]


def libraries_with_tensorflow(targets: Iterable[build_files.Target]) -> List[str]:
    """Mains and tests choose the TensorFlow wheel; a library must work with either."""
    return [
        "%s: a library depends on %s; let its mains and tests do that" % (target.label, label)
        for target in targets
        if target.kind == "py_library"
        for label in target.dependencies()
        if _TENSORFLOW.match(label)
    ]


def tests_with_gpu_wheel(targets: Iterable[build_files.Target]) -> List[str]:
    """No test reaches the GPU wheel, directly or not: it has 412 MB."""
    by_label = {target.label: target for target in targets}
    return [
        "%s: reaches %s" % (target.label, label)
        for target in _tests(by_label.values())
        for label in _reached(target, by_label)
        if _TENSORFLOW_GPU.match(label)
    ]


def unowned_python_files(targets: Iterable[build_files.Target], paths: Iterable[str]) -> List[str]:
    """Every .py of `paths` is a source of some Python target."""
    owned = {
        label[2:].lstrip(":").replace(":", "/")
        for target in targets
        if target.kind in _PYTHON_RULES
        for label in target.labels("srcs")
    }
    advice = "%s: in no target; add a py_library or pytest_test"
    return [advice % path for path in paths if path not in owned]


def crowded_libraries(targets: Iterable[build_files.Target]) -> List[str]:
    """One module, one library of the same name (or NAME_lib, beside a binary NAME)."""
    found = []
    for target in targets:
        if target.kind == "py_library" and target.labels("srcs"):
            name = target.label.split(":")[1]
            want = [target.label + ".py"]
            if name.endswith("_lib"):
                want.append(target.label[: -len("_lib")] + ".py")
            if target.labels("srcs") not in [[label] for label in want]:
                found.append("%s: expected srcs = [%r] alone" % (target.label, name + ".py"))
    return found


def _tests(targets: Iterable[build_files.Target]) -> List[build_files.Target]:
    return [target for target in targets if target.kind.endswith("_test")]


def _reached(target: build_files.Target, by_label: Dict[str, build_files.Target]) -> List[str]:
    reached = {}  # type: Dict[str, None]
    waiting = [target.label]
    while waiting:
        label = waiting.pop()
        if label not in reached:
            reached[label] = None
            if label in by_label:
                waiting += by_label[label].dependencies()
    return list(reached)
