from typing import NamedTuple, Optional

import pytest

from data_pipeline import generator, text
from launch import step_count
from model import hyper_parameters


class _Options(NamedTuple):
    """What step_count reads of TrainOptions."""

    train_files: tuple
    parameters: hyper_parameters.HyperParameters
    max_steps: Optional[int] = None
    sync: bool = False
    backup_workers: int = 0


@pytest.fixture(name="options")
def _options(tmp_path):
    rows, _ = generator.Generator(3).rows(0, 1000)
    (tmp_path / "rows.tsv").write_bytes(text.format(rows))
    parameters = hyper_parameters.HyperParameters(batch_size=100, epochs=2)
    return _Options((str(tmp_path / "rows.tsv"),), parameters)


# 2 epochs of 1,000 rows in batches of 100.
@pytest.mark.parametrize(
    "changed, num_workers, per_step, steps, limit",
    [
        pytest.param({}, 1, 1, 20, None, id="one_worker"),
        pytest.param({}, 4, 1, 20, None, id="workers_share_the_data"),
        pytest.param({"sync": True}, 2, 2, 10, 17, id="synchronous"),
        pytest.param({"sync": True, "backup_workers": 1}, 5, 4, 5, 12, id="backup_worker"),
        pytest.param({"sync": True}, 3, 3, 7, 14, id="last_step_is_rounded_up"),
        pytest.param({"max_steps": 9}, 1, 1, 2, 9, id="max_steps"),
        pytest.param({"sync": True, "max_steps": 9}, 2, 2, 2, 9, id="synchronous_max_steps"),
    ],
)
def test_steps_follow_from_rows(options, changed, num_workers, per_step, steps, limit):
    options = options._replace(**changed)
    assert step_count.batches_per_step(options, num_workers) == per_step
    assert step_count.planned(options, num_workers, 7) == 7 + steps
    assert step_count.limit(options, num_workers, 7) == limit


def test_rows_fewer_than_a_step_are_one_step(options):
    parameters = options.parameters._replace(batch_size=5000)
    assert step_count.planned(options._replace(parameters=parameters), 1, 0) == 1
