"""The parts of a report that say what was trained, with what, and on what."""

from typing import Any, Dict, List, Tuple

from launch import config_file
from launch.report import html_parts, number_text, report_data
from model import hyper_parameters

# Files of a data set that are named; of many, which are parts of one thing, a few say enough.
_NAMED_FILES = 20

_DATA = (("train", "Training data"), ("eval", "Evaluation data"))

# Facts that have a place of their own.
_PLACED = ("data", "flags")


def configuration(run: report_data.Run) -> str:
    """Returns hyper-parameters and flags as HTML."""
    rows = [
        (name, hyper_parameters.text_of(getattr(run.parameters, name)) or "none", parameter.help)
        for name, parameter in hyper_parameters.PARAMETERS.items()
    ]
    header = ("hyper-parameter", "value", "meaning")
    parts = [html_parts.table(header, rows, html_parts.MEANINGS)]
    flags = run.facts.get("flags")
    if flags:
        shown = [(name, _plain(value)) for name, value in sorted(flags.items())]
        parts += [html_parts.heading("Flags"), html_parts.table((), shown)]
    if run.config is not None:
        parts += [html_parts.heading(config_file.NAME), html_parts.verbatim(run.config)]
    return html_parts.section("Configuration", parts)


def data(facts: Dict[str, Any]) -> str:
    """Returns what training_facts.of said of data and code as HTML."""
    parts = []
    for key, title in _DATA:
        rows = _data_rows(facts.get("data", {}).get(key, {}))
        parts += [html_parts.heading(title), html_parts.table((), rows)] if rows else []
    others = [(name, _plain(facts[name])) for name in sorted(facts) if name not in _PLACED]
    parts += [html_parts.heading("Code"), html_parts.table((), others)] if others else []
    nothing = [html_parts.paragraph("Nothing was recorded.")]
    return html_parts.section("Data and code", parts or nothing)


def _data_rows(data: Dict[str, Any]) -> List[Tuple[str, str]]:
    """What training_facts.data knows of text or row blocks."""
    rows = []
    if "kind" in data:
        rows.append(("kind", data["kind"].replace("_", " ")))
    if "rows" in data:
        rows.append(("rows", number_text.count(data["rows"])))
    if "positives" in data:
        share = number_text.share(data["positives"], data.get("rows", 0))
        rows.append(("clicks", "%s (%s)" % (number_text.count(data["positives"]), share)))
    if "shards" in data:
        rows.append(("shards", number_text.count(data["shards"])))
    if "manifest_sha256" in data:
        rows.append(("sha256 of the manifest", data["manifest_sha256"]))
    rows += _named("source", "rows", "%s rows", data.get("sources", []))
    return rows + _named("file", "size_bytes", "%s bytes", data.get("files", []))


def _named(
    kind: str, size_key: str, size_form: str, items: List[Dict[str, Any]]
) -> List[Tuple[str, str]]:
    """A row for each of the first items, and one that sums up the others."""

    def size(some: List[Dict[str, Any]]) -> str:
        return size_form % number_text.count(sum(item[size_key] for item in some))

    rows = [(kind, "%s, %s" % (item["name"], size([item]))) for item in items[:_NAMED_FILES]]
    rest = items[_NAMED_FILES:]
    return rows + ([("and %s more" % number_text.count(len(rest)), size(rest))] if rest else [])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text.ABSENT if value is None else str(value)
