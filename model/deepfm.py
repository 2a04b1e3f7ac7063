"""DeepFM: first-order, pairwise and deep part over shared embeddings.

Source: Guo et al. 2017, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction".
"""

import math
from typing import Any, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

import tensorflow as tf

from model import deep, embedding, feature_transform, fm, metrics, optimizers

PROBABILITIES = "probabilities"
LOGITS = "logits"

_SEED_LIMIT = 2**31


class _ModelFields(NamedTuple):
    table_rows: int
    embedding_dim: int
    hidden: Tuple[int, ...]
    dropout: float
    learning_rate: float
    missing_integers: str
    seed: int


class ModelConfig(_ModelFields):
    """What shapes the model and its training; checked when built.

    Args:
      table_rows: Rows of the embedding table, into which all fields are hashed.
      embedding_dim: Floats of an embedding; the table has one column more.
      hidden: Sizes of the deep part's ReLU layers; empty for none.
      dropout: Share of each ReLU layer's outputs dropped in training, in [0, 1).
      learning_rate: Of Adagrad, positive.
      missing_integers: One of feature_transform.MISSING_CHOICES.
      seed: Of all initial values and of dropout, in [0, 2**31).

    Raises:
      ValueError: A value is not as described.
    """

    __slots__ = ()

    def __new__(
        cls,
        table_rows: int = 2**20,
        embedding_dim: int = 16,
        hidden: Iterable[int] = (400, 400, 400),
        dropout: float = 0.0,
        learning_rate: float = 0.02,
        missing_integers: str = feature_transform.MISSING_OWN,
        seed: int = 0,
    ) -> "ModelConfig":
        self = super().__new__(
            cls,
            table_rows,
            embedding_dim,
            tuple(hidden),
            dropout,
            learning_rate,
            missing_integers,
            seed,
        )
        self._check()
        return self

    @classmethod
    def _make(  # type: ignore[override]  # the base's other arguments are its own defaults
        cls, iterable: Iterable[Any]
    ) -> "ModelConfig":
        """What _replace calls; the base's would not check."""
        return cls(*iterable)

    def _check(self) -> None:
        for name in ("table_rows", "embedding_dim"):
            _expect(_is_positive_int(getattr(self, name)), name, "a positive integer", self)
        _expect(all(map(_is_positive_int, self.hidden)), "hidden", "positive integers", self)
        _expect(0.0 <= self.dropout < 1.0, "dropout", "a share in [0, 1)", self)
        _expect(
            0.0 < self.learning_rate < math.inf, "learning_rate", "a positive, finite number", self
        )
        _expect(
            self.missing_integers in feature_transform.MISSING_CHOICES,
            "missing_integers",
            "one of %s" % ", ".join(feature_transform.MISSING_CHOICES),
            self,
        )
        _expect(
            isinstance(self.seed, int) and 0 <= self.seed < _SEED_LIMIT,
            "seed",
            "an integer in [0, 2**31)",
            self,
        )


def tower(
    features: Dict[str, tf.Tensor], config: ModelConfig, training: bool, num_partitions: int
) -> tf.Tensor:
    """Builds the model, its variables included.

    Args:
      features: As for feature_transform.row_ids.
      config: Shape of the model.
      training: Whether dropout applies.
      num_partitions: Parts of the embedding table, one for each PS task.

    Returns:
      The logit, float32 [n, 1].
    """
    ids = feature_transform.row_ids(features, config.table_rows, config.missing_integers)
    with tf.compat.v1.variable_scope("embedding"):
        table = embedding.table(
            config.table_rows, config.embedding_dim, num_partitions, config.seed
        )
    embeddings, weights = embedding.lookup(table, ids)
    fields, dim = embeddings.shape.as_list()[1:]
    with tf.compat.v1.variable_scope("deep"):
        deep_logit = deep.deep_logit(
            tf.reshape(embeddings, [-1, fields * dim]),
            config.hidden,
            config.dropout,
            training,
            config.seed,
        )
    # The deep part's last bias is also the bias of the whole. Not `a + b + c`: TF's optimiser
    # reorders such sums depending on what shapes it knows, and then the two signatures and
    # Estimator.predict differ in the last bit.
    first_order = tf.reduce_sum(weights, axis=1, keepdims=True)
    parts = tf.concat([first_order, fm.fm_logit(embeddings), deep_logit], axis=1)
    return tf.reduce_sum(parts, axis=1, keepdims=True)


def model_fn(
    features: Dict[str, tf.Tensor],
    labels: Optional[tf.Tensor],
    mode: str,
    params: Dict[str, ModelConfig],
    config: tf.estimator.RunConfig,
) -> tf.estimator.EstimatorSpec:
    """The function that tf.estimator.Estimator calls; see `estimator.build`.

    Args:
      features: As for feature_transform.row_ids.
      labels: float32 [n, 1], 0 or 1; None to predict.
      mode: A tf.estimator.ModeKeys.
      params: {"model": ModelConfig}.
      config: Says how many PS tasks there are.

    Returns:
      Predictions {PROBABILITIES: float32 [n, 1], LOGITS: float32 [n, 1]}; the loss is the mean
      cross entropy, the only element of the graph's LOSSES; metrics are those of
      metrics.eval_metric_ops.
    """
    logits = tower(
        features,
        params["model"],
        training=mode == tf.estimator.ModeKeys.TRAIN,
        num_partitions=max(1, config.num_ps_replicas),
    )
    predictions = {PROBABILITIES: tf.sigmoid(logits), LOGITS: logits}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
    tf.compat.v1.losses.add_loss(loss)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(
            mode,
            predictions=predictions,
            loss=loss,
            eval_metric_ops=metrics.eval_metric_ops(labels, logits),
        )
    train_op = optimizers.minimize(loss, params["model"].learning_rate)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _expect(holds: bool, name: str, expected: str, config: Sequence[Any]) -> None:
    if not holds:
        raise ValueError("%s: expected %s, got %r" % (name, expected, getattr(config, name)))
