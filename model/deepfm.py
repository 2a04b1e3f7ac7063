"""DeepFM: first-order, pairwise and deep part over shared embeddings.

Source: Guo et al. 2017, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction".
"""

from typing import Any, Dict, List, NamedTuple, Optional

import tensorflow as tf

from model import (
    accelerator,
    deep,
    embedding,
    feature_transform,
    fm,
    hyper_parameters,
    learning_rates,
    metrics,
    optimizers,
)

PROBABILITIES = "probabilities"
LOGITS = "logits"

# A training batch goes through the graph in two halves, which leave no core idle while the other
# one runs an op that TF has for one thread only. Measured: a step of 4,096 rows takes 7 % less on
# two cores; four parts cost more than they bring. Small batches have too little work to divide.
_TOWERS = 2
_LEAST_TOWER_ROWS = 1024

# Apart from the seeds of layers and of the other tower.
_DROPOUT_SEED_STEP = 1009


class TrainingGraph(NamedTuple):
    """A graph of training with all variables of the model.

    Attributes:
      train_op: Does one step.
      num_rows: int32 scalar, the rows of that step's batch.
    """

    train_op: tf.Operation
    num_rows: tf.Tensor


class Tower(NamedTuple):
    """The model on a batch.

    Attributes:
      logits: float32 [n, 1].
      penalty: Scalar, the L2 terms as the sum over the batch that they are worth.
    """

    logits: tf.Tensor
    penalty: tf.Tensor


def tower(
    cells: embedding.Cells,
    parameters: hyper_parameters.HyperParameters,
    training: bool,
    num_ps: int,
) -> Tower:
    """Builds the model, its variables included.

    Args:
      cells: Of the batch; ids are those of feature_transform.row_ids.
      parameters: Shape of the model.
      training: Whether dropout, batch statistics and the cap of hot ids apply.
      num_ps: Number of PS tasks, 0 for none; the embedding table has a part for each.

    Raises:
      InputError: The accelerator is not installed.
    """
    with tf.compat.v1.variable_scope("embedding"):
        rows = accelerator.lookup(cells.ids, parameters, num_ps)
    penalty = _row_penalty(rows, parameters)
    if training and parameters.hot_id_cap:
        rows = embedding.cap_hot_ids(rows, cells.positions, parameters.hot_id_cap)
    # Split before the rows are repeated: they are fewer then.
    embeddings, weights = tf.split(rows, [parameters.embedding_dim, 1], axis=1)
    own_logits = tf.squeeze(weights + fm.own_part(embeddings), axis=1)
    logits = []
    num_towers = _num_towers(parameters) if training else 1
    with tf.compat.v1.variable_scope("deep", reuse=tf.compat.v1.AUTO_REUSE):
        for i, positions in enumerate(_parts(cells.positions, num_towers)):
            inputs, sums = _inputs_and_sums(embedding.repeat(embeddings, positions))
            if cells.numbers is not None:
                inputs = tf.concat([inputs, _parts(cells.numbers, num_towers)[i]], axis=1)
            deep_logit = deep.deep_logit(
                inputs,
                parameters.hidden,
                parameters.dropout,
                parameters.batch_norm,
                training,
                parameters.seed,
                parameters.seed + (i + 1) * _DROPOUT_SEED_STEP,
            )
            own_logit = tf.reduce_sum(
                embedding.repeat(own_logits, positions), axis=1, keepdims=True
            )
            # The deep part's last bias is also the bias of the whole. Not `a + b + c`: TF's
            # optimiser reorders such sums depending on what shapes it knows, and then the two
            # signatures and Estimator.predict differ in the last bit.
            terms = tf.concat([own_logit, fm.joint_part(sums), deep_logit], axis=1)
            logits.append(tf.reduce_sum(terms, axis=1, keepdims=True))
        if parameters.hidden_l2 and parameters.hidden:
            penalty += parameters.hidden_l2 * tf.add_n([tf.nn.l2_loss(k) for k in deep.kernels()])
    return Tower(logits[0] if len(logits) == 1 else tf.concat(logits, axis=0), penalty)


def model_fn(
    features: Dict[str, tf.Tensor],
    labels: Optional[tf.Tensor],
    mode: str,
    params: Dict[str, Any],
    config: tf.estimator.RunConfig,
) -> tf.estimator.EstimatorSpec:
    """The function that tf.estimator.Estimator calls; see `estimator.build`.

    Args:
      features: As for feature_transform.row_ids, or as training_input.dataset makes them.
      labels: float32 [n, 1], 0 or 1; None to predict.
      mode: A tf.estimator.ModeKeys.
      params: {"parameters": HyperParameters, "prepare": as for `estimator.build`, "synchronous": as
        for `optimizers.minimize`}; the latter two may be None.
      config: Says how many PS tasks there are.

    Returns:
      Predictions {PROBABILITIES: float32 [n, 1], LOGITS: float32 [n, 1]}; the loss is the mean
      cross entropy, the only element of the graph's LOSSES; metrics are those of
      metrics.eval_metric_ops.
    """
    parameters = params["parameters"]
    built = tower(
        cells(features, parameters),
        parameters,
        training=mode == tf.estimator.ModeKeys.TRAIN,
        num_ps=config.num_ps_replicas,
    )
    predictions = {PROBABILITIES: tf.sigmoid(built.logits), LOGITS: built.logits}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=built.logits)
    loss = tf.reduce_mean(losses)
    tf.compat.v1.losses.add_loss(loss)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(
            mode,
            predictions=predictions,
            loss=loss,
            eval_metric_ops=metrics.eval_metric_ops(labels, built.logits),
        )
    rate = learning_rates.learning_rate(parameters, tf.compat.v1.train.get_or_create_global_step())
    tf.compat.v1.summary.scalar("learning_rate", rate)
    tf.compat.v1.summary.scalar("batch_auc", metrics.batch_auc(labels, built.logits))
    objective = loss + built.penalty / tf.cast(tf.shape(labels)[0], tf.float32)
    minimization = optimizers.minimize(objective, rate, parameters, params.get("synchronous"))
    if params.get("prepare"):
        params["prepare"](TrainingGraph(minimization.train_op, tf.shape(labels)[0]))
    return tf.estimator.EstimatorSpec(
        mode, loss=loss, train_op=minimization.train_op, training_hooks=minimization.hooks
    )


def cells(
    features: Dict[str, tf.Tensor], parameters: hyper_parameters.HyperParameters
) -> embedding.Cells:
    """The cells of features, as of feature_transform.row_ids or of training_input.dataset."""
    if "positions" in features:
        found = embedding.Cells(features["ids"], features["positions"])
    else:
        found = embedding.distinct(
            feature_transform.row_ids(features, parameters.table_rows, parameters.missing_integers)
        )
    if not parameters.numeric_inputs:
        return found
    return found._replace(numbers=feature_transform.numbers(features, parameters.missing_integers))


def _row_penalty(rows: tf.Tensor, parameters: hyper_parameters.HyperParameters) -> tf.Tensor:
    """Scalar; only the rows looked up have a gradient."""
    embeddings, weights = tf.split(rows, [parameters.embedding_dim, 1], axis=1)
    terms = [
        l2 * tf.nn.l2_loss(values)
        for l2, values in (
            (parameters.embedding_l2, embeddings),
            (parameters.first_order_l2, weights),
        )
        if l2
    ]
    return tf.add_n(terms) if terms else tf.constant(0.0)


def _num_towers(parameters: hyper_parameters.HyperParameters) -> int:
    # Batch norm is of the whole batch.
    enough = parameters.batch_size >= _TOWERS * _LEAST_TOWER_ROWS
    return _TOWERS if enough and not parameters.batch_norm else 1


def _parts(rows: tf.Tensor, count: int) -> List[tf.Tensor]:
    """Cuts a batch of rows into `count` parts of nearly equal size."""
    if count == 1:
        return [rows]
    n = tf.shape(rows)[0]
    return [rows[i * n // count : (i + 1) * n // count] for i in range(count)]


@tf.custom_gradient
def _inputs_and_sums(embeddings: tf.Tensor) -> tuple:
    """Returns float32 [n, field * dim] and [n, dim], the sum over fields, of [n, field, dim]."""
    fields, dim = embeddings.shape.as_list()[1:]

    # The derived gradient repeats that of the sum before it adds it: 10 MB written and read again.
    def gradient(of_inputs: tf.Tensor, of_sums: tf.Tensor) -> tf.Tensor:
        return tf.reshape(of_inputs, [-1, fields, dim]) + tf.expand_dims(of_sums, 1)

    inputs = tf.reshape(embeddings, [-1, fields * dim])
    return (inputs, tf.reduce_sum(embeddings, axis=1)), gradient
