"""Tests of writing generated rows: what appears, and what does not."""

import os

import pytest

from data_pipeline import errors, generated_file, generator, text


def test_file_holds_the_rows_of_the_seed(tmp_path):
    path = tmp_path / "new" / "rows.txt"
    made = generated_file.write(str(path), 10000, 3, print)
    rows, probability = generator.Generator(3).rows(0, 10000)
    assert path.read_bytes() == text.format(rows)
    assert made.label_rate == pytest.approx(rows.label.mean())
    assert made.best_auc == pytest.approx(generator.auc(rows.label, probability), abs=1e-4)


def test_old_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("old")
    generated_file.write(str(path), 2, 0, print)
    assert path.read_bytes().count(b"\n") == 2
    assert os.listdir(str(tmp_path)) == ["rows.txt"]


def test_mode_is_that_of_other_files(tmp_path):
    path, other = tmp_path / "rows.txt", tmp_path / "other"
    other.write_text("")
    generated_file.write(str(path), 1, 0, print)
    assert path.stat().st_mode == other.stat().st_mode


def test_old_file_stays_when_writing_fails(tmp_path, monkeypatch):
    def fail(rows):
        raise OSError("disk full")

    path = tmp_path / "rows.txt"
    path.write_text("old")
    monkeypatch.setattr(text, "format", fail)
    with pytest.raises(OSError, match="disk full"):
        generated_file.write(str(path), 2, 0, print)
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["rows.txt"]


def test_progress_is_shown_after_a_while(tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(generated_file.time, "monotonic", lambda: float(next(clock)))
    lines = []
    generated_file.write(str(tmp_path / "rows.txt"), 40000, 0, lines.append)
    assert lines == ["32768 of 40000 rows", "40000 of 40000 rows"]


def test_folder_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file to write, got a folder"):
        generated_file.write(str(tmp_path), 1, 0, print)


def test_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.InputError, match="expected a file in a writable folder, got"):
        generated_file.write(str(tmp_path / "file" / "rows.txt"), 1, 0, print)
