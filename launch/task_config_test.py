import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors
from launch import task_config

# The guide's own value, "系统环境变量".
GUIDE = """
{
    "cluster": {
        "ps": ["train-590260157068136960-4hfxrl455zi8-ps-0.train-100005348929.svc:2222"],
        "worker": ["train-590260157068136960-4hfxrl455zi8-worker-0.train-100005348929.svc:2222"]
    },
    "task": {"type": "ps", "index": 0},
    "environment": "cloud"
}
"""
TIONE = {"ps": ["p0:1", "p1:1"], "worker": ["w0:1", "w1:1", "w2:1"]}
PLAIN = {"ps": ["p0:1"], "chief": ["c:1"], "worker": ["w0:1"]}


def _parse(cluster, role, index=0):
    value = {"cluster": cluster, "task": {"type": role, "index": index}}
    return task_config.TaskConfig.from_json(json.dumps(value))


def test_guide_value():
    task = task_config.TaskConfig.from_json(GUIDE)
    assert (task.role, task.index) == ("ps", 0)
    assert task.address.startswith("train-590260157068136960-4hfxrl455zi8-ps-0.")
    assert sorted(task.cluster) == ["chief", "ps"]


@pytest.mark.parametrize(
    "index, role, new_index, rank",
    [(0, "chief", 0, 0), (1, "worker", 0, 1), (2, "worker", 1, 2)],
)
def test_tione_worker_is_renumbered(index, role, new_index, rank):
    task = _parse(TIONE, "worker", index)
    assert (task.role, task.index, task.worker_rank) == (role, new_index, rank)
    assert task.address == TIONE["worker"][index]
    assert task.num_workers == 3


def test_plain_form_is_left_alone():
    task = _parse(PLAIN, "worker")
    assert (task.role, task.index, task.worker_rank) == ("worker", 0, 1)
    assert task.cluster == PLAIN


def test_evaluator_is_not_in_the_cluster():
    task = _parse(PLAIN, "evaluator")
    assert task.role == "evaluator"
    assert "evaluator" not in task.cluster
    assert _parse(TIONE, "worker").as_evaluator().role == "evaluator"


def test_chief_without_workers_is_enough():
    assert _parse({"ps": ["p:1"], "chief": ["c:1"]}, "chief").num_workers == 1


def test_cluster_id_is_the_same_in_all_tasks_and_differs_between_clusters():
    ids = {_parse(TIONE, "worker", i).cluster_id() for i in range(3)}
    ids |= {_parse(TIONE, "ps", i).cluster_id() for i in range(2)}
    assert len(ids) == 1
    assert ids != {_parse(PLAIN, "ps").cluster_id()}


def test_result_parses_to_itself():
    task = _parse(TIONE, "worker", 2)
    assert task_config.TaskConfig.from_json(task.to_json()) == task


@pytest.mark.parametrize(
    "text, message",
    [
        pytest.param("{", "expected JSON", id="not_json"),
        pytest.param("[]", "'cluster'", id="not_an_object"),
        pytest.param('{"task": {"type": "ps"}}', "'cluster'", id="no_cluster"),
        pytest.param('{"cluster": {"ps": ["p:1"], "worker": ["w:1"]}}', "'task'", id="no_task"),
        pytest.param(
            '{"cluster": {"ps": ["p:1"], "worker": ["w:1"]}, "task": {}}', "'type'", id="no_type"
        ),
    ],
)
def test_refuses_malformed_text(text, message):
    with pytest.raises(errors.InputError, match=message):
        task_config.TaskConfig.from_json(text)


@pytest.mark.parametrize(
    "cluster, role, index, message",
    [
        pytest.param({"worker": ["w:1"]}, "worker", 0, "at least one ps, got none", id="no_ps"),
        pytest.param({"ps": [], "worker": ["w:1"]}, "worker", 0, "at least one ps", id="empty_ps"),
        pytest.param({"ps": ["p:1"]}, "ps", 0, "at least one worker, got none", id="no_worker"),
        pytest.param(TIONE, "worker", 3, r"index 3: .* 3 task\(s\) of type 'worker'", id="index"),
        pytest.param(TIONE, "ps", 2, r"index 2: .* 2 task\(s\)", id="ps_index"),
        pytest.param(TIONE, "chief", 0, r"0 task\(s\) of type 'chief'", id="chief_not_there"),
        pytest.param(TIONE, "ps", -1, "expected an integer from 0, got -1", id="negative"),
        pytest.param(TIONE, "ps", True, "expected an integer from 0, got True", id="bool"),
        pytest.param(TIONE, "ps", "0", "expected an integer from 0, got '0'", id="text"),
        pytest.param(TIONE, "master", 0, "expected ps, worker, chief or evaluator", id="type"),
        pytest.param({"ps": "p:1", "worker": ["w:1"]}, "ps", 0, 'list of "host:port"', id="list"),
        pytest.param(
            {"ps": ["p"], "worker": ["w:1"]}, "ps", 0, 'list of "host:port"', id="no_port"
        ),
        pytest.param(
            {"ps": ["p:0"], "worker": ["w:1"]}, "ps", 0, 'list of "host:port"', id="port_0"
        ),
        pytest.param(
            dict(PLAIN, evaluator=["e:1"]), "ps", 0, "got also evaluator", id="evaluator_inside"
        ),
        pytest.param(dict(PLAIN, chief=["a:1", "b:1"]), "ps", 0, "exactly one chief", id="chiefs"),
    ],
)
def test_refuses_task_or_cluster(cluster, role, index, message):
    with pytest.raises(errors.InputError, match=message):
        _parse(cluster, role, index)


@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    try:
        task_config.TaskConfig.from_json(text)
    except errors.InputError:
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda leaf: (
            st.lists(leaf, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cluster", "task", "ps", "worker", "type", "index"]), leaf
            )
        ),
    )
)
def test_any_json_is_parsed_or_refused(value):
    try:
        task_config.TaskConfig.from_json(json.dumps(value))
    except errors.InputError:
        pass
