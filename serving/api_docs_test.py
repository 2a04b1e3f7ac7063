"""The document and the page about it, on a real socket."""

import pytest
import requests
from starlette.applications import Starlette

from serving import api_docs, openapi, running_app


@pytest.fixture(scope="module")
def url():
    with running_app.running(Starlette(routes=api_docs.routes("m"))) as server:
        yield server.url


def test_document_is_served_as_json(url):
    response = requests.get(url + "/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == openapi.document("m")


def test_of_another_service_the_document_is_another():
    app = Starlette(routes=api_docs.routes("ctr", is_deepfm=False))
    with running_app.running(app) as server:
        document = requests.get(server.url + "/openapi.json").json()
    assert document == openapi.document("ctr", is_deepfm=False)


@pytest.mark.parametrize(
    "path, content_type, size_bytes",
    [
        pytest.param("", "text/html; charset=utf-8", 300, id="page"),
        pytest.param("/start.js", "text/javascript; charset=utf-8", 100, id="script"),
        pytest.param("/swagger-ui-bundle.js", "text/javascript; charset=utf-8", 10**6, id="ui"),
        pytest.param("/swagger-ui.css", "text/css; charset=utf-8", 10**5, id="style"),
        pytest.param("/favicon-32x32.png", "image/png", 500, id="icon"),
    ],
)
def test_page_and_its_files_are_served(url, path, content_type, size_bytes):
    response = requests.get(url + "/docs" + path)
    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert len(response.content) > size_bytes
    assert requests.head(url + "/docs" + path).status_code == 200


def test_page_may_ask_for_nothing_elsewhere(url):
    policy = requests.get(url + "/docs").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; connect-src 'self'; ")
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/index.html", "/%2e%2e%2f__init__.py"])
def test_nothing_else_of_the_package_is_served(url, path):
    assert requests.get(url + "/docs" + path).status_code == 404
