"""The dataset against the batches that it is made from."""

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import errors, kernel, rows_testing
from model import distinct_ids, hyper_parameters, training_input

_PARAMETERS = hyper_parameters.HyperParameters(table_rows=50)


def _batches(sizes, seed=0):
    rows = rows_testing.random_rows(sum(sizes), seed)
    ends = np.cumsum(sizes)
    return [kernel.gather(rows, np.arange(end - size, end)) for size, end in zip(sizes, ends)]


def _elements(batches, parameters=_PARAMETERS, passes=1):
    """Returns the elements of the dataset, to its end."""
    elements = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        dataset = training_input.dataset(batches, parameters).repeat(passes)
        element = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
        while True:
            try:
                elements.append(session.run(element))
            except tf.errors.OutOfRangeError:
                return elements


def _assert_elements_of(elements, batches, parameters=_PARAMETERS):
    assert len(elements) == len(batches)
    for (features, label), batch in zip(elements, batches):
        want = distinct_ids.of(batch, parameters.table_rows, parameters.missing_integers)
        assert sorted(features) == ["ids", "positions"]
        np.testing.assert_array_equal(features["ids"], want.ids)
        np.testing.assert_array_equal(features["positions"], want.positions)
        np.testing.assert_array_equal(label, batch.label)


def test_elements_are_ids_and_labels_of_the_batches_in_their_order():
    # More than are made ahead; the last one is short.
    batches = _batches([5] * 9 + [2])
    elements = _elements(lambda: iter(batches))
    _assert_elements_of(elements, batches)
    assert elements[-1][0]["positions"].shape == (2, 39)
    assert len({label.tobytes() for _, label in elements}) > 1


@pytest.mark.parametrize(
    "changed", [{"table_rows": 10**6}, {"missing_integers": "zero"}], ids=["rows", "missing"]
)
def test_ids_are_those_of_the_hyper_parameters(changed):
    batches, parameters = _batches([3]), _PARAMETERS._replace(**changed)
    elements = _elements(lambda: iter(batches), parameters)
    _assert_elements_of(elements, batches, parameters)
    ((features, _),), ((other, _),) = elements, _elements(lambda: iter(batches))
    assert features["ids"].tolist() != other["ids"].tolist()


def test_numeric_inputs_come_with_the_integers_and_what_is_missing():
    batches, parameters = _batches([3, 1]), _PARAMETERS._replace(numeric_inputs=True)
    elements = _elements(lambda: iter(batches), parameters)
    for (features, _), batch in zip(elements, batches):
        np.testing.assert_array_equal(features.pop("dense"), batch.dense)
        np.testing.assert_array_equal(features.pop("missing"), batch.missing)
    _assert_elements_of(elements, batches, parameters)


@pytest.mark.parametrize(
    "numeric_inputs, more",
    [(False, {}), (True, {"dense": (tf.int32, [None, 13]), "missing": (tf.bool, [None, 39])})],
)
def test_types_and_shapes_are_static(numeric_inputs, more):
    parameters = _PARAMETERS._replace(numeric_inputs=numeric_inputs)
    with tf.Graph().as_default():
        features, label = tf.compat.v1.data.make_one_shot_iterator(
            training_input.dataset(lambda: iter([]), parameters)
        ).get_next()
    got = {name: (t.dtype, t.shape.as_list()) for name, t in features.items()}
    assert got == dict(more, ids=(tf.int64, [None]), positions=(tf.int32, [None, 39]))
    assert (label.dtype, label.shape.as_list()) == (tf.float32, [None, 1])


def test_batches_are_asked_for_anew_for_each_pass():
    passes = [_batches([3], seed=1), _batches([4, 1], seed=2)]
    generators = iter(passes)
    elements = _elements(lambda: iter(next(generators)), passes=2)
    _assert_elements_of(elements, passes[0] + passes[1])


def test_no_batches_give_no_elements():
    assert _elements(lambda: iter([])) == []


def test_error_of_the_batches_reaches_the_caller_with_its_text():
    def batches():
        yield from _batches([2])
        raise errors.InputError("expected 40 columns, got 39: day_1.txt, line 7")

    with pytest.raises(tf.errors.InvalidArgumentError, match="got 39: day_1.txt, line 7"):
        _elements(batches)
