"""The factorization machine part of DeepFM, cut into what an id has alone and what ids share.

The inner products of all pairs of a row's embeddings sum up to
0.5 * |sum_i v_i|^2 - sum_i 0.5 * |v_i|^2, so the cost is linear in the number of fields. Source:
Rendle 2010, "Factorization Machines", lemma 3.1. The second part is the same wherever an id occurs,
so it is computed once for each distinct id of a batch and added like a first-order weight.
"""

import tensorflow as tf


def own_part(embeddings: tf.Tensor) -> tf.Tensor:
    """Returns what each id adds wherever it occurs: -0.5 * |v|^2.

    Args:
      embeddings: float32 [u, dim].

    Returns:
      float32 [u, 1].
    """
    with tf.name_scope("fm_own"):
        return -0.5 * tf.reduce_sum(tf.square(embeddings), axis=1, keepdims=True)


def joint_part(sums: tf.Tensor) -> tf.Tensor:
    """Returns 0.5 * |sum_i v_i|^2 of each row.

    Args:
      sums: float32 [n, dim], the sum of each row's embeddings.

    Returns:
      float32 [n, 1].
    """
    with tf.name_scope("fm_joint"):
        return 0.5 * tf.reduce_sum(tf.square(sums), axis=1, keepdims=True)
