"""The vocabulary of Kubernetes objects: keys, kinds, and how an object says which application it belongs to."""

from __future__ import annotations

from typing import Any, NamedTuple

Object = dict[str, Any]
"""A Kubernetes object as JSON gives it."""

FIELD_MANAGER = "escadre-agent"
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
MANAGED_LABEL = "escadre.io/managed"
"""Set to "true" on every object the agent applies, so that watches select only those."""


class ResourceKey(NamedTuple):
    """Names one object in a cluster, whatever API version it is read in.

    `namespace` is empty for cluster-scoped objects, `group` for the core group.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind}/{self.namespace}/{self.name}" if self.namespace else f"{kind}/{self.name}"


class GroupKind(NamedTuple):
    group: str
    kind: str


def split_api_version(api_version: str) -> tuple[str, str]:
    """Return (group, version): ("apps", "v1") for "apps/v1", ("", "v1") for "v1"."""
    group, _, version = api_version.rpartition("/")
    return group, version


def key_of(obj: Object) -> ResourceKey:
    """Return the key of an object. Raises KeyError when apiVersion, kind or metadata.name is missing."""
    metadata = obj["metadata"]
    group, _ = split_api_version(obj["apiVersion"])
    return ResourceKey(group, obj["kind"], metadata.get("namespace") or "", metadata["name"])


def tracking_id(application: str, key: ResourceKey) -> str:
    """Return Argo CD's tracking id, `<app>:<group>/<Kind>:<namespace>/<name>`."""
    return f"{application}:{key.group}/{key.kind}:{key.namespace}/{key.name}"


class Tracking(NamedTuple):
    application: str
    key: ResourceKey


def parse_tracking_id(text: str) -> Tracking | None:
    """Read a tracking id; None when it is not one."""
    application, _, rest = text.partition(":")
    group_kind, _, namespace_name = rest.partition(":")
    group, slash, kind = group_kind.rpartition("/")
    namespace, slash2, name = namespace_name.partition("/")
    if not (application and slash and kind and slash2 and name):
        return None
    return Tracking(application, ResourceKey(group, kind, namespace, name))


def tracked_by(obj: Object, key: ResourceKey | None = None) -> str | None:
    """Return the application an object is tracked by. `key` is the object's, where it is at hand.

    An id that does not name the object that carries it does not count: it was copied there, by an operator or
    a controller that copies annotations, and counting it would prune objects nobody asked to prune.
    """
    annotations = obj.get("metadata", {}).get("annotations") or {}
    text = annotations.get(TRACKING_ANNOTATION)
    if not isinstance(text, str):
        return None
    application = text.partition(":")[0]
    return application if application and text == tracking_id(application, key or key_of(obj)) else None
