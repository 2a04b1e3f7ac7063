import numpy as np
import pytest

from data_pipeline import generator, kernel
from model import logistic_regression


def _batch(start, count):
    rows, probabilities = generator.Generator(5).rows(start, count)
    return kernel.gather(rows, np.arange(count)), probabilities


def test_regression_learns_what_there_is():
    (train, _), (evaluation, truth) = _batch(0, 6000), _batch(6000, 4000)
    quality = logistic_regression.fit_and_evaluate(train, evaluation)
    best = logistic_regression.quality(evaluation.label[:, 0], truth)
    assert 0.68 < quality.auc < best.auc
    assert best.log_loss < quality.log_loss < 0.53


def test_quality_of_known_predictions():
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    got = logistic_regression.quality(labels, np.array([0.1, 0.4, 0.35, 0.8]))
    # Three of four pairs in order; the logarithms of the four chances given to what happened.
    assert got.auc == 0.75
    assert got.log_loss == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())


def test_mean_is_of_each_figure():
    qualities = [logistic_regression.Quality(0.5, 0.75), logistic_regression.Quality(1.0, 0.25)]
    assert logistic_regression.mean(qualities) == (0.75, 0.5)
