"""What is assigned, resolved against what the cluster serves: namespaces settled, kinds found, manifests ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType

import orjson

from agent.engine.assignment import Assignment, ManifestSetRef
from agent.engine.manifest_set import Entry, IncompleteSet, read_manifest_set
from agent.engine.misspelt import misspelt
from agent.engine.reconcile import Pair, Target
from agent.engine.resource import (
    MANAGED_LABEL,
    TRACKING_ANNOTATION,
    GroupKind,
    Object,
    ResourceKey,
    tracking_id,
)
from agent.engine.traits import ANNOTATIONS, CRD, PLAIN, Traits, traits_of
from agent.kube.client import Discovery, Kind
from agent.storage import Storage
from agent.syncer.shelf import Shelf

MANIFESTS_KEPT = 200
"""Of one operation, in memory."""


@dataclass(frozen=True, slots=True)
class Targets:
    """One ManifestSet, resolved for one cluster."""

    digest: str
    resources: Mapping[ResourceKey, Target]
    kinds: Mapping[ResourceKey, Kind]
    unserved: tuple[ResourceKey, ...]
    """Targets whose kind the cluster does not serve (yet)."""
    hooks: Mapping[ResourceKey, Target]
    """Objects that are hooks: they take no part in comparing. Their kinds are among `kinds`."""
    excluded: tuple[ResourceKey, ...] = ()
    """What is assigned and left alone, for the settings exclude its kind. It is among none of the others."""
    misspelt: tuple[str, ...] = ()
    """What of the annotations has no effect, for it cannot be read; in words, with the object."""


NO_TARGETS = Targets("", MappingProxyType({}), MappingProxyType({}), (), MappingProxyType({}))


def load_targets(
    storage: Storage | Shelf,
    discovery: Discovery,
    assignment: Assignment,
    ref: ManifestSetRef,
    excludes: Callable[[GroupKind], bool],
) -> Targets:
    """Resolve a ManifestSet from disk. `excludes` says of which kinds objects are left alone.

    Raises IncompleteSet when the set or any of its blobs is not there whole: then nothing is applied or pruned.
    """
    content = storage.blob(ref.digest)
    if content is None:
        raise IncompleteSet(f"manifest set {ref.digest[:12]} is not on this agent's disk")
    entries = read_manifest_set(content, resources=ref.resources)
    digests = {e.digest for e in entries}
    traits: dict[str, Traits] = {}
    problems: dict[str, list[str]] = {}
    found = 0
    for digest, manifest in storage.each_blob(digests):
        found += 1
        if _may_tell(manifest):
            obj = orjson.loads(manifest)
            traits[digest] = traits_of(obj)
            if words := misspelt(obj):
                problems[digest] = words
    if found != len(digests):
        missing = len(digests) - found
        raise IncompleteSet(f"{missing} of the {len(digests)} manifests of set {ref.digest[:12]} are not on disk")
    excluded = tuple(e.key for e in entries if excludes(GroupKind(e.key.group, e.key.kind)))
    if excluded:
        entries = tuple(e for e in entries if not excludes(GroupKind(e.key.group, e.key.kind)))
    scopes = _unserved_scopes(storage, entries, discovery, assignment.application, traits)
    targets = resolve(entries, discovery, assignment.namespace, ref.digest, traits, scopes)
    told = tuple(f"{e.key}: {words}" for e in entries for words in problems.get(e.digest, ()))
    return replace(targets, excluded=excluded, misspelt=told) if excluded or told else targets


def resolve(
    entries: Iterable[Entry],
    discovery: Discovery,
    namespace: str,
    digest: str,
    traits: Mapping[str, Traits] = MappingProxyType({}),
    scopes: Mapping[GroupKind, bool] = MappingProxyType({}),
) -> Targets:
    """Settle every entry's namespace and kind. Pure.

    `traits` are those of the manifests that are not plain, by digest; `scopes` says of kinds that the cluster does not
    serve whether they live in namespaces.
    """
    resources: dict[ResourceKey, Target] = {}
    kinds: dict[ResourceKey, Kind] = {}
    unserved: list[ResourceKey] = []
    hooks: dict[ResourceKey, Target] = {}
    for entry in entries:
        group, kind_name, own_namespace, name = entry.key
        kind = discovery.find(group, entry.version, kind_name)
        unserved_scope = scopes.get(GroupKind(group, kind_name), bool(own_namespace))
        namespaced = kind.namespaced if kind is not None else unserved_scope
        key = ResourceKey(group, kind_name, (own_namespace or namespace) if namespaced else "", name)
        target = Target(key, entry.version, entry.digest, namespaced, traits.get(entry.digest, PLAIN))
        if kind is not None:
            kinds[key] = kind
        if target.traits.is_hook:
            hooks[key] = target
            continue
        resources[key] = target
        if kind is None:
            unserved.append(key)
    return Targets(digest, resources, kinds, tuple(unserved), hooks)


def _unserved_scopes(
    storage: Storage | Shelf,
    entries: tuple[Entry, ...],
    discovery: Discovery,
    application: str,
    traits: Mapping[str, Traits],
) -> dict[GroupKind, bool]:
    """Say of the kinds that the cluster does not serve whether they live in namespaces: as they did when it served
    them, or as the set's own CRDs say."""
    if all(discovery.find(e.key.group, e.version, e.key.kind) is not None for e in entries):
        return {}
    scopes = {GroupKind(key.group, key.kind): bool(key.namespace) for key in storage.judged(application)}
    crds = {digest: found.defines for digest, found in traits.items() if found.defines is not None}
    for digest, content in storage.blobs(list(crds)).items():
        scopes[crds[digest]] = orjson.loads(content)["spec"].get("scope") == "Namespaced"
    return scopes


_TELLING = (*(a.encode() for a in ANNOTATIONS), CRD.kind.encode())
"""A manifest that holds none of these is plain, and is not parsed."""
_ARGO_CD = b"argocd.argoproj.io/"
_PREFIXES = tuple(dict.fromkeys(a.partition("/")[0].encode() + b"/" for a in ANNOTATIONS))


def _may_tell(manifest: bytes) -> bool:
    """Say whether a manifest has to be parsed for what it asks. Most hold not even a prefix; with Argo CD's there may
    be an annotation that is misspelt."""
    if _ARGO_CD in manifest:
        return True
    found = CRD.kind.encode() in manifest or any(prefix in manifest for prefix in _PREFIXES)
    return found and any(text in manifest for text in _TELLING)


class Manifests:
    """The manifests of one operation. The first ones are read together, and parsed once for dry run and apply."""

    def __init__(self, storage: Storage, tracking_name: str) -> None:
        self._storage = storage
        self._tracking_name = tracking_name
        self._ahead: dict[ResourceKey, Object] = {}

    def read_ahead(self, pairs: Iterable[Pair]) -> None:
        """Read the first ones: one question to the disk instead of one each."""
        targets = [p.target for p in islice(pairs, MANIFESTS_KEPT) if p.target is not None]
        contents = self._storage.blobs({t.digest for t in targets})
        for target in targets:
            content = contents.get(target.digest)
            if content is not None:
                self._ahead[target.key] = manifest_of(content, target, self._tracking_name)

    def get(self, pair: Pair) -> Object:
        """Return the manifest to apply. Raises IncompleteSet when it is not on disk."""
        manifest = self._ahead.get(pair.key)
        if manifest is not None:
            return manifest
        assert pair.target is not None
        content = self._storage.blob(pair.target.digest)
        if content is None:
            raise IncompleteSet(f"the manifest of {pair.key} is not on this agent's disk")
        return manifest_of(content, pair.target, self._tracking_name)


def manifest_of(content: bytes, target: Target, application: str) -> Object:
    """Return the object to apply: as rendered, with its namespace, the agent's label and the tracking id.

    `application` is the tracking name.
    """
    obj: Object = orjson.loads(content)
    metadata = obj["metadata"]
    if target.namespaced:
        metadata["namespace"] = target.key.namespace
    else:
        metadata.pop("namespace", None)
    labels = metadata.get("labels") or {}
    labels[MANAGED_LABEL] = "true"
    metadata["labels"] = labels
    annotations = metadata.get("annotations") or {}
    annotations[TRACKING_ANNOTATION] = tracking_id(application, target.key)
    metadata["annotations"] = annotations
    return obj
