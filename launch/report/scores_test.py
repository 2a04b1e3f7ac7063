"""A model whose scores are known is counted row by row."""

import pytest

from data_pipeline import errors, inputs, row_source, rows_testing, text
from data_pipeline import rows as rows_lib
from launch.report import known_model, score_histogram, scores


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return known_model.export(str(tmp_path_factory.mktemp("model") / "saved"))


def _files(folder, *files):
    """Writes each list of (label, I1) as a text file; returns their paths."""
    for i, rows in enumerate(files):
        blocks = [rows_testing.row(label, [first, 7], [None]) for label, first in rows]
        data = text.format(rows_lib.concatenate(blocks))
        (folder / ("%d.tsv" % i)).write_bytes(data)
    return row_source.find(str(folder))


def _count(histogram):
    """Rows as {(label, logit): count}; the lower ends of their bins are the logits."""
    bins = enumerate(zip(histogram.negatives, histogram.positives))
    return {
        (label, i / 512 - score_histogram.MAX_LOGIT): int(pair[label])
        for i, pair in bins
        for label in (0, 1)
        if pair[label]
    }


def test_all_rows_of_all_files_are_scored(tmp_path, model):
    files = [(1, 3), (0, -2), (0, None)], [(1, 3), (0, 3)]
    got = scores.of(model, _files(tmp_path, *files), 100, None, print)
    assert _count(got.histogram) == {(1, 3): 2, (0, 3): 1, (0, -2): 1, (0, 0): 1}
    assert got.is_all


# The rows' order is that of the file, whatever the sizes of batches are.
@pytest.mark.parametrize("batch_rows", [1, 2, 5])
@pytest.mark.parametrize("max_rows, is_all", [(1, False), (4, False), (5, True), (6, True)])
def test_first_rows_are_scored_and_what_is_left_is_told(
    tmp_path, model, monkeypatch, batch_rows, max_rows, is_all
):
    monkeypatch.setattr(scores, "_BATCH_ROWS", batch_rows)
    paths = _files(tmp_path, [(0, value) for value in range(5)])
    got = scores.of(model, paths, max_rows, None, print)
    assert sorted(_count(got.histogram)) == [(0, value) for value in range(min(max_rows, 5))]
    assert got.is_all == is_all


def test_rows_are_counted_at_the_threshold(tmp_path, model):
    paths = _files(tmp_path, [(1, 3), (0, -2), (0, None), (1, -1)])
    got = scores.of(model, paths, 100, 0.5, print).histogram
    assert (got.threshold, got.true_positives, got.false_positives) == (0.5, 1, 1)


def test_no_more_rows_are_read_than_needed(tmp_path, model, monkeypatch):
    batches, read = inputs.batches, []

    def counted(*args):
        for batch in batches(*args):
            read.append(len(batch.label))
            yield batch

    monkeypatch.setattr(scores, "_BATCH_ROWS", 2)
    monkeypatch.setattr(inputs, "batches", counted)
    scores.of(model, _files(tmp_path, [(0, 1)] * 100), 3, None, print)
    assert read == [2, 2]


def test_score_that_is_no_number_is_refused(tmp_path, model):
    paths = _files(tmp_path, [(0, 1), (1, known_model.NO_NUMBER)])
    with pytest.raises(errors.InputError, match="saved: expected finite logits, got nan in row 1"):
        scores.of(model, paths, 100, None, print)


def test_files_without_rows_are_refused(tmp_path, model):
    (tmp_path / "0.tsv").write_bytes(b"")
    with pytest.raises(errors.InputError, match="expected rows to score, got none: .*0.tsv"):
        scores.of(model, [str(tmp_path / "0.tsv")], 100, None, print)


def test_folder_without_model_is_refused(tmp_path):
    paths = _files(tmp_path, [(0, 1)])
    with pytest.raises(errors.InputError, match="expected a model .* got /no/such: .*not exist"):
        scores.of("/no/such", paths, 100, None, print)


def test_model_of_another_kind_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    paths = _files(tmp_path / "data", [(0, 1)])
    other = known_model.export(str(tmp_path / "other"), "probabilities")
    with pytest.raises(errors.InputError, match=r"outputs \['probabilities'\]: .*other"):
        scores.of(other, paths, 100, None, print)
