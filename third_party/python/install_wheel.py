"""Installs hashed requirements into a folder; prints, when asked, what one of them needs.

Run by repository rules with the toolchain's interpreter, before any dependency is
there: standard library only, besides that interpreter's own pip (or the one ensurepip carries).
"""

import argparse
import compileall
import email.parser
import glob
import os
import py_compile
import shutil
import subprocess
import sys
from typing import Any, List, Optional


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0; ends the process with pip's last words where nothing could be installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", required=True, help="file of NAME==VERSION --hash=...")
    parser.add_argument("--build_requirements", required=True, help="what builds an sdist, hashed")
    parser.add_argument("--target", required=True, help="folder to install into")
    parser.add_argument(
        "--print_needs", action="store_true", help="print the names that the one requirement needs"
    )
    options = parser.parse_args(argv)
    pip = _Pip()
    error = pip.install(options.requirements, options.target, "--only-binary=:all:")
    if error:
        # No wheel for this interpreter: build the source distribution with the locked tools.
        shutil.rmtree(options.target, ignore_errors=True)
        pip.install_from_source(
            options.requirements, options.build_requirements, options.target, error
        )
    _remove_scripts(options.target)
    _compile(options.target)
    if options.print_needs:
        for name in _needs(options.target):
            print(name)
    return 0


class _Pip:
    """Runs the interpreter's pip, or the bundled one of ensurepip where there is none (uv)."""

    def __init__(self) -> None:
        self.path: List[str] = []
        if subprocess.call([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL):
            import ensurepip

            bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "*.whl")
            self.path = glob.glob(bundled)

    def install(self, requirement: str, target: str, *flags: str, path: str = "") -> str:
        """Returns an empty string, or pip's last words."""
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        command += ["--no-deps", "--require-hashes", "--no-compile", "--no-warn-script-location"]
        command += ["--target", target, "--requirement", requirement]
        return self._run(command + list(flags), path)

    def install_from_source(self, requirement: str, tools: str, target: str, why: str) -> None:
        """Builds with exactly the locked tools; exits with both errors where that fails."""
        tools_dir = os.path.abspath(target + ".build_tools")
        error = self.install(tools, tools_dir, "--only-binary=:all:")
        error = error or self.install(requirement, target, "--no-build-isolation", path=tools_dir)
        shutil.rmtree(tools_dir, ignore_errors=True)
        if error:
            sys.exit("no wheel: %s\nno build from source either: %s" % (why, error))

    def _run(self, command: List[str], path: str) -> str:
        env = dict(os.environ)
        env["PYTHONPATH"] = os.pathsep.join([p for p in [path] + self.path if p])
        # Compiled parts of an sdist must not depend on when they were built.
        env.setdefault("SOURCE_DATE_EPOCH", "315532800")
        process = subprocess.run(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        return process.stdout[-4000:] if process.returncode else ""


def _remove_scripts(target: str) -> None:
    """Deletes console scripts: their first line is a path of this machine. Binaries stay."""
    for path in glob.glob(os.path.join(target, "bin", "*")):
        with open(path, "rb") as script:
            if script.read(2) == b"#!":
                os.remove(path)


def _compile(target: str) -> None:
    """Writes .pyc files that are valid whatever the sources' times: 1.3 s of TF's start."""
    with open(os.devnull, "w") as devnull:
        stdout, sys.stdout = sys.stdout, devnull
        try:
            compileall.compile_dir(
                target,
                ddir=os.path.basename(target),
                quiet=2,
                workers=0,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        finally:
            sys.stdout = stdout


def _needs(target: str) -> List[str]:
    """Reads Requires-Dist of the one installed distribution, without extras."""
    (metadata,) = glob.glob(os.path.join(target, "*.dist-info", "METADATA")) or glob.glob(
        os.path.join(target, "*.egg-info", "PKG-INFO")
    )
    with open(metadata, encoding="utf-8") as text:
        message = email.parser.Parser().parse(text)
    requirements_module = _packaging_requirements()
    names = set()
    for line in message.get_all("Requires-Dist") or []:
        requirement = requirements_module.Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names.add(requirement.name)
    return sorted(names)


def _packaging_requirements() -> Any:
    """The packaging library that pip carries: markers have one right evaluator."""
    try:
        from pip._vendor.packaging import requirements
    except ImportError:
        sys.path[:0] = _Pip().path
        from pip._vendor.packaging import requirements
    return requirements


if __name__ == "__main__":
    sys.exit(main())
