from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.order import KINDS, apply_order, kind_rank, needs, prune_order, sort_key
from agent.engine.resource import GroupKind, ResourceKey

NAMES = """
Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget ServiceAccount Secret SecretList
ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition ClusterRole ClusterRoleList
ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList Service DaemonSet Pod
ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress
APIService
"""
CONTRACT = NAMES.split()

KEYS = st.builds(
    ResourceKey,
    st.sampled_from(["", "apps", "example.org", "policy", "crd.example.net", "networking.k8s.io"]),
    st.sampled_from(["Namespace", "Secret", "Deployment", "NetworkPolicy", "Widget", "Gadget"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["a", "b", "c"]),
) | st.builds(
    lambda group: ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"widgets.{group}"),
    st.sampled_from(["example.org", "crd.example.net"]),
)


def key(text: str) -> ResourceKey:
    """Read "group/Kind/namespace/name"."""
    group, kind, namespace, name = text.split("/")
    return ResourceKey(group, kind, namespace, name)


def test_kind_order_is_the_contract_s() -> None:
    assert list(KINDS) == CONTRACT
    keys = [ResourceKey("", kind, "", "x") for kind in CONTRACT] + [ResourceKey("", "Widget", "", "a")]
    assert apply_order(reversed(keys)) == keys


def test_names_order_what_is_of_one_rank() -> None:
    keys = [key("/Secret/n/a"), key("/Secret/m/b"), key("example.org/Widget/n/a"), key("example.net/Gadget/n/b")]
    assert apply_order(keys[::-1]) == keys


def test_a_custom_resource_called_like_an_early_kind_waits_for_definitions() -> None:
    definition = key("apiextensions.k8s.io/CustomResourceDefinition//secrets.example.org")
    custom, plain, role = key("example.org/Secret/n/x"), key("/Secret/n/x"), key("rbac.authorization.k8s.io/Role/n/x")
    assert apply_order([role, custom, definition, plain]) == [plain, definition, custom, role]
    assert kind_rank(GroupKind("networking.k8s.io", "NetworkPolicy")) < kind_rank(GroupKind("", "Secret"))


def test_pruning_is_the_reverse() -> None:
    keys = [key("/Namespace//n"), key("/Secret/n/x"), key("apps/Deployment/n/x"), key("example.org/Widget/n/x")]
    assert prune_order(keys) == keys[::-1]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/Secret/n/x", "/Namespace//n", True),
        ("/Secret/n/x", "/Namespace//m", False),
        ("rbac.authorization.k8s.io/ClusterRole//x", "/Namespace//", False),
        ("/Secret/n/x", "example.org/Namespace//n", False),
        ("example.org/Widget/n/x", "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.org", True),
        ("example.net/Widget/n/x", "apiextensions.k8s.io/CustomResourceDefinition//widgets.example.org", False),
        ("/Secret/n/x", "apiextensions.k8s.io/CustomResourceDefinition//widgets", False),
    ],
)
def test_needs(one: str, other: str, expected: bool) -> None:
    assert needs(key(one), key(other)) is expected


@given(st.lists(KEYS, max_size=12))
def test_what_is_needed_comes_first(keys: list[ResourceKey]) -> None:
    ordered = apply_order(keys)
    for i, earlier in enumerate(ordered):
        assert not any(needs(earlier, later) for later in ordered[i + 1 :] if later != earlier)


@given(st.lists(KEYS, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_order_is_total_and_does_not_depend_on_the_input(keys: list[ResourceKey], random: Random) -> None:
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert apply_order(shuffled) == apply_order(keys)
    assert prune_order(shuffled) == apply_order(keys)[::-1]
    assert len({sort_key(k) for k in keys}) == len(keys)
