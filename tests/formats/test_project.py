from __future__ import annotations

import dataclasses

import pytest

from hub.domain.project import GroupKindRule, OrphanedResources, Project, ProjectDestination, default_project
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
        sourceRepo=1,
    )
    assert [warning.split(":")[0] for warning in parse_project(value).warnings] == [
        "spec.roles is not served",
        "spec.signatureKeys is not served",
        "spec.sourceRepo is not a known field (did you mean sourceRepos?)",
    ]
    with pytest.raises(FormatError, match=r"spec\.roles is not served"):
        parse_project(value, strict=True)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        # Asked for by its being there, and told of unless that is not wanted.
        ({}, OrphanedResources()),
        ({"warn": True}, OrphanedResources()),
        ({"warn": False}, OrphanedResources(warn=False)),
        ({"ignore": [{"kind": "ConfigMap"}]}, OrphanedResources(ignore=(GroupKindRule("", "ConfigMap"),))),
        ({"ignore": [{"group": "apps"}]}, OrphanedResources(ignore=(GroupKindRule("apps", "*"),))),
        (
            {"warn": False, "ignore": [{"group": "*", "kind": "*Map", "name": "x-*"}]},
            OrphanedResources(False, (GroupKindRule("*", "*Map", "x-*"),)),
        ),
    ],
)
def test_orphaned_resources(given: object, read: OrphanedResources | None) -> None:
    parsed = parse_project(a_project(orphanedResources=given), strict=True)
    assert (parsed.value.orphaned_resources, parsed.warnings) == (read, [])
    anew = parse_project(dump_project(dataclasses.replace(parsed.value, manifest={}))).value
    assert anew.orphaned_resources == read
    # What its owner wrote stays as it is written.
    assert dump_project(parsed.value)["spec"].get("orphanedResources") == given


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (True, "spec.orphanedResources is true, but a mapping is wanted"),
        ({"warn": "yes"}, "spec.orphanedResources.warn is the text 'yes', but true or false"),
        ({"ignore": {"kind": "x"}}, "spec.orphanedResources.ignore is a mapping, but a list is wanted"),
        ({"ignore": ["ConfigMap"]}, "spec.orphanedResources.ignore[0] is the text 'ConfigMap'"),
        ({"ignore": [{"kind": 1}]}, "spec.orphanedResources.ignore[0].kind is the number 1"),
        ({"ignore": [{"name": "a" * 257}]}, "spec.orphanedResources.ignore[0].name has 257 characters"),
        ({"ignore": [{"kind": "x"}] * 201}, "spec.orphanedResources.ignore has 201 rules: 200 are the most"),
    ],
)
def test_orphaned_resources_that_are_wrong(given: object, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_project(a_project(orphanedResources=given))
    assert problem in caught.value.message


def test_an_ignored_resource_that_is_none_in_particular() -> None:
    warnings = parse_project(a_project(orphanedResources={"ignore": [{}], "wrn": True})).warnings
    assert warnings == [
        "spec.orphanedResources.wrn is not a known field (did you mean warn?)",
        "spec.orphanedResources.ignore[0] ignores everything of the core group: give a kind, or a name",
    ]


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
