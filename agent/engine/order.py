"""The order in which kinds are applied, so that what others need is there before them.

The order is Argo CD's: by kind, kinds it does not name last, then by name. Kinds go by their name alone, whatever their
API group, as there; only that a custom resource called like an early kind, say NetworkPolicy, waits until right after
the CustomResourceDefinitions, since its own may be among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.engine.resource import GroupKind, ResourceKey

KINDS: Final = (
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
)

_SLOTS: Final = {kind: 2 * place for place, kind in enumerate(KINDS)}
_LAST: Final = 2 * len(KINDS)
_DEFINITION: Final = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
_AFTER_DEFINITIONS: Final = _SLOTS[_DEFINITION.kind] + 1

SortKey = tuple[int, str, str, str, str]


def kind_rank(group_kind: GroupKind, *, custom: bool = False) -> int:
    """Return the place of a kind in the order. All kinds the order does not name share the last one. `custom` says that
    a definition is known to bring it, whatever its group."""
    rank = _SLOTS.get(group_kind.kind, _LAST)
    return max(rank, _AFTER_DEFINITIONS) if custom or _is_custom(group_kind.group) else rank


def _is_custom(group: str) -> bool:
    """Tell whether an API group may be defined by a CustomResourceDefinition: Kubernetes keeps *.k8s.io to itself."""
    return "." in group and not group.endswith(".k8s.io")


def sort_key(key: ResourceKey) -> SortKey:
    """Return what to sort keys by: kind order, name, and the rest of the key so that no two are alike."""
    return kind_rank(GroupKind(key.group, key.kind)), key.name, key.group, key.kind, key.namespace


def needs(key: ResourceKey, other: ResourceKey) -> bool:
    """Tell whether an object cannot be there without the other: its Namespace, or a definition of its API group."""
    if other.kind == "Namespace" and not other.group:
        return bool(key.namespace) and key.namespace == other.name
    return (other.group, other.kind) == _DEFINITION and key.group == other.name.partition(".")[2] != ""


def apply_order(keys: Iterable[ResourceKey]) -> list[ResourceKey]:
    """Return the keys in the order to apply them in. Total: equal sets of keys give equal lists."""
    return sorted(keys, key=sort_key)


def prune_order(keys: Iterable[ResourceKey]) -> list[ResourceKey]:
    """Return the keys in the order to delete them in, the reverse of how they are applied."""
    return sorted(keys, key=sort_key, reverse=True)
