"""`make bench`: runs the benches and writes their figures.

python -m tests.benchmarks                       all of them, then docs/performance.md
python -m tests.benchmarks --only NAME --json F  one of them, its figures as JSON
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.table import BENCHES, write_page


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="Run the benches.")
    parser.add_argument("--only", choices=list(BENCHES), help="run this one")
    parser.add_argument("--json", type=Path, help="write the figures of --only to this file")
    arguments = parser.parse_args()
    if arguments.json and not arguments.only:
        parser.error("--json goes with --only")
    results = {}
    for name in [arguments.only] if arguments.only else list(BENCHES):
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"tests.benchmarks.{name.replace('-', '_')}")
        with tempfile.TemporaryDirectory(prefix="escadre-bench-") as directory:
            results[name] = asyncio.run(module.run(Path(directory)))
        line = "  ".join(f"{key}={value}" for key, value in results[name].items())
        print(f"{name}: {line}  ({time.monotonic() - began:.0f} s)", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"name": arguments.only, "figures": results[arguments.only]}) + "\n")
    if not arguments.only:
        write_page(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
