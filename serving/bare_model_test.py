import numpy as np
import pytest

from serving import bare_model, sample_model

_REQUEST = {"indexes": [[1, 0, 0], [0, 13, 0]], "values": [4294967298, 7], "samples": 3}


@pytest.fixture
def model(tmp_path):
    with bare_model.BareModel(sample_model.export(str(tmp_path / "model")), _REQUEST) as model:
        yield model


def test_rows_of_the_request_are_run(model):
    want = sample_model.probabilities(
        np.array(_REQUEST["indexes"]), np.array(_REQUEST["values"]), _REQUEST["samples"]
    )
    got = model.run()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_median_is_of_so_many_runs(model, monkeypatch):
    runs = []
    monkeypatch.setattr(model, "run", lambda: runs.append(1))
    assert model.median_ms(4) >= 0
    assert len(runs) == 4
