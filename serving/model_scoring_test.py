"""A model in this process gives the service's scores."""

import numpy as np
import pytest

from data_pipeline import errors, generator, text, wire
from data_pipeline import rows as rows_lib
from serving import model_scoring, sample_model


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    sample_model.export(str(folder / "model"))
    return model_scoring.ModelScorer(str(folder))


def test_scores_are_float32_one_a_row(scorer):
    rows, _ = generator.Generator(3).rows(0, 7)
    scores = scorer.score(rows)
    cells = wire.encode(rows)
    want = sample_model.probabilities(cells.indexes, cells.values, cells.samples)[:, 0]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, want, rtol=1e-6)


def test_labels_change_nothing(scorer):
    line = b"\t3" + b"\t" * 38 + b"\n"
    scores = [scorer.score(text.parse(label + line).rows) for label in (b"0", b"1")]
    assert scores[0].tolist() == scores[1].tolist()


def test_no_rows_have_no_scores(scorer):
    assert scorer.score(rows_lib.empty()).shape == (0,)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="^--model_dir: expected a SavedModel that can be"):
        model_scoring.ModelScorer(str(tmp_path))
