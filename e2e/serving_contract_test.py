"""The real server keeps to its own /openapi.json: schemathesis makes requests and looks."""

import collections

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies
from schemathesis import checks

from e2e import programs
from serving import sample_model

_PREDICT = ("/v1/models/m:predict", "post")
_OTHERS = [
    ("/", "get"),
    ("/metrics", "get"),
    ("/openapi.json", "get"),
    ("/v1/models", "get"),
    ("/v1/models/m", "get"),
]
_CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)

_JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**70), 2**70)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=20,
)
# schemathesis takes seconds for each request that breaks these schemas, and most of them are null.
_BROKEN = _JSON | strategies.dictionaries(
    strategies.sampled_from(["indexes", "values", "samples", "labels", "rows", "instances"]),
    strategies.lists(strategies.lists(strategies.integers(-1, 40), min_size=3, max_size=3))
    | strategies.lists(strategies.dictionaries(strategies.sampled_from(["I1", "C1"]), _JSON))
    | strategies.lists(strategies.sampled_from(["\t" * 38, "1" + "\t" * 39, "\t" * 40]))
    | strategies.integers(-1, 3)
    | _JSON,
    max_size=4,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    sample_model.export(str(folder / "model" / "1662111628"))
    with programs.server(str(folder), str(folder)) as predict_url:
        yield predict_url.partition("/v1/")[0]


@pytest.fixture(scope="module")
def api(url):
    return schemathesis.from_uri(url + "/openapi.json", base_url=url, validate_schema=True)


def statuses(cases, num_cases):
    """Sends requests and checks their answers; returns how many there were of each status."""
    counts = collections.Counter()

    @hypothesis.settings(
        max_examples=num_cases,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases)
    def check(case):
        response = case.call(timeout=30)
        case.validate_response(response, checks=_CHECKS)
        counts[response.status_code] += 1

    check()
    return counts


def test_these_are_all_operations(api):
    found = [result.ok() for result in api.get_all_operations()]
    assert sorted((item.path, item.method) for item in found) == sorted([_PREDICT, *_OTHERS])


def test_requests_by_the_document_are_answered_or_refused_by_it(api):
    path, method = _PREDICT
    counts = statuses(api[path][method].as_strategy(), 100)
    assert set(counts) == {200, 400}  # No schema can say which values belong to which field.
    assert min(counts.values()) >= 5, counts


def test_any_json_is_answered_or_refused_by_the_document(api):
    path, method = _PREDICT
    cases = _BROKEN.map(
        lambda body: api[path][method].make_case(body=body, media_type="application/json")
    )
    counts = statuses(cases, 200)
    assert set(counts) == {200, 400}
    assert counts[400] >= 100, counts


@pytest.mark.parametrize("path, method", _OTHERS)
def test_the_rest_is_answered_by_the_document(api, path, method):
    assert set(statuses(api[path][method].as_strategy(), 20)) == {200}


def test_examples_are_answered(api, url):
    body = api.raw_schema["paths"][_PREDICT[0]]["post"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert set(examples) == {"instances", "rows", "wire"}
    predictions = []
    for example in examples.values():
        response = requests.post(url + _PREDICT[0], json=example["value"])
        assert response.status_code == 200
        predictions.append(response.json()["prediction"])
    assert predictions[0] == predictions[1] == predictions[2]
