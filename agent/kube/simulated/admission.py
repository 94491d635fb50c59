"""What a simulated API server does to every object on its way in: address it, fill in defaults, check it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import orjson

from agent.engine.resource import Object
from agent.kube.client import Kind
from agent.kube.errors import Rejected
from agent.kube.simulated import structural
from agent.kube.simulated.checks import CHECKERS
from agent.kube.simulated.checks.names import check_metadata
from agent.kube.simulated.defaults import DEFAULTERS
from agent.kube.simulated.defaults.allocate import ALLOCATORS
from agent.kube.simulated.defaults.values import drop_empty
from agent.kube.simulated.defaults.workloads import TEMPLATE_GENERATION
from agent.kube.simulated.kinds import Resource
from agent.kube.simulated.problems import Problems
from agent.kube.simulated.quantity import BadQuantity
from agent.kube.simulated.schema import mismatch, tidy

MAX_OBJECT: Final = 1_572_864
"""Bytes of JSON. What etcd takes in one request."""

_WELL_TYPED: Final[set[bytes]] = set()
"""Digests of manifests of built-in kinds that were found to be of their type: JSON, which says of which kind."""
_REMEMBERED: Final = 4096


def address(kind: Kind, manifest: Object) -> tuple[str, str]:
    """Return the namespace and name a manifest names. Raises Rejected, also for what is too large or no JSON."""
    encode(manifest)
    return named(kind, manifest)


def named(kind: Kind, manifest: Object) -> tuple[str, str]:
    """The same for a manifest that was encoded before."""
    metadata = manifest.get("metadata")
    if type(metadata) is not dict:
        raise Rejected("metadata: Required value", ("metadata",))
    if manifest.get("apiVersion") != kind.api_version or manifest.get("kind") != kind.kind:
        raise Rejected(
            f"the manifest is {manifest.get('kind')} ({manifest.get('apiVersion')}), expected {kind}",
            ("apiVersion", "kind"),
        )
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise Rejected("metadata.name: Required value: name is required", ("metadata.name",))
    if not kind.namespaced:
        return "", name
    namespace = metadata.get("namespace")
    if not isinstance(namespace, str) or not namespace:
        raise Rejected("metadata.namespace: Required value", ("metadata.namespace",))
    return namespace, name


def encode(tree: Object) -> bytes:
    """Return an object as JSON. Raises Rejected when it is too large, too deep, or no JSON."""
    try:
        content = orjson.dumps(tree)
    except TypeError as error:
        raise Rejected(f"the object cannot be encoded as JSON: {error}") from error
    if len(content) > MAX_OBJECT:
        raise Rejected(f"Request entity too large: {len(content)} bytes, at most {MAX_OBJECT}")
    return content


def check_types(manifest: Object, resource: Resource, *, applied: bool) -> None:
    """Raise Rejected when something is not of its type, or, in what is applied, is not declared."""
    found = mismatch(manifest, resource.rules, strict=applied)
    if found is not None:
        path, text = found
        name = manifest["metadata"]["name"]
        raise Rejected(f"failed to create typed patch object ({name}): {path}: {text}", (path.removeprefix("."),))


def check_applied_types(manifest: Object, resource: Resource, content: bytes) -> None:
    """The same for what is applied, once for the many clusters of a process that are given the same."""
    if resource.schema is not None:
        check_types(manifest, resource, applied=True)
        return
    digest = blake2b(content, digest_size=16).digest()
    if digest not in _WELL_TYPED:
        check_types(manifest, resource, applied=True)
        if len(_WELL_TYPED) >= _REMEMBERED:
            _WELL_TYPED.clear()
        _WELL_TYPED.add(digest)


def read(resource: Resource, tree: Object) -> None:
    """Drop from a whole object what the server does not read: fields of a custom kind that are not declared."""
    if resource.schema is not None:
        structural.drop_undeclared(tree, resource.schema)


def default(resource: Resource, tree: Object) -> None:
    """Fill in what the server fills in."""
    if resource.schema is not None:
        drop_empty(tree["metadata"], "labels", "annotations", "finalizers", "ownerReferences")
        structural.fill(tree, resource.schema)
        return
    try:
        tidy(tree, resource.rules)
    except BadQuantity as error:
        raise Rejected(f"{resource.kind.kind} cannot be read: {error}") from error
    defaulter = DEFAULTERS.get(resource.kind.group_kind)
    if defaulter is not None:
        defaulter(tree)


def allocate(resource: Resource, tree: Object) -> None:
    """Give the object what the server adds beyond defaults, and nobody manages."""
    allocator = ALLOCATORS.get(resource.kind.group_kind)
    if allocator is not None:
        allocator(tree)


def revise(resource: Resource, tree: Object, before: Object) -> None:
    """Do what the server does besides when what is desired has changed."""
    if resource.kind.kind == "DaemonSet" and tree["spec"].get("template") != before["spec"].get("template"):
        annotations = tree["metadata"].setdefault("annotations", {})
        count = str(before["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, ""))
        annotations[TEMPLATE_GENERATION] = str(int(count) + 1) if count.isdigit() else "1"


def check(resource: Resource, tree: Object, before: Object | None) -> None:
    """Raise Rejected when the object, or the change from `before`, is not valid."""
    problems = Problems()
    group_kind = resource.kind.group_kind
    check_metadata(group_kind, tree, before, problems)
    if resource.schema is not None:
        structural.check(tree, resource.schema, "", problems)
    else:
        checker = CHECKERS.get(group_kind)
        if checker is not None:
            checker(tree, before, problems)
    kind = resource.kind
    problems.raise_any(f"{kind.kind}.{kind.group}" if kind.group else kind.kind, tree)
