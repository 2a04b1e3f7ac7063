"""Evaluates the workspace's BUILD files: which targets there are, with their attributes.

Starlark is close enough to Python that a BUILD file and our own macros run as they are, with
Bazel's functions replaced by ones that write down what they were given. Anything unknown is a
NameError, so a check never passes because something was not understood.

genquery, Bazel's own query as a target, was the alternative. It loads whatever its scope reaches,
thus every wheel named anywhere, the 412 MB GPU wheel too, on each `bazel test //...`; and its scope
must list the targets by hand.
"""

import os
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

from tools.lint import source_tree

# Attributes whose plain strings ("x.py") are files or targets of the same package.
_LABEL_ATTRIBUTES = ("data", "deps", "exports", "main", "scripts", "srcs", "tools")

# Attributes that hold strings with slashes and colons which are no dependencies.
_NO_LABEL_ATTRIBUTES = ("args", "cmd", "name", "tags", "visibility")


class Target(NamedTuple):
    """One target, as Bazel would see it after its macros.

    Attributes:
      label: "//launch:ps".
      kind: The rule, "py_binary".
      attributes: What the rule was given; `visibility` is filled in from the package's default.
    """

    label: str
    kind: str
    attributes: Dict[str, Any]

    @property
    def package(self) -> str:
        """The folder, "launch"; "" for the root."""
        return self.label[2:].split(":")[0]

    def labels(self, attribute: str) -> List[str]:
        """Returns an attribute's targets and files as full labels; those outside keep their @."""
        value = self.attributes.get(attribute)
        plain = attribute in _LABEL_ATTRIBUTES
        return [
            _full_label(text, self.package)
            for text in _strings(value)
            if plain or text.startswith(("//", ":", "@"))
        ]

    def dependencies(self) -> List[str]:
        """Returns all that the target names: sources, data, libraries, tools."""
        return [
            label
            for attribute in sorted(self.attributes)
            if attribute not in _NO_LABEL_ATTRIBUTES
            for label in self.labels(attribute)
        ]


def evaluate(folder: str) -> List[Target]:
    """Returns the targets of all packages of the workspace at `folder`, ordered by package.

    Raises:
      Exception: whatever a BUILD file or macro raises when run as Python; its traceback names the
        file and line.
    """
    evaluator = _Evaluator(folder)
    ignored = tuple(name + "/" for name in source_tree.ignored_by_bazel(folder))
    for path in source_tree.files(folder, "BUILD", "BUILD.bazel"):
        if not path.startswith(ignored):
            evaluator.run_build_file(path)
    return evaluator.targets


def _full_label(text: str, package: str) -> str:
    if text.startswith(("@", "//")):
        return text if ":" in text else "%s:%s" % (text, text.rpartition("/")[2])
    return "//%s:%s" % (package, text.lstrip(":"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


class _Rule:
    """A rule made by `rule()`; it gets its name from the variable that holds it."""

    def __init__(self, evaluator: "_Evaluator", kind: str = "") -> None:
        self._evaluator = evaluator
        self.kind = kind

    def __call__(self, **attributes: Any) -> None:
        self._evaluator.add(self.kind, attributes)


class _Attr:
    """The module `attr`: what its functions return matters to Bazel only."""

    def __getattr__(self, name: str) -> Callable:
        return lambda *args, **kwargs: None


class _Native:
    """The module `native`: every attribute is a rule."""

    def __init__(self, evaluator: "_Evaluator") -> None:
        self._evaluator = evaluator

    def __getattr__(self, name: str) -> Any:
        return self._evaluator.package_functions().get(name) or _Rule(self._evaluator, name)


class _Evaluator:
    """Runs files of one workspace, one package at a time."""

    def __init__(self, folder: str) -> None:
        self.targets = []  # type: List[Target]
        self._folder = folder
        self._package = ""
        self._default_visibility = ["//visibility:private"]
        self._loaded = {}  # type: Dict[str, Dict[str, Any]]

    def run_build_file(self, path: str) -> None:
        self._package = os.path.dirname(path)
        self._default_visibility = ["//visibility:private"]
        names = dict(self.package_functions(), native=_Native(self))
        for kind in ("alias", "config_setting", "filegroup", "genrule", "sh_binary", "sh_test"):
            names[kind] = _Rule(self, kind)
        for kind in ("py_binary", "py_library", "py_test", "py_runtime", "test_suite"):
            names[kind] = _Rule(self, kind)
        self._run(path, names)

    def package_functions(self) -> Dict[str, Callable]:
        return {
            "exports_files": lambda *args, **kwargs: None,
            "glob": self._glob,
            "licenses": lambda *args: None,
            "package": self._set_package,
            "package_name": lambda: self._package,
            "select": _select,
        }

    def add(self, kind: str, attributes: Dict[str, Any]) -> None:
        attributes = {name: value for name, value in attributes.items() if value is not None}
        attributes.setdefault("visibility", self._default_visibility)
        label = "//%s:%s" % (self._package, attributes["name"])
        self.targets.append(Target(label, kind, attributes))

    def _set_package(self, default_visibility: Optional[List[str]] = None, **_: Any) -> None:
        self._default_visibility = default_visibility or self._default_visibility

    def _glob(self, include: List[str], **_: Any) -> List[str]:
        if any(pattern.endswith((".py", "*")) for pattern in include):
            raise ValueError("glob(%r): sources are listed, one module per target" % include)
        return []

    def _run(self, path: str, names: Dict[str, Any]) -> None:
        names["load"] = lambda *args, **kwargs: names.update(self._load(*args, **kwargs))
        full_path = os.path.join(self._folder, path)
        with open(full_path, encoding="utf-8") as source:
            exec(compile(source.read(), full_path, "exec"), names)

    def _load(self, label: str, *symbols: str, **renamed: str) -> Dict[str, Any]:
        wanted = dict({name: name for name in symbols}, **renamed)
        if label.startswith("@"):
            return {name: self._foreign(symbol) for name, symbol in wanted.items()}
        label = _full_label(label, self._package)
        if label not in self._loaded:
            self._loaded[label] = self._run_bzl(label[2:].lstrip(":").replace(":", "/"))
        return {name: self._loaded[label][symbol] for name, symbol in wanted.items()}

    def _run_bzl(self, path: str) -> Dict[str, Any]:
        names = {
            "PyInfo": "PyInfo",  # providers are only named at the top level
            "attr": _Attr(),
            "depset": lambda *args, **kwargs: None,
            "fail": _fail,
            "native": _Native(self),
            "provider": lambda *args, **kwargs: None,
            "repository_rule": lambda *args, **kwargs: None,
            "rule": lambda *args, **kwargs: _Rule(self),
            "select": _select,
        }  # type: Dict[str, Any]
        self._run(path, names)
        for name, value in names.items():
            if isinstance(value, _Rule) and not value.kind:
                value.kind = name
        return names

    def _foreign(self, symbol: str) -> Any:
        if symbol == "requirement":
            return lambda name: "@pip//:" + name.lower().replace("-", "_")
        return _Rule(self, symbol)


def _fail(*words: Any) -> None:
    raise ValueError(" ".join(str(word) for word in words))


def _select(branches: Dict[str, Any]) -> Any:
    """Returns all branches' items as one list: a check must hold on every platform."""
    values = list(branches.values())
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return values[0]
