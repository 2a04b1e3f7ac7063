"""Tests of writing generated rows: which bytes, what is said, and what is left behind."""

import gzip
import multiprocessing
import os

import pytest

from data_pipeline import errors, generated_file, generator, progress, text

# More than two chunks.
_ROWS = 70000


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_file_holds_the_rows_of_the_seed(tmp_path, threads):
    path = tmp_path / "new" / "rows.txt"
    made = generated_file.write(str(path), _ROWS, 3, print, threads=threads)
    rows, probability = generator.Generator(3).rows(0, _ROWS)
    assert path.read_bytes() == text.format(rows)
    assert made.label_rate == pytest.approx(rows.label.mean(), abs=1e-12)
    assert made.best_auc == pytest.approx(generator.auc(rows.label, probability), abs=1e-6)


def test_all_cores_are_used_by_default(tmp_path):
    path = tmp_path / "rows.txt"
    generated_file.write(str(path), _ROWS, 3, print)
    assert path.read_bytes() == text.format(generator.Generator(3).rows(0, _ROWS)[0])


def test_compressed_file_is_the_same_for_any_number_of_threads(tmp_path):
    paths = [tmp_path / "one.gz", tmp_path / "other.gz"]
    for threads, path in enumerate(paths, 1):
        generated_file.write(str(path), _ROWS, 3, print, threads=threads)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    rows, _ = generator.Generator(3).rows(0, _ROWS)
    assert gzip.decompress(paths[0].read_bytes()) == text.format(rows)


@pytest.mark.parametrize("auc_rows", [1, 1000, 10**6])
def test_best_auc_does_not_depend_on_the_parts_it_is_counted_in(tmp_path, monkeypatch, auc_rows):
    monkeypatch.setattr(generated_file, "AUC_ROWS", auc_rows)
    # So many rows that some have the same probability.
    made = generated_file.write(str(tmp_path / "rows.txt"), 20000, 5, print)
    rows, probability = generator.Generator(5).rows(0, 20000)
    want = generator.auc(rows.label, probability.astype("float32"))
    assert made.best_auc == pytest.approx(want, abs=1e-12)


def test_best_auc_of_one_class_is_not_a_number(tmp_path):
    made = generated_file.write(str(tmp_path / "rows.txt"), 1, 0, print)
    assert made.best_auc == pytest.approx(float("nan"), nan_ok=True)


def test_old_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("old")
    generated_file.write(str(path), 2, 0, print)
    assert path.read_bytes().count(b"\n") == 2
    assert os.listdir(str(tmp_path)) == ["rows.txt"]


@pytest.mark.parametrize("threads", [1, 2])
def test_old_file_stays_when_writing_fails(tmp_path, monkeypatch, threads):
    def fail(rows):
        raise OSError("disk full")

    path = tmp_path / "rows.txt"
    path.write_text("old")
    monkeypatch.setattr(text, "format", fail)
    with pytest.raises(OSError, match="disk full"):
        generated_file.write(str(path), _ROWS, 0, print, threads=threads)
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["rows.txt"]


def test_interrupted_run_leaves_no_file_and_no_process(tmp_path, monkeypatch):
    def interrupt(line):
        raise KeyboardInterrupt

    _report_at_once(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        generated_file.write(str(tmp_path / "rows.txt"), _ROWS, 0, interrupt, threads=2)
    assert os.listdir(str(tmp_path)) == []
    assert multiprocessing.active_children() == []


def _report_at_once(monkeypatch):
    """Lets no two seconds pass before the first line of progress."""
    monkeypatch.setattr(progress, "_INTERVAL_SECS", 0.0)


def test_folder_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file to write, got a folder"):
        generated_file.write(str(tmp_path), 1, 0, print)
