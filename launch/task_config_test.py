import json
import os
import sys
from unittest import mock

import pytest
import tensorflow as tf
from hypothesis import given, settings
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
    return _parse_value({"cluster": cluster, "task": {"type": role, "index": index}})


def _parse_value(value):
    return task_config.TaskConfig.from_json(json.dumps(value))


def _tasks(num_ps, num_workers):
    """(cluster, role, index) of every task, in TI-ONE's form."""
    cluster = {
        "ps": ["train-1-ps-%d.svc:2222" % i for i in range(num_ps)],
        "worker": ["train-1-worker-%d.svc:2222" % i for i in range(num_workers)],
    }
    return [(cluster, role, index) for role in cluster for index in range(len(cluster[role]))] + [
        (cluster, "evaluator", 0)
    ]


# The same examples each time, however slow the machine.
PROPERTY = settings(deadline=None, max_examples=300, derandomize=True, database=None)
clusters = given(num_ps=st.integers(1, 5), num_workers=st.integers(1, 5))


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
    assert (task.role, task.index) == ("evaluator", 0)
    assert "evaluator" not in task.cluster
    assert _parse(TIONE, "worker").as_evaluator() == _parse(TIONE, "evaluator")


def test_local_task_is_one_that_a_cluster_could_have():
    for role in ("ps", "chief"):
        task = task_config.TaskConfig.local(role)
        assert task_config.TaskConfig.from_json(task.to_json()) == task
    assert task_config.TaskConfig.local("chief").address == "127.0.0.1:2223"


@pytest.mark.parametrize("workers", [{}, {"worker": []}])
def test_chief_without_workers_is_enough(workers):
    task = _parse(dict({"ps": ["p:1"], "chief": ["c:1"]}, **workers), "chief")
    assert task.num_workers == 1
    assert task.cluster == {"ps": ["p:1"], "chief": ["c:1"]}


@pytest.mark.parametrize(
    "index, want", [("0", 0), ("1", 1), (1, 1)], ids=["text_0", "text_1", "number"]
)
def test_index_may_be_a_number_or_its_text(index, want):
    assert _parse(TIONE, "ps", index) == _parse(TIONE, "ps", want)


@pytest.mark.parametrize(
    "address, host, port",
    [
        ("train-1-ps-0.train-2.svc:2222", "train-1-ps-0.train-2.svc", 2222),
        ("10.0.0.1:65535", "10.0.0.1", 65535),
        ("ps_0:1", "ps_0", 1),
        ("[::1]:2222", "::1", 2222),
        ("[2001:DB8::10.0.0.1]:2222", "2001:DB8::10.0.0.1", 2222),
    ],
)
def test_address_is_a_name_or_a_number_and_a_port(address, host, port):
    assert task_config.host_and_port(address) == (host, port)
    assert _parse({"ps": [address], "worker": ["w:1"]}, "ps").address == address


def test_cluster_id_is_the_same_in_all_tasks_and_differs_between_clusters():
    ids = {_parse(TIONE, "worker", i).cluster_id() for i in range(3)}
    ids |= {_parse(TIONE, "ps", i).cluster_id() for i in range(2)}
    ids |= {_parse(TIONE, "evaluator").cluster_id()}
    assert len(ids) == 1
    assert ids != {_parse(PLAIN, "ps").cluster_id()}
    assert [len(text) for text in ids] == [16]


@PROPERTY
@clusters
def test_ranks_are_0_to_n_minus_1(num_ps, num_workers):
    tasks = [_parse(*task) for task in _tasks(num_ps, num_workers)]
    training = [task for task in tasks if task.role in ("chief", "worker")]
    assert [task.worker_rank for task in training] == list(range(num_workers))
    assert [task.is_chief for task in training] == [True] + [False] * (num_workers - 1)
    assert {task.num_workers for task in tasks} == {num_workers}


@PROPERTY
@clusters
def test_tione_form_and_the_equal_plain_form_give_equal_tasks(num_ps, num_workers):
    for cluster, role, index in _tasks(num_ps, num_workers):
        chief, *workers = cluster["worker"]
        # Keys in another order, too.
        plain_cluster = {"worker": workers, "chief": [chief], "ps": cluster["ps"]}
        plain_task = (role, index)
        if role == "worker":
            plain_task = ("worker", index - 1) if index else ("chief", 0)
        task = _parse(cluster, role, index)
        plain = _parse(plain_cluster, *plain_task)
        assert task == plain
        assert task.cluster_id() == plain.cluster_id()


@PROPERTY
@clusters
def test_estimator_takes_every_task_as_we_do(num_ps, num_workers):
    for task in [_parse(*task) for task in _tasks(num_ps, num_workers)]:
        with mock.patch.dict(os.environ, TF_CONFIG=task.to_json()):
            config = tf.estimator.RunConfig()
        assert (config.task_type, config.task_id) == (task.role, task.index)
        assert config.is_chief == task.is_chief
        if task.role == "evaluator":
            assert config.cluster_spec.as_dict() == {}
            continue
        assert config.cluster_spec.as_dict() == task.cluster
        assert config.master == "grpc://" + task.address
        assert (config.num_ps_replicas, config.num_worker_replicas) == (num_ps, task.num_workers)
        if task.role != "ps":
            # Chief first, then workers: the Estimator's own order.
            assert config.global_id_in_cluster == task.worker_rank


def _refusal(text):
    with pytest.raises(errors.InputError) as refusal:
        task_config.TaskConfig.from_json(text)
    return str(refusal.value)


@pytest.mark.parametrize(
    "text, message",
    [
        pytest.param(
            "{",
            "TF_CONFIG: expected JSON, got '{' (Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1))",
            id="not_json",
        ),
        pytest.param(
            "", "TF_CONFIG: expected JSON, got '' (Expecting value: line 1 column 1 (char 0))"
        ),
        pytest.param(
            "[]", "TF_CONFIG: expected 'cluster' with a JSON object, got []", id="not_an_object"
        ),
        pytest.param(
            "{}", "TF_CONFIG: expected 'cluster' with a JSON object, got {}", id="no_cluster"
        ),
        pytest.param(
            '{"cluster": {"ps": ["p:1"], "worker": ["w:1"]}}',
            "TF_CONFIG: expected 'task' with a JSON object, got "
            "{'cluster': {'ps': ['p:1'], 'worker': ['w:1']}}",
            id="no_task",
        ),
        pytest.param(
            '{"cluster": {"ps": ["p:1"], "worker": ["w:1"]}, "task": {}}',
            "TF_CONFIG task: expected 'type' with a string, got {}",
            id="no_type",
        ),
        pytest.param(
            '{"cluster": {"ps": ["p:1"], "worker": ["w:1"]}, "task": {"type": "ps"}}',
            "TF_CONFIG task index: expected an integer from 0, got none",
            id="no_index",
        ),
        pytest.param(
            "[" * 10**6,
            "TF_CONFIG: expected JSON that is a few levels deep, got '%s..." % ("[" * 199),
            id="deep",
        ),
    ],
)
def test_refuses_malformed_text(text, message):
    assert _refusal(text) == message


def test_refuses_any_depth_in_words():
    # Around the limit, where reading still works and showing what was read may not.
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 1):
        assert _refusal("[" * depth + "]" * depth).startswith("TF_CONFIG: expected ")


_ADDRESS = "TF_CONFIG cluster 'ps': expected \"host:port\" with a port from 1 to 65535, got "
_CLUSTER = "TF_CONFIG cluster: expected "
_INDEX = "TF_CONFIG task index: expected an integer from 0, got "
_OWN = "an address of its own for each task, got "


@pytest.mark.parametrize(
    "cluster, message",
    [
        pytest.param({"worker": ["w:1"]}, _CLUSTER + "at least one ps, got none", id="no_ps"),
        pytest.param(
            {"ps": [], "worker": ["w:1"]}, _CLUSTER + "at least one ps, got none", id="empty_ps"
        ),
        pytest.param({"chief": ["c:1"]}, _CLUSTER + "at least one ps, got none", id="chief_alone"),
        pytest.param({"ps": ["p:1"]}, _CLUSTER + "at least one worker, got none", id="no_worker"),
        pytest.param(
            {"ps": ["p:1"], "worker": []},
            _CLUSTER + "at least one worker, got none",
            id="empty_worker",
        ),
        pytest.param(
            dict(PLAIN, chief=["a:1", "b:1"]),
            _CLUSTER + "exactly one chief, got 2",
            id="two_chiefs",
        ),
        pytest.param(
            dict(PLAIN, chief=[]), _CLUSTER + "exactly one chief, got 0", id="empty_chief"
        ),
        pytest.param(
            {"ps": ["p:1"], "master": ["m:1"], "worker": ["w:1"]},
            _CLUSTER + "the jobs ps, worker and chief, got also 'master' (that is the old name of "
            "the chief; call it chief)",
            id="master",
        ),
        pytest.param(
            dict(PLAIN, evaluator=["e:1"]),
            _CLUSTER + "the jobs ps, worker and chief, got also 'evaluator' (it is in no cluster; "
            "give its process the task type evaluator)",
            id="evaluator_inside",
        ),
        pytest.param(
            dict(PLAIN, Worker=["w:2"]),
            _CLUSTER + "the jobs ps, worker and chief, got also 'Worker'",
            id="other_job",
        ),
        pytest.param(
            {"ps": "p:1", "worker": ["w:1"]},
            "TF_CONFIG cluster 'ps': expected a list of \"host:port\", got 'p:1'",
            id="no_list",
        ),
        pytest.param(
            {"ps": ["p:1", "q:1", "p:1"], "worker": ["w:1"]},
            _CLUSTER + _OWN + "'p:1' for ps 0 and ps 2",
            id="duplicate_in_a_job",
        ),
        pytest.param(
            {"ps": ["p:1", "node:1"], "worker": ["Node:1"]},
            _CLUSTER + _OWN + "'Node:1' for ps 1 and worker 0",
            id="duplicate_over_jobs",
        ),
        pytest.param(
            {"ps": ["p:1"], "chief": ["[::1]:1"], "worker": ["[::1]:1"]},
            _CLUSTER + _OWN + "'[::1]:1' for chief 0 and worker 0",
            id="duplicate_chief",
        ),
    ],
)
def test_refuses_cluster(cluster, message):
    value = {"cluster": cluster, "task": {"type": "ps", "index": 0}}
    assert _refusal(json.dumps(value)) == message


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("p", id="no_port"),
        pytest.param("p:", id="empty_port"),
        pytest.param(":1", id="no_host"),
        pytest.param("p:0", id="port_0"),
        pytest.param("p:65536", id="port_too_large"),
        pytest.param("p:01", id="leading_zero"),
        pytest.param("p:-1", id="negative_port"),
        pytest.param("p:²", id="digit_that_int_does_not_take"),
        pytest.param("p:٢", id="digit_of_another_script"),
        pytest.param(" p:1", id="space_before"),
        pytest.param("p:1 ", id="space_after"),
        pytest.param("p:1\n", id="newline_after"),
        pytest.param("p q:1", id="space_inside"),
        pytest.param("grpc://p:1", id="scheme"),
        pytest.param("p:1/x", id="path"),
        pytest.param("::1:2222", id="ipv6_without_brackets"),
        pytest.param("[::1]", id="ipv6_without_port"),
        pytest.param("[1:2]:2222", id="no_ipv6"),
        pytest.param("[]:2222", id="empty_brackets"),
        pytest.param("[p]:2222", id="name_in_brackets"),
        pytest.param("", id="empty"),
        pytest.param(1, id="number"),
        pytest.param(None, id="null"),
        pytest.param(["p:1"], id="list"),
    ],
)
def test_refuses_address(address):
    cluster = {"ps": ["good:1", address], "worker": ["w:1"]}
    value = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    assert _refusal(json.dumps(value)) == _ADDRESS + repr(address)


@pytest.mark.parametrize(
    "role, index, message",
    [
        ("worker", 3, "TF_CONFIG task index 3: the cluster has 3 task(s) of type 'worker'"),
        ("ps", 2, "TF_CONFIG task index 2: the cluster has 2 task(s) of type 'ps'"),
        ("ps", "2", "TF_CONFIG task index 2: the cluster has 2 task(s) of type 'ps'"),
        # The form without a chief calls it worker 0.
        ("chief", 0, "TF_CONFIG task index 0: the cluster has 0 task(s) of type 'chief'"),
        ("evaluator", 1, "TF_CONFIG task index 1: there is one evaluator, and its index is 0"),
        ("ps", -1, _INDEX + "-1"),
        ("ps", True, _INDEX + "True"),
        ("ps", None, _INDEX + "None"),
        ("ps", 0.0, _INDEX + "0.0"),
        ("ps", "01", _INDEX + "'01'"),
        ("ps", "-1", _INDEX + "'-1'"),
        ("ps", "", _INDEX + "''"),
        ("ps", "1\n", _INDEX + r"'1\n'"),
        ("ps", "1" * 10, _INDEX + "'1111111111'"),
        (
            "master",
            0,
            "TF_CONFIG task type: expected ps, worker, chief or evaluator, got 'master'; "
            "call it chief",
        ),
        ("PS", 0, "TF_CONFIG task type: expected ps, worker, chief or evaluator, got 'PS'"),
        (
            1,
            0,
            "TF_CONFIG task: expected 'type' with a string, got {'type': 1, 'index': 0}",
        ),
    ],
)
def test_refuses_task(role, index, message):
    assert (
        _refusal(json.dumps({"cluster": TIONE, "task": {"type": role, "index": index}})) == message
    )


def test_message_is_short_whatever_came():
    assert len(_refusal(json.dumps({"cluster": {"x" * 10**6: []}, "task": {}}))) < 300


def _assert_sound(text):
    """`text` is refused, or gives a task that is as TaskConfig promises."""
    try:
        task = task_config.TaskConfig.from_json(text)
    except errors.InputError as e:
        assert str(e).startswith("TF_CONFIG")
        return
    assert task.role in ("chief", "worker", "ps", "evaluator")
    assert len(task.cluster["chief"]) == 1 and len(task.cluster["ps"]) >= 1
    assert set(task.cluster) <= {"chief", "worker", "ps"}
    assert task.index == 0 if task.role == "evaluator" else task.address
    assert task_config.TaskConfig.from_json(task.to_json()) == task


@PROPERTY
@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    _assert_sound(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda leaf: (
        st.lists(leaf, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cluster", "task", "ps", "worker", "type", "index"]), leaf
        )
    ),
)


@PROPERTY
@given(_JSON)
def test_any_json_is_parsed_or_refused(value):
    _assert_sound(json.dumps(value))


# Nearly right, so that examples come past the first checks, and many past all.
_ADDRESS_LISTS = st.lists(
    st.sampled_from(["%s:%d" % (host, port) for host in "abcde" for port in (1, 2)] + ["a", "[:1"]),
    min_size=1,
    max_size=2,
)
_NEARLY_RIGHT = st.fixed_dictionaries(
    {
        "cluster": st.builds(
            dict,
            st.fixed_dictionaries({"ps": _ADDRESS_LISTS, "worker": _ADDRESS_LISTS}),
            chief=_ADDRESS_LISTS.map(lambda addresses: addresses[:1]),
        )
        | st.fixed_dictionaries({"ps": _ADDRESS_LISTS, "worker": _ADDRESS_LISTS}),
        "task": st.fixed_dictionaries(
            {
                "type": st.sampled_from(["ps", "worker", "chief", "evaluator"]),
                "index": st.sampled_from([0, 0, 0, 1, 1, "0", "1", -1, None]),
            }
        ),
    }
)


@PROPERTY
@given(_NEARLY_RIGHT)
def test_nearly_right_value_is_parsed_or_refused(value):
    _assert_sound(json.dumps(value))
