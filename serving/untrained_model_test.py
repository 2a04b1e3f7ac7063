import numpy as np
import tensorflow as tf

from model import hyper_parameters
from serving import untrained_model

_PARAMETERS = hyper_parameters.HyperParameters(table_rows=50, embedding_dim=2, hidden=(4,))


def test_model_answers_and_its_rows_differ(tmp_path):
    folder = untrained_model.write(_PARAMETERS, str(tmp_path))
    assert [str(path) for path in tmp_path.iterdir()] == [folder]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], folder)
        feeds = {
            "Placeholder:0": np.array([[0, 13, 0], [1, 13, 0]], np.int64),
            "Placeholder_1:0": np.array([7, 8], np.int64),
            "Placeholder_2:0": np.array([2, 39, 1], np.int64),
        }
        (one,), (other,) = session.run("Sigmoid:0", feeds).tolist()
    assert 0 < one < 1 and 0 < other < 1 and one != other
