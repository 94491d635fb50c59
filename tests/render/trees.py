"""A repository's tree in memory, for tests that need no Git. It is picklable, as every `Tree` is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.domain.tree import TreeEntry


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Submodule:
    commit: str = "c0ffee"


def config_map(name: str, **data: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


Content = str | bytes | Link | Submodule


class MemoryTree:
    def __init__(self, files: Mapping[str, Content]) -> None:
        self._files = {
            path: content.encode() if isinstance(content, str) else content for path, content in files.items()
        }

    def entry(self, path: str) -> TreeEntry | None:
        path = path.strip("/")
        content = self._files.get(path)
        if isinstance(content, bytes):
            return TreeEntry(path, hashlib.sha1(content).hexdigest(), "file", len(content))
        if isinstance(content, Link):
            return TreeEntry(path, "link:" + hashlib.sha1(content.target.encode()).hexdigest(), "symlink")
        if isinstance(content, Submodule):
            return TreeEntry(path, content.commit, "submodule")
        if path and not any(name.startswith(path + "/") for name in self._files):
            return None
        below = "\n".join(f"{entry.path} {entry.object_id}" for entry in self.list(path))
        return TreeEntry(path, hashlib.sha1(below.encode()).hexdigest(), "directory")

    def list(self, path: str) -> list[TreeEntry]:
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        if path and path in self._files:
            raise NotADirectoryError(path)
        names = {name.removeprefix(prefix).split("/")[0] for name in self._files if name.startswith(prefix)}
        if not names and path:
            raise FileNotFoundError(path)
        return [entry for name in sorted(names) if (entry := self.entry(prefix + name)) is not None]

    def walk(self, path: str) -> Iterator[TreeEntry]:
        for entry in self.list(path):
            if entry.kind == "directory":
                yield from self.walk(entry.path)
            else:
                yield entry

    def read(self, path: str, limit: int) -> bytes:
        content = self._files.get(path.strip("/"))
        if content is None:
            raise FileNotFoundError(path)
        if isinstance(content, Link):
            return content.target.encode()
        assert isinstance(content, bytes)
        if len(content) > limit:
            raise ValueError(f"{path} is too large")
        return content
