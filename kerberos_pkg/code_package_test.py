"""The folder that Bazel builds: complete, and fit for the platform's plain Python 3.6 and 3.7."""

import ast
import os
import pathlib

import pytest

_FOLDER = pathlib.Path(__file__).absolute().parent / "code_package"
_PATHS = sorted(
    os.path.relpath(os.path.join(parent, name), str(_FOLDER))
    for parent, _, names in os.walk(str(_FOLDER), followlinks=True)
    for name in names
)
_PACKAGES = ("data_pipeline", "launch", "model")
_MODULES = [p for p in _PATHS if p.endswith(".py") and p.split("/")[0] in _PACKAGES]

# Not in Python 3.6, which the platform's accelerated image has.
_NEWER_THAN_36 = {"contextvars", "dataclasses", "importlib.metadata", "importlib.resources"}


def _imports(path):
    """Yields (module, name) of `from module import name`, (module, None) of `import module`."""
    for node in ast.walk(ast.parse((_FOLDER / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def test_top_level_is_what_the_guide_expects():
    assert sorted(os.listdir(str(_FOLDER))) == [
        "PyYAML-6.0.1.dist-info",
        "_yaml",
        "data_pipeline",
        "launch",
        "model",
        "start.sh",
        "start_1ps.sh",
        "start_1worker1eval.sh",
        "yaml",
    ]


@pytest.mark.parametrize("role", ["ps", "worker", "evaluator"])
def test_mains_of_the_start_scripts_are_there(role):
    assert "launch/%s.py" % role in _MODULES


def test_folders_are_regular_packages():
    # Else a package of the image named like one of ours would win.
    assert [path for path in _MODULES if path.endswith("__init__.py")] == [
        "%s/__init__.py" % folder for folder in _PACKAGES
    ]


def test_no_test_or_build_file_came_along():
    others = [path for path in _PATHS if not path.endswith((".py", ".sh"))]
    assert others == [
        "PyYAML-6.0.1.dist-info/LICENSE",
        "PyYAML-6.0.1.dist-info/METADATA",
        "data_pipeline/criteo_kernel.so",
        "model/id_kernel.so",
    ]
    assert [path for path in _PATHS if "test" in os.path.basename(path)] == []


@pytest.mark.parametrize("path", _MODULES)
def test_what_a_module_imports_of_ours_is_there(path):
    for module, name in _imports(path):
        if module.split(".")[0] in _PACKAGES:
            wanted = "%s/%s.py" % (module.replace(".", "/"), name)
            assert wanted in _MODULES, "%s imports %s, which runtime_srcs lacks" % (path, wanted)


@pytest.mark.parametrize("path", _MODULES)
def test_module_does_not_need_more_than_python_36(path):
    for module, name in _imports(path):
        assert module not in _NEWER_THAN_36
        assert (module, name) != ("__future__", "annotations")


def test_every_packed_module_is_reached_from_a_main():
    reached = set()
    waiting = ["launch/%s.py" % role for role in ("ps", "worker", "evaluator")]
    while waiting:
        path = waiting.pop()
        if path in _MODULES and path not in reached:
            reached.add(path)
            waiting += [
                "%s/%s.py" % (module.replace(".", "/"), name) for module, name in _imports(path)
            ]
    packed = {path for path in _MODULES if not path.endswith("__init__.py")}
    assert sorted(packed - reached) == []
