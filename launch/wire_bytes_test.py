import itertools
import sys

import pytest

from data_pipeline import encode, generator, inputs, local_engine, row_source, text
from launch import benchmark_job, wire_bytes
from model import distinct_ids, hyper_parameters

# 78 x 3 + 3 weights and biases of the hidden layer, then 3 x 1 + 1: 241.
_SMALL = hyper_parameters.HyperParameters(embedding_dim=2, hidden=(3,), batch_size=4, seed=5)

# Stands for a ps and for a worker. Each asks the other one, at the address that its own TF_CONFIG
# has, and is asked by it; the worker's question is 1 byte and the ps's 10, an answer the double.
_TASK = """#!%s
import json, os, socket, threading
config = json.loads(os.environ["TF_CONFIG"])
sizes = {"worker": 1, "ps": 10}
role = config["task"]["type"]
(other,) = set(sizes) - {role}


def address(of):
    host, port = config["cluster"][of][0].split(":")
    return host, int(port)


def receive(connection, size):
    while size:
        data = connection.recv(size)
        if not data:
            raise OSError("ended")
        size -= len(data)


def answer(listener):
    with listener.accept()[0] as connection:
        receive(connection, sizes[other])
        connection.sendall(bytes(2 * sizes[other]))


def ask():
    with socket.create_connection(address(other)) as connection:
        connection.sendall(bytes(sizes[role]))
        receive(connection, 2 * sizes[role])
    return True


def is_answered():
    try:
        return ask()
    except OSError:
        return False  # the other task has not begun to listen


with socket.socket() as listener:
    listener.bind(address(role))
    listener.listen(1)
    thread = threading.Thread(target=answer, args=(listener,))
    thread.start()
    while not is_answered():
        pass
    thread.join()
"""


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """Ten generated rows as row blocks."""
    folder = tmp_path_factory.mktemp("rows")
    rows, _ = generator.Generator(7).rows(0, 10)
    (folder / "rows.tsv").write_bytes(text.format(rows))
    encode.run([str(folder / "rows.tsv")], str(folder / "blocks"), local_engine.Engine(1), print)
    return str(folder / "blocks")


def test_bytes_of_both_directions_and_both_sides_that_ask_are_counted(tmp_path):
    for name in ("ps", "worker"):
        (tmp_path / name).write_text(_TASK % sys.executable)
        (tmp_path / name).chmod(0o755)
    job = benchmark_job.Job(str(tmp_path), 1, 1, False, [])
    assert wire_bytes.of_job(job, str(tmp_path / "job")) == (1 + 2) + (10 + 20)


def test_least_bytes_are_those_of_ids_rows_and_weights():
    assert wire_bytes.num_dense_weights(_SMALL) == 241
    # 10 ids of 8 bytes; 10 rows of 3 floats, and the weights, there and back.
    assert wire_bytes.least_per_step(_SMALL, 10) == 10 * 8 + 2 * 4 * (10 * 3 + 241)


def test_distinct_ids_are_those_of_the_steps_batches(blocks):
    table = _SMALL._replace(table_rows=50)
    batches = inputs.batches(row_source.find(blocks), 4, seed=5, shuffle=True)
    counts = [
        len(distinct_ids.of(batch, 50, table.missing_integers).ids)
        for batch in itertools.islice(batches, 3)
    ]
    assert len(set(counts)) > 1  # or the steps would not matter
    assert wire_bytes.distinct_ids_per_step(table, blocks, 0, 1) == counts[0]
    assert wire_bytes.distinct_ids_per_step(table, blocks, 1, 3) == (counts[1] + counts[2]) / 2


def test_table_of_one_row_has_one_id(blocks):
    table = _SMALL._replace(table_rows=1)
    assert wire_bytes.distinct_ids_per_step(table, blocks, 0, 2) == 1
