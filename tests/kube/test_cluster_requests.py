"""Paths, queries and bodies, and that no name can lead a request elsewhere."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.client import ApplyOptions, DeleteOptions, Kind
from agent.kube.cluster import requests
from agent.kube.cluster.errors import Target
from agent.kube.errors import Rejected

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False)


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        (CONFIG_MAP, "team", "c", "/api/v1/namespaces/team/configmaps/c"),
        (DEPLOYMENT, "team", "d", "/apis/apps/v1/namespaces/team/deployments/d"),
        (NAMESPACE, "", "team", "/api/v1/namespaces/team"),
        (ROLE, "", "system:x", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax"),
    ],
)
def test_object_path(kind: Kind, namespace: str, name: str, path: str) -> None:
    assert requests.object_path(Target("get", kind, namespace, name)) == path


def test_collection_path_of_all_namespaces() -> None:
    assert requests.collection_path(DEPLOYMENT, "") == "/apis/apps/v1/deployments"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../secrets/s", "%2e%2e", "a\r\nb", "\ud800"])
def test_refuses_a_name_no_path_can_hold(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        requests.object_path(Target("get", CONFIG_MAP, "team", name))
    assert caught.value.fields == ("metadata.name",)
    with pytest.raises(Rejected) as caught:
        requests.object_path(Target("get", CONFIG_MAP, name, "c"))
    assert caught.value.fields == ("metadata.namespace",)


any_text = st.text(st.characters(), max_size=20)


@given(any_text, any_text)
def test_every_path_has_the_segments_asked_for(namespace: str, name: str) -> None:
    try:
        path = requests.object_path(Target("get", CONFIG_MAP, namespace, name))
    except Rejected:
        return
    segments = urlsplit("https://host" + path).path.split("/")
    assert [unquote(s) for s in segments] == ["", "api", "v1", "namespaces", namespace, "configmaps", name]


@pytest.mark.parametrize(("kind", "namespace"), [(CONFIG_MAP, ""), (NAMESPACE, "team")])
def test_a_namespace_is_given_exactly_to_namespaced_kinds(kind: Kind, namespace: str) -> None:
    with pytest.raises(Rejected) as caught:
        requests.object_path(Target("get", kind, namespace, "x"))
    assert caught.value.fields == ("metadata.namespace",)
    with pytest.raises(Rejected):
        requests.create_path(Target("create", kind, namespace, ""))


def query(text: str) -> dict[str, str]:
    assert text.startswith("?")
    return {name: values[0] for name, values in parse_qs(text[1:], strict_parsing=True).items()}


def test_apply_query() -> None:
    assert query(requests.apply_query(ApplyOptions())) == {
        "fieldManager": "escadre-agent",
        "force": "true",
        "fieldValidation": "Ignore",
    }
    options = ApplyOptions(field_manager="a&b=c", force=False, dry_run=True)
    assert query(requests.apply_query(options)) == {
        "fieldManager": "a&b=c",
        "fieldValidation": "Ignore",
        "dryRun": "All",
    }


def test_create_and_replace_refuse_unknown_fields() -> None:
    assert query(requests.write_query("m", True)) == {
        "fieldManager": "m",
        "fieldValidation": "Strict",
        "dryRun": "All",
    }


def test_list_and_watch_queries() -> None:
    assert query(requests.list_query("a=b,c", 500, "next=&")) == {
        "limit": "500",
        "labelSelector": "a=b,c",
        "continue": "next=&",
    }
    assert query(requests.list_query("", 0, "")) == {"limit": "0"}
    assert query(requests.watch_query("a!=b", "7", 0.2)) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "1",
        "labelSelector": "a!=b",
        "resourceVersion": "7",
    }


def test_delete_body() -> None:
    target = Target("delete", CONFIG_MAP, "team", "c")
    assert orjson.loads(requests.delete_body(target, DeleteOptions())) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Foreground",
    }
    body = orjson.loads(requests.delete_body(target, DeleteOptions("orphan", uid="u", dry_run=True)))
    assert (body["propagationPolicy"], body["preconditions"], body["dryRun"]) == ("Orphan", {"uid": "u"}, ["All"])
    body = orjson.loads(requests.delete_body(target, DeleteOptions(uid="u", resource_version="7")))
    assert body["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    with pytest.raises(Rejected, match="foreground, background, orphan"):
        requests.delete_body(target, DeleteOptions("sideways"))


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "metadata"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": []}, "metadata"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}}, "apiVersion"),
        ({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "c"}}, "apiVersion"),
        ({}, "metadata"),
    ],
)
def test_refuses_a_manifest_that_is_not_of_the_kind(manifest: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as caught:
        requests.manifest_target("apply", CONFIG_MAP, manifest)
    assert caught.value.fields[0] == field


@pytest.mark.parametrize("name", [None, 7, ["a"]])
def test_a_name_that_is_no_text_counts_as_missing(name: Any) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "team"}}
    with pytest.raises(Rejected, match=r"metadata.name '' is not a name"):
        requests.object_path(requests.manifest_target("apply", CONFIG_MAP, manifest))


def test_encodes_as_json_or_refuses() -> None:
    target = Target("apply", CONFIG_MAP, "team", "c")
    assert requests.encode(target, {"a": [1, "é", None, math.inf]}) == '{"a":[1,"é",null,null]}'.encode()
    deep: dict[str, Any] = {}
    for _ in range(1000):
        deep = {"a": deep}
    unfits: list[Any] = [{"a": 2**70}, {"a": object()}, {1: 2}, {"a": "\ud800"}, deep]
    for unfit in unfits:
        with pytest.raises(Rejected, match="cannot be written as JSON"):
            requests.encode(target, unfit)


def test_reads_a_page() -> None:
    assert requests.page_of({"metadata": {"resourceVersion": "5", "continue": "t"}, "items": [{}]}) == ([{}], "5", "t")
    assert requests.page_of({"metadata": {"resourceVersion": "5"}, "items": None}) == ([], "5", "")


@pytest.mark.parametrize("document", [{}, {"metadata": {}, "items": {}}, {"metadata": [], "items": []}])
def test_refuses_what_is_no_list(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no list"):
        requests.page_of(document)
