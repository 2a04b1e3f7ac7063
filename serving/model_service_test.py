"""The service by itself: its three forms, every refusal, the AUC, finding and loading models."""

import json
import pickle

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
import tiinfer
from hypothesis import strategies as st
from sklearn import metrics

from data_pipeline import schema, text, wire
from serving import model_service, sample_model

OFFSET = 0xFFFFFFFF
# Fixed examples, no time limit for each and no files: the outcome does not depend on the machine.
PROPERTY = hypothesis.settings(deadline=None, max_examples=300, derandomize=True, database=None)

# Two rows: I1 = 3, C1 = 68fd1e64 (1761418852), label 1; then I2 = -2, C26 = ffffffff, label 0.
WIRE = {
    "labels": [[1.0], [0.0]],
    "indexes": [[0, 0, 0], [0, 13, 0], [1, 1, 0], [1, 38, 0]],
    "values": [OFFSET + 3, 0x68FD1E64, 2 * OFFSET - 2, 0xFFFFFFFF],
    "samples": 2,
}
ROWS = {
    "rows": [
        "1\t3" + "\t" * 13 + "68fd1e64" + "\t" * 25,
        "0\t\t-2" + "\t" * 37 + "ffffffff",
    ]
}
INSTANCES = {
    "instances": [
        {"label": 1, "I1": 3, "C1": "68fd1e64"},
        {"label": 0, "I1": None, "I2": -2, "C2": "", "C26": "ffffffff"},
    ]
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("model_dir")
    sample_model.export(str(model_dir / "model" / "saved_model" / "1662111628"))
    service = model_service.DeepFMService(str(model_dir))
    assert service.load() is True
    return service


@pytest.mark.parametrize("request_", [WIRE, ROWS, INSTANCES], ids=["wire", "rows", "instances"])
def test_each_form_gives_the_same_answer(service, request_):
    # 1e-10 * (1 * 4294967298 + 14 * 1761418852) - 1 = 1.8954831
    # 1e-10 * (2 * 8589934588 + 39 * 4294967295) - 1 = 17.4683593
    want = [1 / (1 + np.exp(-1.8954831)), 1 / (1 + np.exp(-17.4683593))]
    answer = service(request_)
    keys = {"auc", "prediction"} | ({"predictions"} if request_ is INSTANCES else set())
    assert set(answer) == keys
    assert answer["auc"] == 0.0  # the row with the label 1 has the lower probability
    assert [len(row) for row in answer["prediction"]] == [1, 1]
    assert np.allclose(np.array(answer["prediction"])[:, 0], want, rtol=1e-6)
    assert answer.get("predictions", answer["prediction"]) == answer["prediction"]
    assert answer["prediction"] == service(WIRE)["prediction"]


def test_answer_is_that_of_the_model(service):
    tensors = service.preprocess(WIRE)
    want = sample_model.probabilities(tensors["indices"], tensors["values"], samples=2)
    assert np.allclose(service(WIRE)["prediction"], want, rtol=1e-6)


@pytest.mark.parametrize(
    "request_",
    [
        {"indexes": [], "values": [], "samples": 0, "labels": []},
        {"rows": []},
        {"instances": []},
    ],
)
def test_no_rows_give_no_predictions(service, request_):
    answer = service(request_)
    assert (answer["auc"], answer["prediction"]) == (None, [])


def test_rows_without_any_cell_are_answered(service):
    want = 1 / (1 + np.exp(1.0))  # the bias alone
    got = service({"indexes": [], "values": [], "samples": 3})["prediction"]
    assert np.allclose(got, [[want]] * 3, rtol=1e-6)


def test_order_of_cells_does_not_matter(service):
    turned = dict(WIRE, indexes=WIRE["indexes"][::-1], values=WIRE["values"][::-1])
    assert service(turned) == service(WIRE)


@pytest.mark.parametrize("labels", [None, [[1], [1]], [[0], [0]]])
def test_auc_is_null_without_both_classes(service, labels):
    assert service(dict(WIRE, labels=labels))["auc"] is None


def test_labels_may_be_left_out_of_each_form(service):
    assert service({key: WIRE[key] for key in ["indexes", "values", "samples"]})["auc"] is None
    assert service({"rows": [row[2:] for row in ROWS["rows"]]})["auc"] is None
    assert service({"instances": [{"I1": 3}]})["auc"] is None


@pytest.mark.parametrize(
    "cell, want",
    [(3, 3), ("3", 3), (3.0, 3), (-(2**31), -(2**31)), ("2147483647", 2**31 - 1), ("0", 0)],
)
def test_instances_take_integers_in_any_notation(service, cell, want):
    assert service.preprocess({"instances": [{"I2": cell}]})["values"] == [want + 2 * OFFSET]


def _as_arrays(request):
    return dict(request, **{key: np.array(request[key]) for key in ["indexes", "values", "labels"]})


def test_arrays_stand_for_lists(service):
    assert service(_as_arrays(WIRE)) == service(WIRE)
    cells = np.full((2, 39), -1)
    cells[WIRE["indexes"][0][0], 0] = OFFSET + 3
    cells[0, 13], cells[1, 1], cells[1, 38] = WIRE["values"][1:]
    assert service({"rows": cells, "labels": np.array([1.0, 0.0])}) == service(WIRE)
    assert service({"rows": cells})["auc"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"indexes": [[row, 0, 0] for row in range(9)]},
        {"indexes": [[0, 0]] * 9},
        {"values": list(range(9))},
        {"values": [1.5] * 9},
        {"labels": [[0.0]] * 9},
        {"labels": [0] * 9},
        {"labels": [[1.0], [0.5]]},
    ],
)
def test_refusals_show_arrays_as_lists(service, change):
    (key,) = change
    texts = []
    for value in [change[key], np.array(change[key])]:
        with pytest.raises(model_service.InvalidRequestError) as caught:
            service(dict(WIRE, **{key: value}))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_other_keys_are_ignored(service):
    assert service(dict(ROWS, labels=[[7]])) == service(ROWS)
    assert service(dict(WIRE, signature_name="serving_default")) == service(WIRE)


def test_stages_can_run_in_separate_processes(service):
    tensors = model_service.DeepFMService("").preprocess(ROWS)
    outputs = service.predict(pickle.loads(pickle.dumps(tensors)))
    answer = model_service.DeepFMService("").postprocess(pickle.loads(pickle.dumps(outputs)))
    assert answer == service(ROWS)


def _rows_with(column, cell):
    columns = ROWS["rows"][0].split("\t")
    columns[column] = cell
    return {"rows": [ROWS["rows"][1], "\t".join(columns)]}


@pytest.mark.parametrize(
    "request_, message",
    [
        pytest.param([WIRE], "request: expected a JSON object, got [", id="list"),
        pytest.param(None, "request: expected a JSON object, got nothing", id="null"),
        pytest.param({}, 'exactly one of "indexes", "rows" and "instances", got []', id="no_form"),
        pytest.param(dict(ROWS, instances=[]), "exactly one of .* got ['inst", id="two_forms"),
        pytest.param(
            {"indexes": [], "values": []},
            "samples: expected a number of rows from 0 to 100000, got nothing",
            id="no_samples",
        ),
        pytest.param(dict(WIRE, samples=True), "samples: .* got True", id="samples_bool"),
        pytest.param(dict(WIRE, samples=2.0), "samples: .* got 2.0", id="samples_float"),
        pytest.param(dict(WIRE, samples=-1), "samples: .* got -1", id="samples_negative"),
        pytest.param(dict(WIRE, samples=100001), "samples: .* got 100001", id="samples_many"),
        pytest.param(
            dict(WIRE, values=[True] * 4), "values: .* got bool [4], [True", id="booleans"
        ),
        pytest.param(dict(WIRE, indexes=7), "indexes: expected a list of .* got 7", id="indexes"),
        pytest.param(
            dict(WIRE, indexes=[[0, 0], [0, 1]]),
            "indexes: expected a list of [row, field, 0], got int64 [2, 2], [[0, 0], [0, 1]]",
            id="indexes_of_two",
        ),
        pytest.param(
            dict(WIRE, indexes=[[0, 0, 0], [0, 1]]),
            "indexes: expected a list of [row, field, 0], got [[0, 0, 0], [0, 1]]",
            id="indexes_ragged",
        ),
        pytest.param(dict(WIRE, values=None), "values: .* got nothing", id="no_values"),
        pytest.param(dict(WIRE, values=[1.5] * 4), "values: .* got float64 [4]", id="floats"),
        pytest.param(dict(WIRE, values=["1"] * 4), "values: .* got <U1 [4]", id="strings"),
        pytest.param(dict(WIRE, values=[2**64] * 4), "values: .* below 2^63, got", id="big"),
        pytest.param(
            dict(WIRE, values=[1]), "values: expected one per index, 4, got 1", id="too_few_values"
        ),
        pytest.param(
            dict(WIRE, samples=1, labels=None),
            "indexes[2]: expected [row below 1, field below 39, 0], got [1, 1, 0]",
            id="row_outside",
        ),
        pytest.param(
            {"indexes": [[0, 39, 0]], "values": [0], "samples": 1},
            "indexes[0]: .* got [0, 39, 0]",
            id="field_outside",
        ),
        pytest.param(
            {"indexes": [[0, -1, 0]], "values": [0], "samples": 1},
            "indexes[0]: .* got [0, -1, 0]",
            id="field_negative",
        ),
        pytest.param(
            {"indexes": [[0, 1, 1]], "values": [0], "samples": 1},
            "indexes[0]: .* got [0, 1, 1]",
            id="third_not_zero",
        ),
        pytest.param(
            {"indexes": [[0, 0, 0]], "values": [OFFSET + 2**31], "samples": 1},
            "values[0]: expected 2147483647 to 6442450942 in field 0, got 6442450943",
            id="integer_outside",
        ),
        pytest.param(
            {"indexes": [[0, 13, 0]], "values": [2**32], "samples": 1},
            "values[0]: expected 0 to 4294967295 in field 13, got 4294967296",
            id="category_outside",
        ),
        pytest.param(
            {"indexes": [[0, 38, 0]] * 2, "values": [7, 7], "samples": 1},
            "indexes: expected at most one value per cell, got 2 for row 0, field 38",
            id="cell_twice",
        ),
        pytest.param(
            dict(WIRE, labels=[[1]]),
            "labels: expected [[0 or 1], ...], one for each of 2 rows, got int64 [1, 1], [[1]]",
            id="too_few_labels",
        ),
        pytest.param(dict(WIRE, labels=["1", "0"]), "labels: .* got <U1", id="labels_text"),
        pytest.param(
            dict(WIRE, labels=[[1], [0.5]]), "labels[1]: expected 0 or 1, got 0.5", id="labels_half"
        ),
        pytest.param({"rows": "1\t2"}, "rows: expected a list of at most", id="rows_text"),
        pytest.param({"rows": [7]}, "rows[0]: expected a line of 39 columns, .* 7", id="row_int"),
        pytest.param(
            {"rows": ["1\t2"]},
            "rows[0]: expected a line of 39 columns, or 40 with the label, got 2 columns",
            id="row_short",
        ),
        pytest.param(_rows_with(0, "2"), "rows[1], label: expected 0 or 1, got '2'", id="label"),
        pytest.param(_rows_with(0, ""), "rows[1], label: expected 0 or 1, got ''", id="label_gone"),
        pytest.param(_rows_with(5, "+1"), "rows[1], I5: expected an int32, got '+1'", id="plus"),
        pytest.param(_rows_with(5, "-0"), "rows[1], I5: .* got '-0'", id="minus_0"),
        pytest.param(_rows_with(5, "01"), "rows[1], I5: .* got '01'", id="leading_0"),
        pytest.param(_rows_with(5, "2147483648"), "rows[1], I5: .* got '2147483648'", id="int32"),
        pytest.param(_rows_with(5, "\u0663"), "rows[1], I5: .* got", id="arabic_digit"),
        pytest.param(
            _rows_with(39, "68FD1E64"),
            "rows[1], C26: expected 8 lower-case hexadecimal digits, got '68FD1E64'",
            id="upper_case",
        ),
        pytest.param(_rows_with(39, "68fd1e64\n"), "rows[1], C26: .* got", id="newline"),
        pytest.param(
            {"rows": [ROWS["rows"][0], ROWS["rows"][1][2:]]},
            "labels: expected one in every row or in none, got none in row 1",
            id="labels_in_some_rows",
        ),
        pytest.param({"instances": {}}, "instances: expected a list", id="instances_object"),
        pytest.param(
            {"instances": [3]},
            "instances[0]: expected an object of named columns, got 3",
            id="instance_int",
        ),
        pytest.param(
            {"instances": [{"c1": "68fd1e64"}]},
            "instances[0]: expected columns label, I1..I13, C1..C26, got ['c1']",
            id="unknown_column",
        ),
        pytest.param({"instances": [{"I1": 0.5}]}, "instances[0], I1: .* 0.5", id="fraction"),
        pytest.param({"instances": [{"I1": True}]}, "instances[0], I1: .* True", id="bool"),
        pytest.param({"instances": [{"I1": float("inf")}]}, "instances[0], I1: .* inf", id="inf"),
        pytest.param({"instances": [{"I1": 2**31}]}, "instances[0], I1: .* 2147", id="too_large"),
        pytest.param({"instances": [{"C1": 7}]}, "instances[0], C1: .* got 7", id="category_int"),
        pytest.param({"instances": [{"label": []}]}, "instances[0], label: .* got []", id="list_"),
    ],
)
def test_refuses_with_one_clear_line(service, request_, message):
    with pytest.raises(model_service.InvalidRequestError) as caught:
        service(request_)
    text = str(caught.value)
    position = 0
    for part in message.split(" .* "):
        assert part in text[position:], text
        position = text.index(part, position) + len(part)
    assert "\n" not in text
    assert len(text) < 400
    assert caught.value.http_code == 400


def test_refuses_more_rows_than_it_has_memory_for(service, monkeypatch):
    monkeypatch.setattr(model_service, "MAX_SAMPLES", 1)
    for request in [ROWS, INSTANCES, WIRE, {"rows": np.zeros((2, 39), np.int64)}]:
        with pytest.raises(model_service.InvalidRequestError, match="1, got 2$"):
            service(request)


def test_a_deeply_nested_request_is_refused_in_one_line(service):
    with pytest.raises(model_service.InvalidRequestError, match="instances"):
        service({"instances": json.loads("[" * 500 + "]" * 500)})
    with pytest.raises(model_service.InvalidRequestError, match="values"):
        service(dict(WIRE, values=json.loads("[" * 500 + "]" * 500)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
KEYS = ["indexes", "values", "samples", "labels", "rows", "instances"]
NEARLY_WIRE = st.fixed_dictionaries(
    {
        "indexes": st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 40), st.just(0))),
        "values": st.lists(st.integers(-1, 60000000000) | st.just(2**63)),
        "samples": st.integers(-1, 3) | JSON,
        "labels": st.none() | st.lists(st.lists(st.sampled_from([0, 1, 0.5]))) | JSON,
    }
)
NEARLY_INSTANCES = st.fixed_dictionaries(
    {
        "instances": st.lists(
            st.dictionaries(st.sampled_from(["label", "I1", "C1", "C26", "x"]), JSON), max_size=3
        )
    }
)


@PROPERTY
@hypothesis.given(
    JSON
    | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4)
    | NEARLY_WIRE
    | NEARLY_INSTANCES
    | st.builds(lambda line: {"rows": [line]}, st.text("01\t-af8", max_size=60))
)
def test_any_json_is_answered_or_refused(service, request_):
    try:
        answer = service(json.loads(json.dumps(request_)))
    except model_service.InvalidRequestError as error:
        assert "\n" not in str(error)
    else:
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer


@PROPERTY
@hypothesis.given(
    st.lists(
        # Few distinct scores: ties and points on a straight line are the hard part.
        st.tuples(st.integers(0, 1), st.sampled_from([0.0, 1e-7, 0.25, 0.5, 0.75, 1.0])),
        min_size=2,
        max_size=60,
    ).filter(lambda rows: len({label for label, _ in rows}) == 2)
)
def test_auc_is_that_of_sklearn_to_the_last_bit(rows):
    labels = np.array([label for label, _ in rows], np.float64)
    scores = np.array([score for _, score in rows], np.float32)
    assert model_service.auc(labels, scores) == metrics.roc_auc_score(labels, scores)


def test_auc_of_many_distinct_scores_is_that_of_sklearn():
    random = np.random.RandomState(7)
    labels = (random.rand(5000) < 0.22).astype(np.float64)
    scores = np.clip(random.rand(5000) + 0.1 * labels, 0, 1).astype(np.float32)
    assert model_service.auc(labels, scores) == metrics.roc_auc_score(labels, scores)


def test_auc_by_hand():
    labels = np.array([1.0, 1.0, 0.0, 0.0])
    # Of the 4 pairs (1, 0): 0.9 > 0.5, 0.9 > 0.1, 0.5 = 0.5 (half), 0.5 > 0.1.
    assert model_service.auc(labels, np.array([0.9, 0.5, 0.5, 0.1])) == 3.5 / 4


def test_columns_and_limits_are_those_of_the_schema():
    assert tuple(schema.FIELD_NAMES) == model_service.FIELD_NAMES
    assert model_service.NUM_DENSE == schema.NUM_DENSE
    limits = (model_service.INT32_MIN, model_service.INT32_MAX, model_service.UINT32_MAX)
    assert limits == (schema.INT32_MIN, schema.INT32_MAX, schema.UINT32_MAX)


CELLS = st.sampled_from(["", "0", "-1", "2147483647", "-2147483648"])
CATEGORIES = st.sampled_from(["", "00000000", "68fd1e64", "ffffffff"])
BAD_CELLS = st.sampled_from(["-0", "01", "+1", "1.0", "2147483648", "68FD1E64", "68fd1e6", "\r"])


@st.composite
def lines(draw):
    cells = draw(st.lists(CELLS, min_size=13, max_size=13))
    categories = draw(st.lists(CATEGORIES, min_size=26, max_size=26))
    return "\t".join([draw(st.sampled_from("01"))] + cells + categories)


@PROPERTY
@hypothesis.given(st.lists(lines(), max_size=3))
def test_rows_and_instances_become_the_tensors_of_the_wire_form(rows):
    service = model_service.DeepFMService()
    parsed = text.parse("".join(line + "\n" for line in rows).encode()).rows
    wanted = service.preprocess(wire.to_json_request(parsed))
    names = ["label"] + list(schema.FIELD_NAMES)
    instances = [dict(zip(names, line.split("\t"))) for line in rows]
    for request in [{"rows": rows}, {"instances": instances}]:
        tensors = service.preprocess(request)
        for key in ["labels", "indices", "values", "dense_shape"]:
            assert tensors[key].dtype == wanted[key].dtype
            assert np.array_equal(tensors[key], wanted[key])


@PROPERTY
@hypothesis.given(lines(), st.integers(0, 39), CELLS | CATEGORIES | BAD_CELLS)
def test_refuses_the_rows_that_the_parser_rejects(line, column, cell):
    columns = line.split("\t")
    columns[column] = cell
    line = "\t".join(columns)
    try:
        model_service.DeepFMService().preprocess({"rows": [line]})
        is_refused = False
    except model_service.InvalidRequestError:
        is_refused = True
    assert is_refused == bool(text.parse(line.encode() + b"\n").rejects)


# What numpy parses many lines at once, and each line by itself, must agree on.
TEXT_CELLS = (
    CELLS | CATEGORIES | BAD_CELLS | st.sampled_from(["1", "\t", "\n", "\xe9", "-", "7" * 11])
)
JSON_CELLS = TEXT_CELLS | st.sampled_from(
    [
        None,
        1.0,
        3,
        -(2**31),
        2**31,
        3.0,
        -0.0,
        0.5,
        1e300,
        float("inf"),
        True,
        12345678,
        [],
        {},
        ["1"],
    ]
)


# Few distinct ones, each several times: drawing them takes longest.
MANY_LINES = st.lists(lines(), min_size=2, max_size=2).map(lambda rows: rows * 4)


def _outcome(function, *args):
    try:
        return {key: _listed(value) for key, value in function(*args).items()}
    except model_service.InvalidRequestError as error:
        return str(error)


def _listed(value):
    return (str(value.dtype), value.tolist()) if isinstance(value, np.ndarray) else value


@PROPERTY
@hypothesis.given(
    MANY_LINES,
    st.sampled_from([0, 2]),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 39), TEXT_CELLS), max_size=3),
)
def test_many_rows_at_once_are_as_each_by_itself(rows, start, changes):
    table = [row[start:].split("\t") for row in rows]
    for row, column, cell in changes:
        table[row % len(table)][column % len(table[0])] = cell
    rows = ["\t".join(columns) for columns in table]
    request = {"rows": rows}
    assert _outcome(model_service._from_rows, request) == _outcome(
        model_service._from_any_rows, rows
    )


@PROPERTY
@hypothesis.given(
    MANY_LINES,
    st.sampled_from([0, 1]),
    st.lists(
        st.tuples(
            st.integers(0, 8), st.sampled_from(["label", "I1", "I13", "C1", "C26", "x"]), JSON_CELLS
        ),
        max_size=3,
    ),
)
def test_many_instances_at_once_are_as_each_by_itself(rows, start, changes):
    names = ["label"] + list(schema.FIELD_NAMES)
    instances = [dict(list(zip(names, row.split("\t")))[start:]) for row in rows]
    for row, name, cell in changes:
        instances[row % len(instances)][name] = cell
    request = {"instances": instances}
    assert _outcome(model_service._from_instances, request) == _outcome(
        model_service._from_any_instances, instances
    )


def test_many_lines_are_parsed_in_parts(monkeypatch):
    monkeypatch.setattr(model_service, "_LINES_AT_ONCE", 3)
    rows = ["%d\t%d" % (i % 2, i) + "\t" * 38 for i in range(8)]
    tensors = model_service.DeepFMService().preprocess({"rows": rows})
    assert tensors["indices"].tolist() == [[i, 0, 0] for i in range(8)]
    assert tensors["values"].tolist() == [OFFSET + i for i in range(8)]
    assert tensors["labels"].tolist() == [0, 1] * 4


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param([{"I1": "1\t5"}] * 7, id="tab_for_a_label"),
        pytest.param([{"label": 1}] * 6 + [{"I1": "1\t5"}], id="tab_for_a_label_of_others"),
        pytest.param([{"C1": 12345678}] * 7, id="number_of_8_digits"),
    ],
)
def test_instances_are_not_taken_for_others_that_look_alike_as_text(plain):
    with pytest.raises(model_service.InvalidRequestError):
        model_service.DeepFMService().preprocess({"instances": plain})


@PROPERTY
@hypothesis.given(
    st.lists(JSON, max_size=4)
    | st.lists(st.integers() | st.booleans(), max_size=4)
    | st.lists(st.lists(st.integers(-3, 2**64) | st.booleans(), min_size=2, max_size=3), max_size=4)
)
def test_lists_of_integers_become_what_numpy_makes_of_them(value):
    for row_shape in [(), (3,)]:
        found = model_service._plain_integers(value, row_shape)
        if found is not None:
            want = np.array(value, np.int64) if value else np.zeros((0,) + row_shape)
            assert found.dtype == np.int64 and found.tolist() == want.tolist()
            assert not value or np.asarray(value).dtype == np.int64


def test_load_finds_a_model_at_the_top_of_the_folder(tmp_path):
    sample_model.export(str(tmp_path / "export"))
    assert model_service.DeepFMService(str(tmp_path / "export")).load() is True


def test_load_prefers_the_model_folder(tmp_path):
    sample_model.export(str(tmp_path / "model"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"")
    assert model_service.find_saved_model(str(tmp_path)) == str(tmp_path / "model")


def test_load_refuses_a_folder_without_a_model(tmp_path, caplog):
    assert model_service.DeepFMService(str(tmp_path)).load() is False
    assert "expected exactly one SavedModel below %s, got none" % tmp_path in caplog.text


def _write_models(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").write_bytes(b"")


@pytest.mark.parametrize("names", [["1", "a"], ["1", "x/2"], ["1", "1/2"]])
def test_load_refuses_two_models(tmp_path, caplog, names):
    _write_models(tmp_path / "model", *names)
    assert model_service.DeepFMService(str(tmp_path)).load() is False
    got = ", ".join("%s/model/%s" % (tmp_path, name) for name in names)
    assert "expected exactly one SavedModel below %s, got %s" % (tmp_path, got) in caplog.text


@pytest.mark.parametrize("parent", ["", "model", "export/saved_model"])
def test_load_takes_the_newest_of_several_versions(tmp_path, parent):
    _write_models(tmp_path / parent, "9", "1662111628", "10")
    newest = str(tmp_path / parent / "1662111628")
    assert model_service.find_saved_model(str(tmp_path)) == newest


def test_load_does_not_see_an_export_under_way(tmp_path):
    _write_models(tmp_path, "1662111628", ".export-x1/model")
    assert model_service.find_saved_model(str(tmp_path)) == str(tmp_path / "1662111628")


def test_loaded_service_says_which_model_it_has(tmp_path):
    path = sample_model.export(str(tmp_path / "model" / "3"))
    service = model_service.DeepFMService(str(tmp_path))
    assert service.saved_model is None
    service.load()
    assert service.saved_model == path


def test_warmup_request_is_answered(service):
    assert len(service(service.warmup_request())["prediction"]) == 1


def test_load_refuses_a_damaged_model(tmp_path, caplog):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    assert model_service.DeepFMService(str(tmp_path)).load() is False
    assert "cannot load the SavedModel below" in caplog.text


def test_load_refuses_another_signature(tmp_path, caplog):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        folder = str(tmp_path / "model")
        tf.compat.v1.saved_model.simple_save(session, folder, {"x": x}, {"y": x + 1})
    assert model_service.DeepFMService(str(tmp_path)).load() is False
    assert "'_c_indices_fea1', '_c_values_fea1', '_c_dense_shape_fea1'" in caplog.text
    assert "got ['x'] -> ['y']" in caplog.text


def test_predict_before_load_is_an_error():
    service = model_service.DeepFMService("")
    with pytest.raises(RuntimeError, match="before a successful load"):
        service(WIRE)


def test_tiinfer_finds_this_class_first():
    members = [getattr(model_service, name) for name in dir(model_service)]
    classes = [m for m in members if isinstance(m, type) and issubclass(m, tiinfer.Model)]
    assert classes == [model_service.DeepFMService]
