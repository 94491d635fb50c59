"""The process that evaluates one Jsonnet file: `task.json` in its directory says which, beside it are all it may read.

What an import leads to was decided when the render was planned; nothing else can be opened, whatever it names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import _gojsonnet


def main() -> int:
    task: dict[str, Any] = json.loads(Path("task.json").read_bytes())
    files: dict[str, int] = task["files"]
    leads = {(place, name): path for place, name, path in task["leads"]}

    def content(path: str) -> bytes:
        return Path(str(files[path])).read_bytes()

    missing: list[str] = []

    def imported(directory: str, name: str) -> tuple[str, bytes]:
        path = leads.get((directory.rstrip("/"), name))
        if path is None:
            # Not raised: what the library makes of an exception's text is not always text.
            missing.append(f"there is no file {name!r} in the repository that may be imported in {directory or '.'}")
            return f"missing {len(missing)}", b"null"
        return path, content(path)

    variables = {key: task[key] for key in ("ext_vars", "ext_codes", "tla_vars", "tla_codes")}
    path: str = task["evaluate"]
    try:
        text = content(path).decode()
        found = _gojsonnet.evaluate_snippet(path, text, import_callback=imported, **variables)
    except (RuntimeError, UnicodeDecodeError) as error:
        sys.stderr.write(missing[0] if missing else str(error))
        return 1
    if missing:
        sys.stderr.write(missing[0])
        return 1
    sys.stdout.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
