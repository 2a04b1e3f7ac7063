import pytest

from tools.lint import source_tree


def _make(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")


def test_files_finds_every_folder_but_hidden_and_foreign_ones(tmp_path):
    _make(tmp_path, "top.py", "a/b/c/deep.py", "a/BUILD", "a/BUILD.bazel", "a/notes.txt")
    _make(tmp_path, ".git/x.py", "bazel-out/x.py", "node_modules/x.py", "a/__pycache__/x.py")
    _make(tmp_path, "venv/pyvenv.cfg", "venv/lib/x.py")
    assert source_tree.files(str(tmp_path), "*.py") == ["a/b/c/deep.py", "top.py"]
    assert source_tree.files(str(tmp_path), "BUILD", "BUILD.bazel") == ["a/BUILD", "a/BUILD.bazel"]


def test_files_finds_what_ci_runs(tmp_path):
    _make(tmp_path, ".ci/run", ".git/run")
    assert source_tree.files(str(tmp_path), "run") == [".ci/run"]


def test_shell_scripts_are_told_by_name_or_first_line(tmp_path):
    found = {
        "a/x.sh": "",
        "bash": "#!/bin/bash\n",
        "dash": "#! /usr/bin/dash -e",
        "env": "#!/usr/bin/env bash\n",
        "sh": "#!/bin/sh\n",
    }
    others = {
        "fish": "#!/usr/bin/fish\n",
        "python": "#!/usr/bin/env python3\n# sh\n",
        "text": "A script starts with #!/bin/sh.\n",
        "x.md": "# sh\n",
    }
    for name, text in dict(found, **others).items():
        _make(tmp_path, name)
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff\x00" * 100)
    (tmp_path / "nowhere.sh").symlink_to(tmp_path / "nothing")
    assert source_tree.shell_scripts(str(tmp_path)) == sorted(found)


def test_files_does_not_follow_links(tmp_path):
    _make(tmp_path, "a/x.py")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert source_tree.files(str(tmp_path), "*.py") == ["a/x.py"]


def test_ignored_by_bazel_reads_folders(tmp_path):
    assert source_tree.ignored_by_bazel(str(tmp_path)) == []
    (tmp_path / ".bazelignore").write_text("# others\n\nthird_party/a/\nthird_party/b\n")
    assert source_tree.ignored_by_bazel(str(tmp_path)) == ["third_party/a", "third_party/b"]


def test_root_follows_the_anchor_to_the_workspace(tmp_path, monkeypatch):
    _make(tmp_path, "real/WORKSPACE", "real/pyproject.toml", "runfiles/x")
    (tmp_path / "runfiles/pyproject.toml").symlink_to(tmp_path / "real/pyproject.toml")
    monkeypatch.delenv("BUILD_WORKSPACE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path / "runfiles")
    assert source_tree.root() == str(tmp_path / "real")


def test_root_without_anchor_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("BUILD_WORKSPACE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no WORKSPACE in"):
        source_tree.root()
