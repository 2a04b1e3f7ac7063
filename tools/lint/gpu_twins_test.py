"""The GPU mains are the CPU mains but for the wheel and for CUDA_VISIBLE_DEVICES.

Asks Bazel itself, a second one with an output base of its own and no network: it sees the wheels'
labels without fetching any. `deps()` would need what is behind them, so the closure is made here.
"""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tools.lint import source_tree

_ROOT = source_tree.root()
_BAZEL = os.path.abspath("../bazel_program/bazel")

# What the mains reach; a label outside them makes the test fail.
_QUERY = "//data_pipeline:all + //launch:all + //model:all"

_ROLES = ("evaluator", "ps", "worker")
_WHEEL, _GPU_WHEEL = "@pip_tensorflow//:pkg", "@pip_tensorflow_gpu//:pkg"

# Where rules come from, not what they do.
_ORIGIN = re.compile("name$|generator_|tags$")


class _Answer:
    """What `bazel query` said.

    Attributes:
      rules: {label: its XML element}.
      external: Names of the repositories that the query fetched.
    """

    def __init__(self, xml, external):
        self.rules = {rule.get("name"): rule for rule in ElementTree.fromstring(xml).iter("rule")}
        self.external = external

    def attributes(self, label):
        """{attribute: its value or labels, sorted} of a rule, with Bazel's defaults."""
        found = {}
        for element in self.rules[label]:
            if element.tag in ("rule-input", "rule-output") or _ORIGIN.match(element.get("name")):
                continue
            values = [part.get("value") for part in element.iter() if part.get("value") is not None]
            found[element.get("name")] = sorted(values)
        return found

    def closure(self, label):
        """All labels that `label` reaches, itself too."""
        reached, waiting = set(), [label]
        while waiting:
            label = waiting.pop()
            if label not in reached:
                reached.add(label)
                if label in self.rules:
                    inputs = self.rules[label].findall("rule-input")
                    waiting += [element.get("name") for element in inputs]
        return reached


@pytest.fixture(name="answer", scope="module")
def _answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bazel")
    base = folder / "base"
    command = [_BAZEL, "--batch", "--nohome_rc", "--noworkspace_rc"]
    # Else the JVM warns, on stdout, when one in another test's sandbox has the same process number.
    command += ["--host_jvm_args=-XX:-UsePerfData"]
    command += ["--output_user_root=%s" % (folder / "root"), "--output_base=%s" % base]
    # The interpreter that is there already; else the toolchain would search for one.
    env = {"PATH": os.environ["PATH"], "PYTHON37": sys.executable}
    result = subprocess.run(
        command + ["query", "--output=xml", "--xml:default_values", _QUERY],
        cwd=_ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert result.returncode == 0, result.stderr.decode()
    return _Answer(result.stdout, sorted(os.listdir(str(base / "external"))))


def test_no_wheel_was_fetched(answer):
    assert "pip" in answer.external  # the names of all wheels
    assert [name for name in answer.external if name.startswith("pip_")] == []


def test_every_main_has_its_twin(answer):
    twins = [label for label in answer.rules if label.endswith("_gpu")]
    assert sorted(twins) == ["//launch:%s_gpu" % role for role in _ROLES]


@pytest.mark.parametrize("role", _ROLES)
def test_twins_attributes_differ_in_main_and_wheel(answer, role):
    main, twin = "//launch:" + role, "//launch:%s_gpu" % role
    assert {answer.rules[label].get("class") for label in (main, twin)} == {"py_binary"}
    attributes, twin_attributes = answer.attributes(main), answer.attributes(twin)
    own = [(attributes.pop(name), twin_attributes.pop(name)) for name in ("srcs", "deps")]
    # The twin imports the main, whose library has the main's own dependencies.
    library = answer.attributes(main + "_lib")
    assert own == [
        ([main + ".py"], [twin + ".py"]),
        (sorted(library["deps"] + [_WHEEL]), sorted([main + "_lib", _GPU_WHEEL])),
    ]
    assert library["srcs"] == [main + ".py"]
    assert attributes == twin_attributes


@pytest.mark.parametrize("role", _ROLES)
def test_twins_reach_the_same_but_for_main_and_wheel(answer, role):
    main, twin = "//launch:" + role, "//launch:%s_gpu" % role
    reached, reached_by_twin = answer.closure(main), answer.closure(twin)
    assert reached - reached_by_twin == {main, _WHEEL}
    assert reached_by_twin - reached == {twin, twin + ".py", main + "_lib", _GPU_WHEEL}


@pytest.mark.parametrize("role", _ROLES)
def test_query_saw_all_of_our_own_that_a_twin_reaches(answer, role):
    reached = answer.closure("//launch:%s_gpu" % role)
    ours = {label for label in reached if label.startswith("//")}
    files = {label for label in ours if os.path.isfile(_path(label))}
    assert len(files) > 20
    assert sorted(ours - files - set(answer.rules)) == []


@pytest.mark.parametrize("role", _ROLES)
def test_twins_code_differs_in_cuda_visible_devices(role):
    twin = ast.parse(_read("launch/%s_gpu.py" % role))
    assert ast.get_docstring(twin)
    want = (
        "import sys\nfrom launch import {role}\nif __name__ == '__main__':\n"
        "    sys.exit({role}.main(cuda_visible_devices='0'))\n"
    )
    assert _dump(twin.body[1:]) == _dump(ast.parse(want.format(role=role)).body)
    main = ast.parse(_read("launch/%s.py" % role))
    (function,) = [n for n in main.body if isinstance(n, ast.FunctionDef) and n.name == "main"]
    defaults = dict(
        zip(reversed([arg.arg for arg in function.args.args]), reversed(function.args.defaults))
    )
    assert ast.literal_eval(defaults["cuda_visible_devices"]) == ""
    called = "if __name__ == '__main__':\n    sys.exit(main())\n"
    assert _dump(main.body[-1:]) == _dump(ast.parse(called).body)


def test_wheels_are_of_one_version():
    lock = _read("third_party/python/requirements_lock.txt")
    pins = dict(re.findall(r"^(tensorflow|tensorflow-gpu)==(\S+)", lock, re.MULTILINE))
    assert sorted(pins) == ["tensorflow", "tensorflow-gpu"]
    assert pins["tensorflow"] == pins["tensorflow-gpu"]


def _dump(statements):
    return [ast.dump(statement) for statement in statements]


def _path(label):
    return os.path.join(_ROOT, label[2:].replace(":", "/"))


def _read(path):
    with open(os.path.join(_ROOT, path), encoding="utf-8") as text:
        return text.read()
