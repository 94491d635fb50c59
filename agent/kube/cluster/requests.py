"""What a request looks like on the wire: paths, queries and bodies. Pure, and part of every apply, so it is brief.

Every apply says `fieldValidation=Ignore`. Server-side apply refuses a field the schema does not know whatever is asked
here (which is what Argo CD's `Validate=true` is for), so `Strict` would pay for a second decoding of every object and
find only what is found anyway, and `Warn` would send its findings to nobody. `create`, `replace` and `patch` would lose
an unknown field in silence, so they say `Strict`, as `kubectl replace` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NoReturn
from urllib.parse import quote

import orjson

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions, DeleteOptions, Kind
from agent.kube.cluster.errors import Target
from agent.kube.errors import Rejected

APPLY_TYPE = "application/apply-patch+yaml"
JSON_TYPE = "application/json"
MERGE_TYPE = "application/merge-patch+json"
METADATA_LIST_TYPE = f"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON_TYPE}"
METADATA_TYPE = f"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{JSON_TYPE}"
"""Ask for nothing but metadata. A server behind the API server that cannot do so answers in full."""

_PROPAGATION = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}


@lru_cache(maxsize=1024)
def collection_path(kind: Kind, namespace: str) -> str:
    """Return the path of a kind's objects in a namespace, or of all where `namespace` is empty."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if namespace:
        return f"{root}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
    return f"{root}/{kind.plural}"


def object_path(target: Target) -> str:
    """Return the path of one object. Raises Rejected for a name that no path can hold."""
    kind, namespace, name = target.kind, target.namespace, target.name
    assert kind is not None
    if kind.namespaced != bool(namespace):
        _bad_namespace(target)
    _check_segment(target, "metadata.name", name)
    if namespace:
        _check_segment(target, "metadata.namespace", namespace)
    return f"{collection_path(kind, namespace)}/{quote(name, safe='')}"


def create_path(target: Target) -> str:
    """Return the path to create an object under; its name may be left to the server (generateName)."""
    kind, namespace = target.kind, target.namespace
    assert kind is not None
    if kind.namespaced != bool(namespace):
        _bad_namespace(target)
    if namespace:
        _check_segment(target, "metadata.namespace", namespace)
    return collection_path(kind, namespace)


def _bad_namespace(target: Target) -> NoReturn:
    assert target.kind is not None
    problem = (
        "is needed: the kind is namespaced" if target.kind.namespaced else "is not allowed: the kind is cluster-scoped"
    )
    raise Rejected(f"{target}: metadata.namespace {problem}", ("metadata.namespace",))


def _check_segment(target: Target, field: str, text: str) -> None:
    """As the API server checks path segments itself; but `..` would change the path before it gets to do so."""
    if text in ("", ".", "..") or "/" in text or "%" in text or not text.isprintable():
        raise Rejected(f"{target}: {field} {text!r} is not a name", (field,))


@lru_cache(maxsize=64)
def apply_query(options: ApplyOptions) -> str:
    force = "&force=true" if options.force else ""
    return f"?fieldManager={_escape(options.field_manager)}{force}&fieldValidation=Ignore{_dry(options.dry_run)}"


@lru_cache(maxsize=64)
def write_query(field_manager: str, dry_run: bool) -> str:
    return f"?fieldManager={_escape(field_manager)}&fieldValidation=Strict{_dry(dry_run)}"


def _dry(dry_run: bool) -> str:
    return "&dryRun=All" if dry_run else ""


def _escape(text: str) -> str:
    return quote(text, safe="")


def logs_query(container: str, lines: int, limit: int) -> str:
    return f"/log?container={_escape(container)}&tailLines={lines}&limitBytes={limit}"


def list_query(selector: str, limit: int, token: str) -> str:
    """Return the query for one page. No limit where `limit` is 0.

    It names no resourceVersion, which asks for the most recent state. "0" would be answered from any replica's cache,
    which may not have heard yet of what this agent wrote itself.
    """
    parts = [f"limit={limit}"]
    if selector:
        parts.append(f"labelSelector={_escape(selector)}")
    if token:
        parts.append(f"continue={_escape(token)}")
    return "?" + "&".join(parts)


def watch_query(selector: str, resource_version: str, timeout_seconds: float) -> str:
    query = f"?watch=true&allowWatchBookmarks=true&timeoutSeconds={max(1, round(timeout_seconds))}"
    if selector:
        query += f"&labelSelector={_escape(selector)}"
    return f"{query}&resourceVersion={_escape(resource_version)}"


def manifest_target(verb: str, kind: Kind, manifest: Object) -> Target:
    """Return what a write is about. Raises Rejected where the manifest has no usable metadata or is of another kind."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        raise Rejected(f"{verb} {kind}: the manifest has no metadata", ("metadata",))
    namespace, name = metadata.get("namespace") or "", metadata.get("name") or ""
    target = Target(verb, kind, namespace if isinstance(namespace, str) else "", name if isinstance(name, str) else "")
    if manifest.get("kind") != kind.kind or manifest.get("apiVersion") != kind.api_version:
        raise Rejected(f"{target}: the manifest's apiVersion and kind are not those of {kind}", ("apiVersion", "kind"))
    return target


def encode(target: Target, manifest: Object) -> bytes:
    """Return a manifest as JSON. Raises Rejected where JSON cannot hold it."""
    try:
        return orjson.dumps(manifest)
    except (TypeError, RecursionError) as error:
        raise Rejected(f"{target}: the manifest cannot be written as JSON: {error}") from error


def delete_body(target: Target, options: DeleteOptions) -> bytes:
    propagation = _PROPAGATION.get(options.propagation)
    if propagation is None:
        raise Rejected(f"{target}: propagation must be one of {', '.join(_PROPAGATION)}", ("propagationPolicy",))
    body: dict[str, object] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    conditions = {"uid": options.uid, "resourceVersion": options.resource_version}
    preconditions = {name: value for name, value in conditions.items() if value}
    if preconditions:
        body["preconditions"] = preconditions
    if options.dry_run:
        body["dryRun"] = ["All"]
    return orjson.dumps(body)


def metadata_of(kind: Kind, obj: Object) -> Object:
    """Return of an object what a `Reduce` takes: the answer calls it a PartialObjectMetadata, or is in full."""
    metadata = obj.get("metadata")
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata if isinstance(metadata, dict) else {},
    }


def page_of(document: Mapping[str, object]) -> tuple[list[Object], str, str]:
    """Return items, resourceVersion and continue token of a list. Raises ValueError where it is no list."""
    metadata, items = document.get("metadata"), document.get("items")
    if not isinstance(metadata, dict) or not (items is None or isinstance(items, list)):
        raise ValueError("the answer is no list")
    return items or [], str(metadata.get("resourceVersion") or ""), str(metadata.get("continue") or "")
