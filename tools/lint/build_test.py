"""The whole tree's BUILD files keep the rules of tools/lint/architecture.py."""

import os

import pytest

from tools.lint import architecture, build_files, source_tree

_ROOT = source_tree.root()
_TARGETS = build_files.evaluate(_ROOT)


@pytest.mark.parametrize(
    "rule",
    [
        architecture.crowded_libraries,
        architecture.libraries_with_tensorflow,
        architecture.public_libraries,
        architecture.tests_with_gpu_wheel,
        architecture.untagged_tests,
        architecture.upward_dependencies,
    ],
)
def test_build_files_keep_the_rule(rule):
    violations = rule(_TARGETS)
    assert not violations, "\n".join(violations)


def test_every_python_file_is_in_a_target():
    paths = source_tree.files(_ROOT, "*.py")
    violations = architecture.unowned_python_files(_TARGETS, paths)
    assert not violations, "\n".join(violations)


def test_every_module_is_typed():
    # Beside this test lie the modules that types_test checks.
    checked = source_tree.typed_modules(os.getcwd())
    missing = sorted(set(source_tree.typed_modules(_ROOT)) - set(checked))
    assert not missing, "add to //tools/lint:typed_modules what imports " + ", ".join(missing)


def test_all_packages_were_evaluated():
    packages = {target.package for target in _TARGETS}
    assert packages >= {"data_pipeline", "kerberos_pkg", "launch", "model", "serving", "tools/lint"}
