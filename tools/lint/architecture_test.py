import pytest

from tools.lint import architecture, build_files

_PRIVATE = ["//visibility:private"]


def _target(label, kind="py_library", **attributes):
    attributes.setdefault("visibility", _PRIVATE)
    return build_files.Target(label, kind, attributes)


@pytest.mark.parametrize(
    "label, deps",
    [
        pytest.param("//model:fm", ["//data_pipeline:schema", "//model:deep"], id="down"),
        pytest.param("//e2e:t", ["//launch:ps", "//third_party/krb5:kdc"], id="from_the_top"),
        pytest.param("//model:fm", ["@pip//:numpy", "//:WORKSPACE"], id="outside_and_root"),
        pytest.param("//third_party/tikit:t", ["//tools/build_defs:main.py"], id="foundation"),
    ],
)
def test_downward_dependencies_pass(label, deps):
    assert architecture.upward_dependencies([_target(label, deps=deps)]) == []


def test_code_package_may_copy_upward_and_nothing_else():
    copies = _target("//kerberos_pkg:code", "code_package", srcs=["//launch:ps_lib"])
    imports = _target("//kerberos_pkg:code", "code_package", data=["//launch:ps_lib"])
    assert architecture.upward_dependencies([copies]) == []
    assert len(architecture.upward_dependencies([imports])) == 1


@pytest.mark.parametrize(
    "label, deps, want",
    [
        ("//data_pipeline:rows", ["//model:fm"], "depends on //model:fm, which is not below it"),
        ("//serving:server", ["//kerberos_pkg:keytab"], "depends on //kerberos_pkg:keytab"),
        ("//kerberos_pkg:x", ["//launch:ps"], "depends on //launch:ps"),
        ("//tools/lint:x", ["//data_pipeline:schema"], "depends on //data_pipeline:schema"),
        ("//model:fm", ["//new:x"], "depends on //new:x"),
        ("//new:x", [], "folder new has no place in architecture.LAYERS"),
    ],
)
@pytest.mark.parametrize("attribute", ["deps", "data", "srcs"])
def test_upward_dependency_is_found(label, deps, want, attribute):
    (line,) = architecture.upward_dependencies([_target(label, **{attribute: deps})])
    assert line.startswith(label) and want in line


@pytest.mark.parametrize(
    "attributes, want",
    [
        ({"size": "small", "tags": []}, "no tag block-network"),
        ({"size": "small"}, "no tag block-network"),
        ({"size": "large", "tags": ["block-network"]}, "size large"),
        ({"size": "small", "tags": ["block-network"], "flaky": 1}, "flaky"),
        ({"size": "small", "tags": ["block-network", "manual"]}, "manual"),
        ({"size": "small", "tags": ["block-network"], "local": True}, "local"),
    ],
)
@pytest.mark.parametrize("kind", ["py_test", "sh_test"])
def test_untagged_test_is_found(kind, attributes, want):
    (line,) = architecture.untagged_tests([_target("//a:t", kind, **attributes)])
    assert want in line


def test_tagged_tests_and_the_one_large_test_pass():
    tags = ["block-network"]
    targets = [
        _target("//a:t", "py_test", size="small", tags=tags),
        _target("//a:u", "py_test", tags=tags),
        _target("//e2e:reproducible_test", "py_test", size="large", tags=tags),
    ]
    assert architecture.untagged_tests(targets) == []


def test_public_library_is_found_and_public_program_passes():
    public = ["//visibility:public"]
    targets = [
        _target("//a:lib", visibility=public),
        _target("//a:files", "filegroup", visibility=public),
        _target("//a:main", "py_binary", visibility=public),
        _target("//third_party/x:lib", visibility=public),
    ]
    assert [line.split(":")[1] for line in architecture.public_libraries(targets)] == [
        "lib",
        "files",
    ]


@pytest.mark.parametrize("wheel", ["@pip//:tensorflow", "@pip_tensorflow_gpu//:pkg"])
def test_library_with_tensorflow_is_found(wheel):
    targets = [_target("//a:lib", deps=[wheel]), _target("//a:main", "py_binary", deps=[wheel])]
    (line,) = architecture.libraries_with_tensorflow(targets)
    assert line.startswith("//a:lib: ")


def test_other_wheels_pass():
    target = _target("//a:lib", deps=["@pip//:tensorflow_estimator2", "@pip//:numpy"])
    assert architecture.libraries_with_tensorflow([target]) == []


def test_gpu_wheel_behind_a_program_is_found():
    targets = [
        _target("//a:main_gpu", "py_binary", deps=["@pip//:tensorflow_gpu"]),
        _target("//a:main", "py_binary", deps=["@pip//:tensorflow"]),
        _target("//a:bad_test", "py_test", data=["//a:main_gpu"]),
        _target("//a:good_test", "py_test", data=["//a:main"]),
    ]
    assert architecture.tests_with_gpu_wheel(targets) == [
        "//a:bad_test: reaches @pip//:tensorflow_gpu"
    ]


def test_python_file_without_target_is_found():
    targets = [
        _target("//a:x", srcs=["x.py", "//tools:main.py"]),
        _target("//:top", srcs=["top.py"]),
        _target("//a:files", "filegroup", srcs=["y.py"]),
    ]
    paths = ["a/x.py", "tools/main.py", "top.py", "a/y.py", "b/new.py"]
    found = architecture.unowned_python_files(targets, paths)
    assert [line.split(":")[0] for line in found] == ["a/y.py", "b/new.py"]


@pytest.mark.parametrize(
    "name, srcs, is_found",
    [
        ("x", ["x.py"], False),
        ("x_lib", ["x.py"], False),
        ("x_lib", ["x_lib.py"], False),
        ("x", [], False),
        ("x", ["x.py", "y.py"], True),
        ("x", ["y.py"], True),
    ],
)
def test_library_holds_its_one_module(name, srcs, is_found):
    assert bool(architecture.crowded_libraries([_target("//a:" + name, srcs=srcs)])) == is_found
