"""From rendered objects to a ManifestSet: checked, cleaned of what is no desired state, and addressed by content.

The same objects in the same order give the same bytes, whichever process they come from.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.domain.manifest import Entry, ManifestSet, ResourceKey, canonical_json, digest_of
from hub.domain.status import ConditionType
from hub.render.errors import RenderError
from hub.render.model import RenderLimits

_HOOKS = ("argocd.argoproj.io/hook", "helm.sh/hook")
_API_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_KIND = re.compile(r"[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?")
_LONGEST_NAME = 253
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Found:
    """An object, and where it was found."""

    value: Any
    name: str
    line: int = 0

    @property
    def place(self) -> str:
        return f"{self.name}, line {self.line}" if self.line else self.name


@dataclass(slots=True)
class Normalizer:
    """Takes the objects of all sources of one application, in order."""

    limits: RenderLimits
    _objects: dict[ResourceKey, tuple[Entry, bytes, str]] = field(default_factory=dict)
    _bytes: int = 0
    _warnings: list[str] = field(default_factory=list)

    def add(self, found: Iterable[Found]) -> None:
        """Raises RenderError."""
        for item in found:
            for unfolded in _unfolded(item):
                self._add(unfolded)

    def finish(self) -> tuple[ManifestSet, dict[str, bytes], list[str]]:
        """Return the set, its blobs by digest, and warnings."""
        entries = tuple(entry for entry, _, _ in self._objects.values())
        blobs = {entry.digest: content for entry, content, _ in self._objects.values()}
        return ManifestSet(entries), blobs, self._warnings

    def _add(self, found: Found) -> None:
        key, version = _identity(found)
        if not found.value["metadata"].get("name"):
            key = self._unused(key)
        content = canonical_json(_cleaned(found.value))
        if len(content) > self.limits.resource_bytes:
            raise RenderError(
                f"{key} ({found.place}) has {len(content):,} bytes; at most {self.limits.resource_bytes:,} are taken.",
                code="too-large",
            )
        self._replace(key, Entry(key, version, digest_of(content), len(content)), content, found)

    def _replace(self, key: ResourceKey, entry: Entry, content: bytes, found: Found) -> None:
        before = self._objects.get(key)
        if before is not None:
            self._bytes -= before[0].size
            self.warn(
                f"{ConditionType.REPEATED_RESOURCE_WARNING.value}: {key} is there more than once ({before[2]}; "
                f"{found.place}); the last one is used."
            )
        self._objects[key] = (entry, content, found.place)
        self._bytes += entry.size
        if len(self._objects) > self.limits.resources:
            raise RenderError(
                f"The application has more than {self.limits.resources:,} resources: split it into several.",
                code="too-large",
            )
        if self._bytes > self.limits.output_bytes:
            raise RenderError(
                f"The application's manifests are larger than {self.limits.output_bytes:,} bytes together: "
                "split it into several.",
                code="too-large",
            )

    def _unused(self, key: ResourceKey) -> ResourceKey:
        """Tell hooks apart whose names are generated from one prefix."""
        names = (key.name + (f"#{count}" if count > 1 else "") for count in itertools.count(1))
        return next(free for name in names if (free := key._replace(name=name)) not in self._objects)

    def warn(self, warning: str) -> None:
        """Add a warning: "<ConditionType>: <message>"."""
        if len(self._warnings) < _SHOWN:
            self._warnings.append(warning)


def _unfolded(found: Found) -> Iterator[Found]:
    """Yield the items of a list, as if each stood alone; anything else as it is."""
    value = found.value
    if not isinstance(value, dict):
        raise _invalid(found, "is no Kubernetes object: a mapping with apiVersion, kind and metadata is wanted")
    kind, items = value.get("kind"), value.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield found
        return
    if kind != "List" and not all(isinstance(item, dict) for item in items):
        yield found
        return
    # A typed list, as `kubectl get --raw` prints it, leaves out what its items are.
    implied = {} if kind == "List" else {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    for item in items:
        yield from _unfolded(Found(implied | item if isinstance(item, dict) else item, found.name, found.line))


def _identity(found: Found) -> tuple[ResourceKey, str]:
    """Return (key, version). Raises RenderError for what is no Kubernetes object."""
    api_version = _text(found, found.value, "apiVersion", _API_VERSION)
    kind = _text(found, found.value, "kind", _KIND)
    metadata = found.value.get("metadata")
    if not isinstance(metadata, dict):
        raise _invalid(found, f"is a {kind} without metadata: give it metadata.name")
    for field_name in ("labels", "annotations"):
        if not isinstance(metadata.get(field_name), dict | None):
            raise _invalid(found, f"is a {kind} whose metadata.{field_name} is no mapping")
    group, _, version = api_version.rpartition("/")
    return ResourceKey(group, kind, _namespace(found, metadata, kind), _name(found, metadata, kind)), version


def _text(found: Found, value: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text = value.get(name)
    if text is None or text == "":
        raise _invalid(found, f"has no {name}: give it one, or take what is no Kubernetes object out of the source")
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise _invalid(found, f"has {name} {str(text)[:_SHOWN]!r}, which is none")
    return text


def _name(found: Found, metadata: dict[str, Any], kind: str) -> str:
    name = metadata.get("name")
    if name is None or name == "":
        prefix = metadata.get("generateName")
        annotations = metadata.get("annotations") or {}
        # The agent names each run of such a hook; until then its prefix, which is no name Kubernetes takes, stands for
        # it.
        if isinstance(prefix, str) and prefix and any(hook in annotations for hook in _HOOKS):
            return prefix
        if prefix:
            raise _invalid(found, f"is a {kind} with generateName, which only hooks may have: give it metadata.name")
        raise _invalid(found, f"is a {kind} without metadata.name: give it one")
    if not isinstance(name, str):
        raise _no_text(found, kind, "name", name)
    if len(name) > _LONGEST_NAME or "/" in name or not name.isprintable():
        raise _invalid(found, f"is a {kind} whose metadata.name {name[:_SHOWN]!r} is none that Kubernetes takes")
    return name


def _namespace(found: Found, metadata: dict[str, Any], kind: str) -> str:
    namespace = metadata.get("namespace")
    if namespace is None:
        return ""
    if not isinstance(namespace, str):
        raise _no_text(found, kind, "namespace", namespace)
    return namespace


def _cleaned(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what a cluster writes into it."""
    cleaned = {name: item for name, item in value.items() if name != "status"}
    metadata = cleaned["metadata"]
    if "creationTimestamp" in metadata and metadata["creationTimestamp"] is None:
        cleaned["metadata"] = {name: item for name, item in metadata.items() if name != "creationTimestamp"}
    return cleaned


def _no_text(found: Found, kind: str, name: str, value: Any) -> RenderError:
    shown = json.dumps(value)[:_SHOWN]
    return _invalid(found, f"is a {kind} whose metadata.{name} {shown} is no text: write it in quotes")


def _invalid(found: Found, what: str) -> RenderError:
    return RenderError(f"{found.place}: the object {what}.", code="invalid-manifest")
