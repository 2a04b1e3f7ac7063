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


@pytest.fixture
def service_file(tmp_path):
    path = tmp_path / "my_service.py"
    path.write_text(SERVICE.format(load="True"))
    return path


def test_loads_the_alphabetically_first_service(service_file, tmp_path):
    service = service_loader.load_service(str(service_file), str(tmp_path))
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
        assert service_loader.load_service(str(service_file), str(tmp_path))
        assert sys.argv is argv


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(service_loader.ServiceError, match="service: expected a Python file"):
        service_loader.load_service(str(tmp_path / "none.py"), str(tmp_path))


def test_refuses_a_file_that_is_not_python(tmp_path):
    (tmp_path / "service.txt").write_text("x = 1\n")
    with pytest.raises(service_loader.ServiceError, match="service: expected a Python file"):
        service_loader.load_service(str(tmp_path / "service.txt"), str(tmp_path))


def test_refuses_a_missing_model_dir(service_file, tmp_path):
    with pytest.raises(service_loader.ServiceError, match="model_dir: expected a folder"):
        service_loader.load_service(str(service_file), str(tmp_path / "none"))


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
    ],
    ids=["no_class", "no_import", "base_class", "load_false", "load_raises"],
)
def test_refuses_a_service_that_cannot_serve(text, message, tmp_path):
    path = tmp_path / "service.py"
    path.write_text(text)
    with pytest.raises(service_loader.ServiceError, match=message) as caught:
        service_loader.load_service(str(path), str(tmp_path))
    assert "\n" not in str(caught.value)
