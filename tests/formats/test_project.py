from __future__ import annotations

import dataclasses

import pytest

from hub.domain.project import GroupKindRule, Project, ProjectDestination, default_project
from hub.formats.errors import FormatError
from hub.formats.limits import Document
from hub.formats.project import dump_project, parse_project
from hub.formats.yaml import load_document

FULL = """
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: team-a, namespace: argocd, uid: x}
spec:
  description: Team A
  sourceRepos: ["https://github.com/team-a/*", "!https://github.com/team-a/secret"]
  destinations:
  - {server: "https://10.0.0.1:6443", namespace: team-a-*}
  - {name: edge-*, namespace: "!kube-system"}
  clusterResourceWhitelist: [{group: "", kind: Namespace, name: team-a-*}]
  clusterResourceBlacklist: [{group: rbac.authorization.k8s.io, kind: "*"}]
  namespaceResourceWhitelist: [{group: apps, kind: Deployment}]
  namespaceResourceBlacklist: [{group: "", kind: ResourceQuota}]
"""


def a_project(**spec: object) -> dict[str, object]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "p"}, "spec": spec}


def test_every_field_is_read() -> None:
    parsed = parse_project(load_document(FULL, name="f"), strict=True)
    assert parsed.warnings == []
    assert dataclasses.replace(parsed.value, manifest={}) == Project(
        name="team-a",
        description="Team A",
        source_repos=("https://github.com/team-a/*", "!https://github.com/team-a/secret"),
        destinations=(
            ProjectDestination("https://10.0.0.1:6443", "", "team-a-*"),
            ProjectDestination("", "edge-*", "!kube-system"),
        ),
        cluster_resource_whitelist=(GroupKindRule("", "Namespace", "team-a-*"),),
        cluster_resource_blacklist=(GroupKindRule("rbac.authorization.k8s.io", "*"),),
        namespace_resource_whitelist=(GroupKindRule("apps", "Deployment"),),
        namespace_resource_blacklist=(GroupKindRule("", "ResourceQuota"),),
    )


@pytest.mark.parametrize("project", [default_project(), parse_project(load_document(FULL, name="f")).value], ids=str)
def test_what_is_dumped_reads_back(project: Project) -> None:
    again = parse_project(dump_project(project), strict=True).value
    assert dataclasses.replace(again, manifest={}) == dataclasses.replace(project, manifest={})
    anew = parse_project(dump_project(dataclasses.replace(project, manifest={})), strict=True).value
    assert dataclasses.replace(anew, manifest={}) == dataclasses.replace(project, manifest={})


def test_dump_gives_back_what_was_brought() -> None:
    value = load_document(FULL, name="f")
    assert dump_project(parse_project(value).value)["spec"] == value["spec"]
    changed = dataclasses.replace(parse_project(value).value, description="other")
    assert dump_project(changed)["spec"]["description"] == "other"


@pytest.mark.parametrize(
    ("given", "read"),
    [({}, None), ({"namespaceResourceWhitelist": None}, None), ({"namespaceResourceWhitelist": []}, ())],
)
def test_an_empty_allow_list_is_not_an_absent_one(given: dict[str, object], read: object) -> None:
    project = parse_project(a_project(**given)).value
    assert project.namespace_resource_whitelist == read
    anew = parse_project(dump_project(dataclasses.replace(project, manifest={}))).value
    assert anew.namespace_resource_whitelist == read


def test_fields_that_are_not_served_are_told() -> None:
    value = a_project(
        roles=[{"name": "ci"}],
        signatureKeys=[{"keyID": "x"}],
        orphanedResources={"warn": True},
        sourceRepo=1,
    )
    assert [warning.split(":")[0] for warning in parse_project(value).warnings] == [
        "spec.orphanedResources is not served",
        "spec.roles is not served",
        "spec.signatureKeys is not served",
        "spec.sourceRepo is not a known field (did you mean sourceRepos?)",
    ]
    with pytest.raises(FormatError, match=r"spec\.roles is not served"):
        parse_project(value, strict=True)


def test_mistakes_are_told_together() -> None:
    value = a_project(
        sourceRepos="*",
        destinations=[{"namespace": "a"}],
        clusterResourceWhitelist=[{"group": "*"}],
        namespaceResourceWhitelist=[1],
    )
    with pytest.raises(FormatError) as caught:
        parse_project(value)
    for problem in (
        "spec.sourceRepos is the text '*', but a list is wanted",
        "spec.destinations[0] names no cluster",
        "spec.clusterResourceWhitelist[0].kind is missing",
        "spec.namespaceResourceWhitelist[0] is the number 1",
    ):
        assert problem in caught.value.message


@pytest.mark.parametrize(
    "value", [None, [], "x", {}, {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": 5}]
)
def test_other_things(value: object) -> None:
    with pytest.raises(FormatError):
        parse_project(Document(value, "f", 1))
