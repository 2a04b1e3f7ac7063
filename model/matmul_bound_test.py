import tensorflow as tf

from model import matmul_bound


def test_flop_counts_the_three_products_of_each_layer():
    # 2 x 3 and 3 x 1 weights, 10 rows: 3 products of 10 * (6 + 3) multiplications and additions.
    assert matmul_bound.flop(10, [2, 3, 1]) == 3 * 2 * 10 * (6 + 3)


def test_bound_is_a_rate():
    assert matmul_bound.best_flops(64, [32, 16, 1], repeats=3) > 0


def test_no_product_is_optimised_away():
    with tf.Graph().as_default():
        products = matmul_bound.add_products(8, [5, 4, 1])
        with tf.compat.v1.Session(config=matmul_bound.session_config()) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            metadata = tf.compat.v1.RunMetadata()
            options = tf.compat.v1.RunOptions(output_partition_graphs=True)
            session.run(products, options=options, run_metadata=metadata)
    run = [node.op for graph in metadata.partition_graphs for node in graph.node]
    assert run.count("MatMul") == 3 * 2
