"""`make bench`: runs the benches and writes their figures.

python -m tests.benchmarks                       all of them, then docs/performance.md
python -m tests.benchmarks --only NAME --json F  one of them, its figures as JSON
python -m tests.benchmarks --only NAME --profile D  and profiles of hub and agents, for `python -m pstats`
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import ModuleType

from tests.benchmarks.fleet import PROFILE
from tests.benchmarks.host import raise_file_limit
from tests.benchmarks.table import BENCHES, write_page


def main() -> int:
    arguments = _arguments()
    raise_file_limit()
    names = [arguments.only] if arguments.only else list(BENCHES)
    results = {name: _run(name) for name in names}
    if arguments.json:
        arguments.json.write_text(json.dumps({"name": arguments.only, "figures": results[arguments.only]}) + "\n")
    if not arguments.only:
        write_page(results)
    return 0 if all(results.values()) else 1


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"tests.benchmarks.{name.replace('-', '_')}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="Run the benches.")
    parser.add_argument("--only", choices=list(BENCHES), help="run this one")
    parser.add_argument("--json", type=Path, help="write the figures of --only to this file")
    parser.add_argument("--profile", type=Path, help="write profiles of hub and agents to this directory")
    arguments = parser.parse_args()
    if arguments.json and not arguments.only:
        parser.error("--json goes with --only")
    if arguments.profile:
        # The children are told by the environment, which they inherit.
        os.environ[PROFILE] = str(arguments.profile.absolute())
        arguments.profile.mkdir(parents=True, exist_ok=True)
    return arguments


def _run(name: str) -> dict[str, float]:
    """Run one bench; returns no figures when it failed, which must not cost the others theirs."""
    began = time.monotonic()
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="escadre-bench-") as directory:
            figures: dict[str, float] = asyncio.run(module_of(name).run(Path(directory)))
    except Exception:
        traceback.print_exc()
        return {}
    line = "  ".join(f"{key}={value}" for key, value in figures.items())
    print(f"{name}: {line}  ({time.monotonic() - began:.0f} s)", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
