import html

from launch.report import report_data, report_facts
from model import hyper_parameters

_BLOCKS = {
    "kind": "row_blocks",
    "manifest_sha256": "ab" * 32,
    "positives": 250,
    "rows": 1000,
    "shards": 3,
    "sources": [{"name": "day_0", "rows": 400}, {"name": "day_1", "rows": 600}],
}


def _row(name, *cells):
    """A row of a table as its markup."""
    others = "".join("<td>%s</td>" % html.escape(cell) for cell in cells)
    return '<tr><th scope="row">%s</th>%s</tr>' % (name, others)


def _run(facts=None, config=None, **parameters):
    training = report_data.parse_progress("")
    record = hyper_parameters.HyperParameters(**parameters)
    return report_data.Run(record, facts or {}, (), training, config)


def test_every_hyper_parameter_has_its_value_and_meaning():
    shown = report_facts.configuration(_run(hidden=(64, 32), batch_norm=True))
    for name, parameter in hyper_parameters.PARAMETERS.items():
        assert html.escape(parameter.help) in shown, name
    assert _row("hidden", "64,32", hyper_parameters.PARAMETERS["hidden"].help) in shown
    assert _row("batch_norm", "true", hyper_parameters.PARAMETERS["batch_norm"].help) in shown


def test_no_hidden_layer_is_told_as_such():
    shown = report_facts.configuration(_run(hidden=()))
    assert _row("hidden", "none", hyper_parameters.PARAMETERS["hidden"].help) in shown


def test_flags_are_shown_where_there_are_any():
    shown = report_facts.configuration(
        _run({"flags": {"export": "best", "max_steps": None, "sync": True, "n": 1000}})
    )
    for row in (("export", "best"), ("max_steps", "\u2013"), ("sync", "true"), ("n", "1000")):
        assert _row(*row) in shown
    assert "Flags" not in report_facts.configuration(_run())


def test_config_is_verbatim():
    assert "<pre>\na: &lt;b&gt;\n c: 1\n</pre>" in report_facts.configuration(
        _run(config="a: <b>\n c: 1\n")
    )
    assert "<pre>" not in report_facts.configuration(_run())


def test_row_blocks_are_told_by_rows_clicks_and_sources():
    shown = report_facts.data({"data": {"train": _BLOCKS, "eval": {}}, "code_sha256": "cd" * 32})
    for row in (
        ("kind", "row blocks"),
        ("rows", "1,000"),
        ("clicks", "250 (25.00 %)"),
        ("shards", "3"),
        ("sha256 of the manifest", "ab" * 32),
        ("source", "day_0, 400 rows"),
        ("source", "day_1, 600 rows"),
        ("code_sha256", "cd" * 32),
    ):
        assert _row(*row) in shown
    assert "Training data" in shown and "Evaluation data" not in shown


def test_text_is_told_by_files_of_which_many_are_summed_up():
    files = [{"name": "part-%02d" % i, "size_bytes": 1000} for i in range(22)]
    shown = report_facts.data({"data": {"eval": {"kind": "text", "files": files}}})
    assert _row("file", "part-19, 1,000 bytes") in shown and "part-20" not in shown
    assert _row("and 2 more", "2,000 bytes") in shown
    shown = report_facts.data({"data": {"eval": {"kind": "text", "files": files[:20]}}})
    assert "part-19" in shown and "more" not in shown


def test_no_facts_are_said_to_be_none():
    assert "Nothing was recorded." in report_facts.data({"flags": {"a": 1}})
