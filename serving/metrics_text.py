"""Reads what /metrics answers, for tests."""

from typing import Dict

from prometheus_client import parser


def samples(text: bytes) -> Dict[str, float]:
    """Returns "name{label=value,...}" -> value of what the server itself counts.

    Left out: the buckets of histograms, and when a counter was made.
    """
    found = {}
    for family in parser.text_string_to_metric_families(text.decode("utf-8")):
        for sample in family.samples:
            labels = ",".join("%s=%s" % pair for pair in sorted(sample.labels.items()))
            if sample.name.startswith("serving_") and not sample.name.endswith(
                ("_bucket", "_created")
            ):
                found["%s{%s}" % (sample.name, labels)] = sample.value
    return found
