import os

from data_pipeline import command_line


def test_relative_paths_are_those_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(os.getcwd())  # restored afterwards
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    command_line.enter_users_folder()
    assert os.getcwd() == str(tmp_path)


def test_nothing_changes_outside_bazel_run(monkeypatch):
    monkeypatch.delenv("BUILD_WORKING_DIRECTORY", raising=False)
    before = os.getcwd()
    command_line.enter_users_folder()
    assert os.getcwd() == before
