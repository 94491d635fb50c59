"""What a chart says it depends on, and at which versions: Chart.yaml with Chart.lock, or what came before them.

As `helm dependency build` does: a lock decides, and one that was made for other dependencies is refused; without one,
the newest version in the range does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.formats.limits import Limits
from hub.formats.yaml import load_document
from hub.render.detect import CHART_FILE
from hub.render.errors import RenderError
from hub.render.paths import RepositoryView, normalized

_LIMITS = Limits(bytes=1024 * 1024, depth=30, nodes=100_000)
_LOCKS = {CHART_FILE: "Chart.lock", "requirements.yaml": "requirements.lock"}
_NAMED = ("@", "alias:")
_FIELDS = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")
"""In the order in which Helm writes them."""
_ALWAYS = ("name", "repository")


@dataclass(frozen=True, slots=True)
class Dependency:
    name: str
    version: str
    """A range; one version where a lock says it."""
    repository: str
    """Where it is: https://…, oci://…, file://…, or nothing for one that is there."""
    is_only: bool
    """Whether no other dependency has the name."""


def dependencies(view: RepositoryView, directory: str) -> list[Dependency]:
    """Raises RenderError, FormatError."""
    found = []
    for name in _LOCKS:
        metadata = _mapping(view, directory, name)
        entries = _entries(metadata)
        names = [str(entry.get("name") or "") for entry in entries]
        found += [
            Dependency(
                names[i], str(e.get("version") or ""), str(e.get("repository") or ""), names.count(names[i]) == 1
            )
            for i, e in enumerate(entries)
        ]
    return found


def locked(view: RepositoryView, directory: str, wanted: Dependency, position: int) -> Dependency:
    """Return a dependency at the version that the chart's lock has for it. `position` is its place among those of one
    name. Raises RenderError when the lock is of other dependencies, FormatError."""
    for name, lock_name in _LOCKS.items():
        lock = _mapping(view, directory, lock_name)
        if not lock:
            continue
        metadata = _mapping(view, directory, name)
        required, entries = _entries(metadata), _entries(lock)
        same = [e for e in entries if e.get("name") == wanted.name]
        if not _agree(metadata, required, lock, entries) or position >= len(same):
            raise RenderError(
                f"{lock_name} in {directory or 'the root'} is out of step with {name}: run `helm dependency update` "
                f"and commit {lock_name}.",
                code="invalid-source",
            )
        entry = same[position]
        repository = str(entry.get("repository") or "")
        return Dependency(wanted.name, str(entry.get("version") or ""), repository or wanted.repository, wanted.is_only)
    return wanted


def _agree(
    metadata: Mapping[str, Any], required: list[Mapping[str, Any]], lock: Mapping[str, Any], entries: list[Any]
) -> bool:
    """Whether a lock was made for what is required. Locks of Helm 2 are told by their names alone: its digests are
    made otherwise."""
    if [e.get("name") for e in required] != [e.get("name") for e in entries]:
        return False
    if metadata.get("apiVersion") != "v2":
        return True
    # Helm puts the address in the place of a repository's name before it makes the digest.
    meant = [
        {**r, "repository": e.get("repository")} if str(r.get("repository") or "").startswith(_NAMED) else r
        for r, e in zip(required, entries, strict=True)
    ]
    return str(lock.get("digest") or "") == lock_digest(meant, entries)


def lock_digest(required: list[Any], entries: list[Any]) -> str:
    """Return what Helm calls the digest of a lock."""
    text = json.dumps(
        [[_go(e) for e in required], [_go(e) for e in entries]], ensure_ascii=False, separators=(",", ":")
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _go(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dependency with its fields as Go writes them."""
    return {key: _sorted(entry.get(key, "")) for key in _FIELDS if entry.get(key) or key in _ALWAYS}


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _mapping(view: RepositoryView, directory: str, name: str) -> Mapping[str, Any]:
    path = normalized(f"{directory}/{name}")
    if view.file(path) is None:
        return {}
    value = load_document(view.read(path, _LIMITS.bytes), name=path, limits=_LIMITS)
    return value if isinstance(value, Mapping) else {}


def _entries(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = value.get("dependencies")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
