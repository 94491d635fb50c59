"""What a server says it serves, in each of the forms in which servers say it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.resource import GroupKind
from agent.kube.client import Kind
from agent.kube.cluster.discovery import Served, build, read_resource_list, read_root

DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True, frozenset({"get", "list"}))
METRICS = Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", True, frozenset({"list"}))


def resource(
    kind: str, plural: str, scope: str = "Namespaced", verbs: tuple[str, ...] = ("get", "list")
) -> dict[str, Any]:
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": scope,
        "verbs": list(verbs),
        "subresources": [{"subresource": "status", "responseKind": {"kind": kind}, "verbs": ["get"]}],
    }


def aggregated(name: str, *versions: dict[str, Any]) -> dict[str, Any]:
    group = {"metadata": {"name": name} if name else {"creationTimestamp": None}, "versions": list(versions)}
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [group]}


def version(name: str, *resources: dict[str, Any], freshness: str = "Current") -> dict[str, Any]:
    return {"version": name, "resources": list(resources), "freshness": freshness}


def test_reads_aggregated_discovery() -> None:
    served = read_root(
        aggregated(
            "apps", version("v1", resource("Deployment", "deployments")), version("v1beta1", resource("Old", "olds"))
        )
    )
    served.add(read_root(aggregated("", version("v1", resource("Node", "nodes", "Cluster")))))
    found = build("v1.36.3", served, None)
    assert found.version == "v1.36.3"
    assert found.find("apps", "v1", "Deployment") == DEPLOYMENT
    node = found.find("", "v1", "Node")
    assert node is not None
    assert not node.namespaced
    assert len(found.kinds) == 3  # and no subresource
    assert found.api_versions() == [
        "apps/v1",
        "apps/v1/Deployment",
        "apps/v1beta1",
        "apps/v1beta1/Old",
        "v1",
        "v1/Node",
    ]


def test_prefers_the_version_that_comes_first() -> None:
    kinds = resource("Deployment", "deployments")
    found = build("", read_root(aggregated("apps", version("v1", kinds), version("v1beta1", kinds))), None)
    assert found.preferred[GroupKind("apps", "Deployment")] == DEPLOYMENT
    assert found.find("apps", "v1beta1", "Deployment") is not None


def test_a_stale_group_keeps_what_was_known_of_it_and_breaks_nothing() -> None:
    before = build("", Served(kinds=[DEPLOYMENT, METRICS]), None)
    now = read_root(aggregated("metrics.k8s.io", version("v1beta1", freshness="Stale")))
    now.kinds.append(DEPLOYMENT)
    assert now.stale == [("metrics.k8s.io", "v1beta1")]
    found = build("", now, before)
    assert found.find("metrics.k8s.io", "v1beta1", "PodMetrics") == METRICS
    assert found.find("apps", "v1", "Deployment") == DEPLOYMENT
    assert found.stale == frozenset({"metrics.k8s.io"}) and not before.stale
    assert build("", now, None).kinds.keys() == {("apps", "v1", "Deployment")}


def test_what_is_gone_for_certain_is_not_kept() -> None:
    before = build("", Served(kinds=[DEPLOYMENT, METRICS]), None)
    assert build("", Served(kinds=[DEPLOYMENT]), before).kinds.keys() == {("apps", "v1", "Deployment")}


def test_reads_the_lists_of_groups_of_older_servers() -> None:
    served = read_root({"kind": "APIVersions", "versions": ["v1"]})
    served.add(
        read_root(
            {
                "kind": "APIGroupList",
                "groups": [
                    {
                        "name": "autoscaling",
                        "versions": [{"version": "v1"}, {"version": "v2"}],
                        "preferredVersion": {"version": "v2"},
                    }
                ],
            }
        )
    )
    assert served.unread == [("", "v1"), ("autoscaling", "v2"), ("autoscaling", "v1")]


def test_reads_a_resource_list_without_its_subresources() -> None:
    document = {
        "kind": "APIResourceList",
        "resources": [
            {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get", "list"]},
            {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get"]},
        ],
    }
    assert read_resource_list("apps", "v1", document) == [DEPLOYMENT]


def test_verb_sets_are_shared() -> None:
    kinds = [Kind("", "v1", name, name.lower(), True, frozenset(["get", "list"])) for name in ("A", "B")]
    found = build("", Served(kinds=kinds), None)
    assert len({id(kind.verbs) for kind in found.kinds.values()}) == 1


@pytest.mark.parametrize("document", [{}, {"kind": "Status"}, {"kind": ["APIGroupList"]}])
def test_refuses_what_is_no_discovery_document(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no discovery"):
        read_root(document)


NAMES = ("items", "metadata", "name", "versions", "version", "resources", "resource", "responseKind", "kind", "verbs")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["APIGroupDiscoveryList", "APIVersions", "APIGroupList"]), anything, anything)
def test_whatever_a_document_holds_it_is_read(kind: str, items: Any, more: Any) -> None:
    served = read_root({"kind": kind, "items": items, "groups": items, "versions": more})
    read_resource_list("g", "v1", {"resources": items})
    for found in build("", served, None).kinds.values():
        assert found.kind
        assert found.plural
