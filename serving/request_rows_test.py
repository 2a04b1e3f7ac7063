"""The rows of a request of any form are the rows that it was made of."""

import pytest

from data_pipeline import generator, schema, text, wire
from serving import model_service, request_rows

_ROWS, _ = generator.Generator(5).rows(0, 9)
_LINES = text.format(_ROWS).decode().splitlines()


def instance(line):
    cells = zip(schema.COLUMNS, line.split("\t"))
    return {column.name: cell for column, cell in cells}


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(wire.to_json_request(_ROWS), id="wire"),
        pytest.param({"rows": _LINES}, id="rows"),
        pytest.param({"instances": [instance(line) for line in _LINES]}, id="instances"),
    ],
)
def test_rows_of_every_form(request_body):
    found = request_rows.of(request_body)
    assert found.is_labelled
    assert text.format(found.rows) == text.format(_ROWS)


def test_labels_may_be_left_out():
    found = request_rows.of({"rows": [line[2:] for line in _LINES]})
    assert not found.is_labelled
    assert text.format(found.rows).decode().splitlines() == ["0" + line[1:] for line in _LINES]


def test_what_the_service_refuses_is_refused():
    with pytest.raises(model_service.InvalidRequestError, match="rows.0.: expected a line of 39"):
        request_rows.of({"rows": ["x"]})
