import pytest

from tools.lint import build_files


def _evaluate(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return {target.label: target for target in build_files.evaluate(str(folder))}


def test_evaluate_reads_rules_with_full_labels(tmp_path):
    targets = _evaluate(
        tmp_path,
        {
            "a/BUILD": """
load("@pip//:requirements.bzl", "requirement")
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "x",
    srcs = ["x.py"],
    deps = [":y", "//b", "//b:z", requirement("Scikit-Learn")],
)
""",
        },
    )
    target = targets["//a:x"]
    assert (target.kind, target.package) == ("py_library", "a")
    assert target.labels("srcs") == ["//a:x.py"]
    assert target.labels("deps") == ["//a:y", "//b:b", "//b:z", "@pip//:scikit_learn"]
    assert target.dependencies() == target.labels("deps") + target.labels("srcs")


def test_evaluate_expands_macros_of_the_workspace(tmp_path):
    targets = _evaluate(
        tmp_path,
        {
            "tools/macros.bzl": """
load("@rules_python//python:defs.bzl", "py_test")

def two_tests(name, tags = [], **kwargs):
    for size in ["small", "medium"]:
        py_test(name = "%s_%s" % (name, size), size = size, tags = tags + ["ours"], **kwargs)
""",
            "a/BUILD": 'load("//tools:macros.bzl", t = "two_tests")\nt("x", srcs = ["x.py"])\n',
        },
    )
    assert {label: target.attributes["size"] for label, target in targets.items()} == {
        "//a:x_small": "small",
        "//a:x_medium": "medium",
    }
    assert targets["//a:x_small"].attributes["tags"] == ["ours"]


def test_evaluate_names_our_own_rules(tmp_path):
    targets = _evaluate(
        tmp_path,
        {
            "defs.bzl": "ours = rule(lambda ctx: None, attrs = {'a': attr.label()})\n",
            "BUILD": 'load(":defs.bzl", "ours")\nours(name = "x", a = "//b:c", note = "text")\n',
        },
    )
    assert targets["//:x"].kind == "ours"
    assert targets["//:x"].dependencies() == ["//b:c"]


def test_visibility_comes_from_the_package_where_a_target_has_none(tmp_path):
    targets = _evaluate(
        tmp_path,
        {
            "a/BUILD": """
package(default_visibility = ["//b:__pkg__"])
filegroup(name = "x")
filegroup(name = "y", visibility = ["//c:__pkg__"])
""",
            "d/BUILD": 'filegroup(name = "z")',
        },
    )
    assert {label: target.attributes["visibility"] for label, target in targets.items()} == {
        "//a:x": ["//b:__pkg__"],
        "//a:y": ["//c:__pkg__"],
        "//d:z": ["//visibility:private"],
    }


def test_select_counts_with_all_branches(tmp_path):
    text = """
filegroup(
    name = "x",
    srcs = ["a"] + select({"//c:d": ["b"], "//conditions:default": ["c"]}),
)
"""
    targets = _evaluate(tmp_path, {"BUILD": text})
    assert targets["//:x"].labels("srcs") == ["//:a", "//:b", "//:c"]


def test_folders_ignored_by_bazel_are_no_packages(tmp_path):
    files = {".bazelignore": "other\n", "other/BUILD": "not Python at all", "a/BUILD": ""}
    assert _evaluate(tmp_path, files) == {}


@pytest.mark.parametrize(
    "text, error",
    [
        pytest.param("mystery_rule(name = 'x')", NameError, id="unknown_rule"),
        pytest.param("glob(['**/*.py'])", ValueError, id="glob_of_sources"),
        pytest.param("fail('no')", NameError, id="fail_is_for_bzl_files"),
        pytest.param("filegroup()", KeyError, id="no_name"),
    ],
)
def test_what_is_not_understood_is_an_error(tmp_path, text, error):
    with pytest.raises(error):
        _evaluate(tmp_path, {"BUILD": text})
