"""What a place has said, kept beside what it has given: a hub that starts while the place is away goes on with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from hub.source.failures import storage_errors


class Memory:
    """A small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value: dict[str, Any] = {}
        try:
            found = orjson.loads(path.read_bytes())
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict):
            self.value = found

    def table(self, name: str) -> dict[str, Any]:
        """Return a part of it, which may be changed."""
        found = self.value.get(name)
        if not isinstance(found, dict):
            found = self.value[name] = {}
        return found

    def save(self) -> None:
        """Raises SourceError."""
        with storage_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = self._path.with_suffix(".new")
            partial.write_bytes(orjson.dumps(self.value))
            partial.replace(self._path)
