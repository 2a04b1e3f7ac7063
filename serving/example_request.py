"""Writes a request of generated rows in the wire form: the main behind //serving:input.json."""

import argparse
import json
import sys
from typing import Any, Dict, List, Optional

from data_pipeline import generator, wire

# The published example has as many rows.
NUM_ROWS = 512
SEED = 2022


def example_request(num_rows: int = NUM_ROWS, seed: int = SEED) -> Dict[str, Any]:
    """Returns {"labels", "indexes", "values", "samples"} of rows that nobody ever clicked."""
    rows, _ = generator.Generator(seed).rows(0, num_rows)
    return wire.to_json_request(rows)


def main(argv: Optional[List[str]] = None) -> int:
    """Writes the request to --output; returns the exit code."""
    parser = argparse.ArgumentParser(prog="example_request", description=__doc__)
    parser.add_argument("--output", required=True, metavar="FILE")
    options = parser.parse_args(argv)
    with open(options.output, "w") as stream:
        json.dump(example_request(), stream)
        stream.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
