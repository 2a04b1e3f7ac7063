"""When another model is taken, and when not; each look is made by hand."""

import gc
import logging
import weakref

import pytest

from serving import live_model, metrics_text, server_metrics, service_loader


class Service:
    def __init__(self, version):
        self.version = version


class Folder:
    """A model folder that only pretends."""

    def __init__(self):
        self.state = "1"
        self.broken = False
        self.built = []

    def put(self, state, broken=False):
        self.state, self.broken = state, broken

    def look(self):
        return (("/models/%s/saved_model.pb" % self.state, 1, 1, 1),) if self.state else ()

    def build(self):
        self.built.append(self.state)
        if self.broken:
            raise service_loader.ServiceError("Fake.load failed: broken")
        return Service(self.state)


@pytest.fixture
def folder():
    return Folder()


@pytest.fixture
def metrics():
    return server_metrics.ServerMetrics()


@pytest.fixture
def live(folder, metrics):
    return live_model.LiveModel(folder.build, folder.look, metrics)


def versions(metrics):
    prefix = "serving_model_version{version="
    samples = metrics_text.samples(metrics.render())
    return {
        name[len(prefix) : -1]: value for name, value in samples.items() if name.startswith(prefix)
    }


def reloads(metrics):
    samples = metrics_text.samples(metrics.render())
    names = ["serving_model_reloads_total{outcome=%s}" % name for name in ("loaded", "failed")]
    return [samples[name] for name in names]


def test_loads_at_once(live, folder, metrics):
    assert live.current().version == live.current().service.version == "1"
    assert versions(metrics) == {"1": 1}
    assert reloads(metrics) == [0, 0]


def test_a_model_that_cannot_be_loaded_at_first_is_an_error(folder, metrics):
    folder.put("1", broken=True)
    with pytest.raises(service_loader.ServiceError):
        live_model.LiveModel(folder.build, folder.look, metrics)


def test_nothing_is_loaded_while_nothing_changes(live, folder):
    assert [live.check() for _ in range(3)] == [False] * 3
    assert folder.built == ["1"]


def test_a_new_model_is_taken_at_the_second_look(live, folder, metrics, caplog):
    old = live.current()
    folder.put("2")
    with caplog.at_level(logging.INFO):
        assert [live.check() for _ in range(3)] == [False, True, False]
    assert live.current().version == live.current().service.version == "2"
    assert old.service.version == "1"  # Whoever has it goes on with it.
    assert folder.built == ["1", "2"]
    assert versions(metrics) == {"1": 0, "2": 1}
    assert reloads(metrics) == [1, 0]
    assert "model 2 answers, instead of 1" in caplog.text


def test_a_model_that_is_still_written_is_not_taken(live, folder):
    for state in ["2a", "2b", "2c"]:
        folder.put(state)
        assert not live.check()
    assert folder.built == ["1"]
    assert live.check()
    assert live.current().version == "2c"


def test_what_changed_while_the_first_model_was_loaded_is_seen(folder, metrics):
    def build():
        service = folder.build()
        folder.put("2")
        return service

    live = live_model.LiveModel(build, folder.look, metrics)
    assert live.current().version == "1"
    assert [live.check(), live.check()] == [False, True]


def test_a_broken_model_is_one_line_and_tried_once(live, folder, metrics, caplog):
    folder.put("2", broken=True)
    assert [live.check() for _ in range(4)] == [False] * 4
    assert folder.built == ["1", "2"]
    assert live.current().version == "1"
    assert versions(metrics) == {"1": 1}
    assert reloads(metrics) == [0, 1]
    errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert errors == ["reload: model 1 stays: Fake.load failed: broken"]


def test_a_broken_model_is_tried_again_when_it_changes(live, folder, metrics):
    folder.put("2", broken=True)
    assert [live.check() for _ in range(2)] == [False, False]
    folder.put("3")
    assert [live.check() for _ in range(2)] == [False, True]
    assert live.current().version == "3"
    assert reloads(metrics) == [1, 1]


def test_a_model_that_vanishes_goes_on(live, folder):
    folder.put("")
    assert [live.check() for _ in range(3)] == [False] * 3
    assert (live.current().version, folder.built) == ("1", ["1"])


def test_a_model_that_comes_back_as_it_was_is_not_loaded_again(live, folder):
    folder.put("2")
    live.check()
    folder.put("1")
    assert [live.check() for _ in range(3)] == [False] * 3
    assert folder.built == ["1"]


def test_the_old_model_goes_though_it_is_a_cycle(live, folder):
    live.current().service.itself = live.current().service
    old = weakref.ref(live.current().service)
    folder.put("2")
    assert [live.check(), live.check()] == [False, True]
    assert old() is None


def test_what_stays_is_not_looked_at_by_the_collector(live):
    assert gc.get_freeze_count() > 1000
    gc.unfreeze()
