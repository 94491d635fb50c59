"""Orphaned resources: what lies in an application's namespace and belongs to no application.

Of a namespace its top-level objects are looked at, those that no other object owns. Not counted are those that an
application tracks or has among its manifests, what every namespace has by itself, kinds that the project does not
permit (they are somebody else's business), and what the project ignores. So it is in Argo CD.

Only metadata is read. What a spec alone would tell is inferred: a StatefulSet owns the claims that are named for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from sys import intern
from typing import Any, Final, NamedTuple

from agent.engine.assignment import KindRule, OrphanedResources
from agent.engine.globs import glob_matches, glob_patterns
from agent.engine.resource import GroupKind, Object, ResourceKey, key_of, tracked_by

NAMED: Final = 10
"""Orphans that a condition names."""

_NONE: Final[Mapping[str, Any]] = {}
STATEFUL_SET: Final = GroupKind("apps", "StatefulSet")
_CLAIM: Final = GroupKind("", "PersistentVolumeClaim")
_ENDPOINTS: Final = GroupKind("", "Endpoints")
_SECRET: Final = GroupKind("", "Secret")
_CLUSTER_SERVICE_VERSION: Final = GroupKind("operators.coreos.com", "ClusterServiceVersion")
_CLAIMED: Final = re.compile(r"(?P<owner>.+)-[0-9]+")


class Sighting(NamedTuple):
    """What is kept of an object that may be an orphan, or says of another that it is none."""

    key: ResourceKey
    application: str
    """By which it says that it is tracked; empty for none."""
    owned: bool
    """Of a StatefulSet: another object owns it, so it is no orphan itself."""


def sighting_of(obj: Object) -> Sighting | None:
    """Return what is to be kept of an object, of which metadata is enough; None for what is of no interest."""
    group, kind, namespace, name = key_of(obj)
    # There are many objects, and few of all these.
    key = ResourceKey(intern(group), intern(kind), intern(namespace), name)
    group_kind = GroupKind(key.group, key.kind)
    if not key.namespace or _is_everywhere(key):
        return None
    owned = _is_owned(group_kind, obj["metadata"])
    if owned and group_kind != STATEFUL_SET:
        return None
    return Sighting(key, intern(tracked_by(obj, key) or ""), owned)


def _is_everywhere(key: ResourceKey) -> bool:
    """Say whether every namespace, or every cluster, has this by itself."""
    return (key.group, key.kind, key.name) in (
        ("", "ConfigMap", "kube-root-ca.crt"),
        ("", "ServiceAccount", "default"),
    ) or key == ("", "Service", "default", "kubernetes")


def _is_owned(group_kind: GroupKind, metadata: Mapping[str, Any]) -> bool:
    if metadata.get("ownerReferences"):
        return True
    annotations = metadata.get("annotations") or _NONE
    if group_kind == _SECRET:
        # The token of a ServiceAccount, which its controller makes and removes.
        return all(annotations.get(f"kubernetes.io/service-account.{part}") for part in ("name", "uid"))
    # A Service owns its Endpoints, and an OperatorGroup the copies of a ClusterServiceVersion; nobody writes that down.
    copied = group_kind == _CLUSTER_SERVICE_VERSION and bool(annotations.get("olm.operatorGroup"))
    return copied or group_kind == _ENDPOINTS


class OrphanRules:
    """A project's wishes, read. What is no glob is compared as it is written."""

    def __init__(self, wanted: OrphanedResources) -> None:
        self._ignore = tuple(map(_Rule, wanted.ignore))
        self._permitted = None if wanted.permitted is None else tuple(map(_Rule, wanted.permitted))
        self._denied = tuple(map(_Rule, wanted.denied))

    def leave_out(self, key: ResourceKey) -> bool:
        """Say whether an object is none of the project's business, or ignored."""
        if self._permitted is not None and not _any(self._permitted, key):
            return True
        return _any(self._denied, key) or _any(self._ignore, key)


class _Rule:
    def __init__(self, rule: KindRule) -> None:
        self._group, self._kind, self._name = map(_Pattern, (rule.group, rule.kind or "*", rule.name or "*"))

    def matches(self, key: ResourceKey) -> bool:
        return self._kind.matches(key.kind) and self._group.matches(key.group) and self._name.matches(key.name)


class _Pattern:
    def __init__(self, text: str) -> None:
        self._negated = text.startswith("!")
        plain = text.removeprefix("!")
        try:
            self._patterns = glob_patterns(plain)
            self._plain = None
        except ValueError:
            self._patterns = ()
            self._plain = plain

    def matches(self, text: str) -> bool:
        found = text == self._plain if self._plain is not None else glob_matches(self._patterns, text)
        return found is not self._negated


def _any(rules: Iterable[_Rule], key: ResourceKey) -> bool:
    return any(rule.matches(key) for rule in rules)


def orphans_among(
    sightings: Iterable[Sighting],
    rules: OrphanRules,
    assigned: Callable[[str], bool],
    own: Container[ResourceKey],
) -> list[ResourceKey]:
    """Return the orphans of one namespace, sorted. `sightings` is all that was kept of it; `assigned` says whether
    there is an application of a tracking name; `own` is what the application has among its manifests."""
    seen = list(sightings)
    stateful = {s.key.name for s in seen if GroupKind(s.key.group, s.key.kind) == STATEFUL_SET}
    return sorted(
        key
        for key, application, owned in seen
        if not owned
        and not (application and assigned(application))
        and key not in own
        and not (stateful and _is_claimed(key, stateful))
        and not rules.leave_out(key)
    )


def _is_claimed(key: ResourceKey, stateful: Container[str]) -> bool:
    """Say whether a claim is named as a StatefulSet names its own: <template>-<StatefulSet>-<number>."""
    if GroupKind(key.group, key.kind) != _CLAIM:
        return False
    found = _CLAIMED.fullmatch(key.name)
    parts = found["owner"].split("-") if found else []
    return any("-".join(parts[start:]) in stateful for start in range(1, len(parts)))


def describe(orphans: list[ResourceKey], namespace: str) -> str:
    """Say in a condition's words what is orphaned: some by name, and how many more."""
    count = len(orphans)
    words = "1 resource belongs" if count == 1 else f"{count} resources belong"
    names = ", ".join(map(_name, orphans[:NAMED]))
    more = f", and {count - NAMED} more" if count > NAMED else ""
    return f"in namespace {namespace} {words} to no application: {names}{more}"


def _name(key: ResourceKey) -> str:
    kind = f"{key.kind}.{key.group}" if key.group else key.kind
    return f"{kind}/{key.name}"
