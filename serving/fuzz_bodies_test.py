"""Good bodies are good, broken ones are broken, and the same seed gives the same bytes."""

import collections
import random

import numpy as np
import pytest

from serving import fuzz_bodies, model_service, prediction


class Service(model_service.DeepFMService):
    """The real checks, and half a chance for every row."""

    def __init__(self):
        super().__init__()
        self._run = lambda indices, values, shape: np.full((shape[0], 1), 0.5, np.float32)


@pytest.mark.parametrize(
    "make, statuses",
    [
        pytest.param(fuzz_bodies.good, {200}, id="good"),
        pytest.param(fuzz_bodies.broken, {200, 400}, id="broken"),
        pytest.param(fuzz_bodies.damaged, {200, 400}, id="damaged"),
        pytest.param(fuzz_bodies.not_json, {200, 400}, id="not_json"),
        pytest.param(fuzz_bodies.deep, {400}, id="deep"),
        pytest.param(fuzz_bodies.digits, {400}, id="digits"),
    ],
)
def test_bodies_are_what_they_say(make, statuses):
    service = Service()
    seen = set()
    for seed in range(300):
        body = make(random.Random(seed))
        reply = prediction.predict(service, body.data, "id")
        assert reply.status in body.statuses, (body, reply)
        if reply.status == 200 and body.rows is not None:
            assert reply.rows == body.rows
        seen.add(reply.status)
    assert seen == statuses


def test_every_form_and_every_flaw_comes():
    rng = random.Random(0)
    kinds = collections.Counter(fuzz_bodies.good(rng).kind for _ in range(100))
    assert set(kinds) == {"good_wire", "good_rows", "good_instances"}
    kinds = collections.Counter(fuzz_bodies.broken(rng).kind for _ in range(1000))
    assert len(kinds) == 18 and min(kinds.values()) > 20


def test_bodies_follow_from_the_seed():
    makers = (fuzz_bodies.good, fuzz_bodies.broken, fuzz_bodies.damaged, fuzz_bodies.not_json)
    for make in makers:
        assert make(random.Random(5)) == make(random.Random(5))
        assert make(random.Random(5)) != make(random.Random(6))
