"""Which class of a service file is taken, and what is refused."""

import socket
import sys

import pytest

from serving import service_loader

SERVICE = """
import tiinfer

class Zebra(tiinfer.Model):
    pass

class Echo(tiinfer.Model):
    def load(self):
        return {load}

    def predict(self, request):
        return {{"dir": self.model_dir, "request": request}}
"""

# Added to it: an error of two lines.
_RAISE = """
_RAISE = 'raise ValueError("one" + chr(10) + "two")'
"""


@pytest.fixture
def service_file(tmp_path):
    path = tmp_path / "my_service.py"
    path.write_text(SERVICE.format(load="True"))
    return path


def load(path, model_dir, warmup=False):
    service_class = service_loader.load_class(str(path))
    return service_loader.build(service_class, str(model_dir), warmup)


def test_loads_the_alphabetically_first_service(service_file, tmp_path):
    service = load(service_file, tmp_path)
    assert type(service).__name__ == "Echo"
    assert service(7) == {"dir": str(tmp_path), "request": 7}


def test_import_neither_reads_nor_changes_our_flags(service_file, tmp_path, monkeypatch):
    # mosec parses sys.argv when tiinfer is first imported, and fails on a port that is taken.
    for name in [name for name in sys.modules if name.split(".")[0] in ("tiinfer", "mosec")]:
        monkeypatch.delitem(sys.modules, name)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        argv = ["server", "--address=127.0.0.1", "--port=%d" % taken.getsockname()[1]]
        monkeypatch.setattr(sys, "argv", argv)
        assert load(service_file, tmp_path)
        assert sys.argv is argv


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(service_loader.ServiceError, match="service: expected a Python file"):
        service_loader.load_class(str(tmp_path / "none.py"))


def test_refuses_a_file_that_is_not_python(tmp_path):
    (tmp_path / "service.txt").write_text("x = 1\n")
    with pytest.raises(service_loader.ServiceError, match="service: expected a Python file"):
        service_loader.load_class(str(tmp_path / "service.txt"))


def test_refuses_a_missing_model_dir(service_file, tmp_path):
    with pytest.raises(service_loader.ServiceError, match="model_dir: expected a folder"):
        load(service_file, tmp_path / "none")


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1\n", "expected a subclass of tiinfer.Model, got none"),
        ("import no_such_module\n", "cannot be imported: No module named 'no_such_module'"),
        (
            "from tiinfer import Model\nclass Recommend(Model):\n    pass\n",
            "would take its base class; write `import tiinfer`",
        ),
        (SERVICE.format(load="False"), r"Echo\.load did not succeed for "),
        (SERVICE.format(load="1 / 0"), r"Echo\.load failed: division by zero"),
        (SERVICE.format(load="exec(_RAISE)") + _RAISE, r"Echo\.load failed: one two"),
        (
            SERVICE.format(load="True") + "\n    def warmup_request(self):\n        1 / 0\n",
            "Echo failed to warm up: division by zero",
        ),
    ],
    ids=[
        "no_class",
        "no_import",
        "base_class",
        "load_false",
        "load_raises",
        "load_raises_lines",
        "warmup_raises",
    ],
)
def test_refuses_a_service_that_cannot_serve(text, message, tmp_path):
    path = tmp_path / "service.py"
    path.write_text(text)
    with pytest.raises(service_loader.ServiceError, match=message) as caught:
        load(path, tmp_path, warmup=True)
    assert "\n" not in str(caught.value)


_WARM = """
    requests = []

    def warmup_request(self):
        return "warm"

    def preprocess(self, request):
        self.requests.append(request)
        return request
"""


@pytest.mark.parametrize("warmup, want", [(True, ["warm"]), (False, [])])
def test_warm_up_runs_one_request_of_the_service(tmp_path, warmup, want):
    path = tmp_path / "service.py"
    path.write_text(SERVICE.format(load="True") + _WARM)
    assert load(path, tmp_path, warmup).requests == want


def test_warm_up_of_a_service_without_a_request_is_nothing(service_file, tmp_path):
    assert load(service_file, tmp_path, warmup=True)


def test_each_build_is_a_service_of_its_own(service_file, tmp_path):
    service_class = service_loader.load_class(str(service_file))
    first = service_loader.build(service_class, str(tmp_path))
    assert service_loader.build(service_class, str(tmp_path)) is not first


def test_finder_of_a_file_is_found(tmp_path):
    path = tmp_path / "service.py"
    finder = "\ndef find_saved_model(model_dir):\n    return model_dir + '/found'\n"
    path.write_text(SERVICE.format(load="True") + finder)
    find = service_loader.model_finder(service_loader.load_class(str(path)))
    assert find("dir") == "dir/found"


def test_a_file_without_a_finder_has_none(service_file):
    assert service_loader.model_finder(service_loader.load_class(str(service_file))) is None
