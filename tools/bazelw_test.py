"""./bazelw: what it finds, what it says when it finds nothing, and what it passes on."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

# What bazelw and find_python.sh call besides bash's own commands.
_TOOLS = ("bash", "dirname", "id", "readlink", "sh")


@pytest.fixture
def repository(tmp_path):
    """A copy of the scripts, so that their folder is no link into the real repository."""
    root = tmp_path / "repository"
    (root / "third_party" / "python").mkdir(parents=True)
    for name in ("bazelw", ".bazelversion", "third_party/python/find_python.sh"):
        shutil.copy(name, str(root / name))
    return root


@pytest.fixture
def path(tmp_path):
    """A folder for PATH that holds nothing but the tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in _TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def _program(folder, name, script):
    program = folder / name
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def _bazel(folder, name="bazel", version="bazel 4.2.3"):
    script = '[ "$1" = --version ] && { echo "%s"; exit 0; }\necho "$PWD: $@"\nexit 37\n' % version
    return _program(folder, name, script)


def _run(repository, path, *arguments, **env):
    env = dict({"PATH": str(path), "HOME": "/nonexistent", "PYTHON37": sys.executable}, **env)
    return subprocess.run(
        [str(repository / "bazelw")] + list(arguments),
        env={name: value for name, value in env.items() if value},
        cwd=env.get("CWD", str(repository)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_hands_over_arguments_and_exit_code(repository, path):
    _bazel(path)
    result = _run(repository, path, "test", "//...", "--a b")
    assert (result.returncode, result.stderr) == (37, "")
    assert result.stdout == "%s: test //... --a b\n" % repository


def test_stays_in_the_folder_it_was_called_from(repository, path):
    _bazel(path)
    folder = repository / "third_party"
    assert _run(repository, path, "info", CWD=str(folder)).stdout == "%s: info\n" % folder


def test_goes_to_the_repository_when_called_from_elsewhere(repository, path):
    _bazel(path)
    assert _run(repository, path, "info", CWD="/").stdout == "%s: info\n" % repository


def test_debians_binary_is_taken(repository, path):
    _bazel(path, "bazel-4", "bazel no_version")
    _program(path, "javac", "")
    assert _run(repository, path, "info").returncode == 37


def test_another_version_is_passed_over(repository, path, tmp_path):
    _bazel(path, version="bazel 7.0.0")
    other = tmp_path / "other"
    other.mkdir()
    _bazel(other)
    assert _run(repository, "%s:%s" % (path, other), "info").returncode == 37


@pytest.mark.parametrize(
    "env, message",
    [
        pytest.param({}, "Bazel 4.2.3 not found: install bazelisk", id="no_bazel"),
        pytest.param(
            {"BAZEL": "/bin/false"}, "BAZEL=/bin/false is not Bazel 4.2.3", id="bad_bazel"
        ),
    ],
)
def test_no_bazel_is_one_line(repository, path, env, message):
    result = _run(repository, path, "info", **env)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert message in line


def test_who_may_not_install_is_told_what_to_type(repository, path):
    _program(path, "apt-get", "exit 1")
    (path / "id").unlink()
    _program(path, "id", "echo 1000")
    result = _run(repository, path, "info")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "sudo apt-get install bazel-bootstrap" in line


def test_no_jdk_is_one_line(repository, path):
    _bazel(path, "bazel-4", "bazel no_version")
    result = _run(repository, path, "info")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "no JDK found: type 'apt-get install openjdk-17-jdk-headless'" in line


def test_no_python37_is_one_line(repository, path):
    _bazel(path)
    result = _run(repository, path, "info", PYTHON37="/bin/false")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "PYTHON37=/bin/false is not a CPython 3.7" in line


@pytest.mark.parametrize(
    "variable, folder",
    [
        pytest.param("PYENV_ROOT", "versions/3.7.99/bin", id="pyenv_not_activated"),
        pytest.param("UV_PYTHON_INSTALL_DIR", "cpython-3.7.9-linux-x86_64-gnu/bin", id="uv"),
        pytest.param("CONDA_PREFIX", "bin", id="conda"),
    ],
)
def test_python37_of_other_tools_is_found(repository, path, tmp_path, variable, folder):
    _bazel(path)
    without = _run(repository, path, "info", PYTHON37="")
    assert without.returncode == 2 and "pyenv install 3.7" in without.stderr
    bin_folder = tmp_path / "python" / folder
    bin_folder.mkdir(parents=True)
    (bin_folder / "python3.7").symlink_to(os.path.realpath(sys.executable))
    with_it = _run(repository, path, "info", PYTHON37="", **{variable: str(tmp_path / "python")})
    assert with_it.returncode == 37


def test_bazelisk_is_taken_when_there_is_nothing_else(repository, path):
    _bazel(path, "bazelisk")
    assert _run(repository, path, "info").returncode == 37
