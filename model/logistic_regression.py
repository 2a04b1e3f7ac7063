"""The peer that small data do not ruin: logistic regression on the same hashed cells."""

from typing import NamedTuple, Sequence

import numpy as np
import sklearn.linear_model
from scipy import sparse
from sklearn import metrics

from data_pipeline import kernel
from model import distinct_ids, hyper_parameters

_COLUMNS = 2**18
_CHOICES_OF_C = (0.003, 0.01, 0.03, 0.1, 0.3)
# Of the training rows, the last; the data are in order of time.
_VALIDATION_SHARE = 0.2


class Quality(NamedTuple):
    """Quality of predictions of labels."""

    auc: float
    log_loss: float


def quality(labels: np.ndarray, probabilities: np.ndarray) -> Quality:
    """Quality of float [n] probabilities of float [n] labels, by scikit-learn."""
    return Quality(
        float(metrics.roc_auc_score(labels, probabilities)),
        float(metrics.log_loss(labels, np.asarray(probabilities, np.float64))),
    )


def fit_and_evaluate(train: kernel.Batch, evaluation: kernel.Batch) -> Quality:
    """Fits on `train`, with the C that is best on its last fifth, and evaluates."""
    features, labels = _one_hot(train), train.label[:, 0]
    cut = int(len(labels) * (1 - _VALIDATION_SHARE))
    best_c = min(
        _CHOICES_OF_C,
        key=lambda c: (
            quality(
                labels[cut:],
                _fit(features[:cut], labels[:cut], c).predict_proba(features[cut:])[:, 1],
            ).log_loss
        ),
    )
    model = _fit(features, labels, best_c)
    return quality(evaluation.label[:, 0], model.predict_proba(_one_hot(evaluation))[:, 1])


def _fit(
    features: sparse.csr_matrix, labels: np.ndarray, c: float
) -> sklearn.linear_model.LogisticRegression:
    model = sklearn.linear_model.LogisticRegression(C=c, solver="liblinear", random_state=0)
    return model.fit(features, labels)


def _one_hot(batch: kernel.Batch) -> sparse.csr_matrix:
    cells = distinct_ids.of(batch, _COLUMNS, hyper_parameters.MISSING_OWN)
    columns = cells.ids[cells.positions]
    rows, fields = columns.shape
    starts = np.arange(rows + 1) * fields
    shape = (rows, _COLUMNS)
    return sparse.csr_matrix((np.ones(columns.size), columns.reshape(-1), starts), shape)


def mean(qualities: Sequence[Quality]) -> Quality:
    """The mean of each figure."""
    return Quality(*(float(values) for values in np.mean(qualities, axis=0)))
