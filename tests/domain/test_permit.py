from __future__ import annotations

from collections.abc import Callable

import pytest

from hub.domain.application import Source
from hub.domain.cluster import Cluster
from hub.domain.manifest import Entry, ResourceKey
from hub.domain.permit import normal_repository, permit_destination, permit_resources, permit_sources
from hub.domain.project import GroupKindRule, Project, ProjectDestination, default_project

EU = Cluster("u1", "eu-1", {}, "https://10.0.0.1:6443")
OWN = Cluster("u0", "in-cluster", {}, "")


def source_denials(rules: list[str], *urls: str) -> list[str]:
    project = Project("team", source_repos=tuple(rules))
    return [denial.message for denial in permit_sources(project, [Source(url) for url in urls])]


@pytest.mark.parametrize(
    ("rules", "url", "permitted"),
    [
        (["*"], "https://github.com/a/b", True),
        ([], "https://github.com/a/b", False),
        (["https://github.com/a/b"], "https://github.com/a/b", True),
        (["https://github.com/a/b"], "https://github.com/a/b.git", True),
        (["https://github.com/a/b.git"], "https://GitHub.com/A/b/", True),
        (["https://github.com/a/b"], "https://github.com/a/c", False),
        (["https://github.com/a/*"], "https://github.com/a/b", True),
        (["https://github.com/a/*"], "https://github.com/a/b/c", False),
        (["https://github.com/a/**"], "https://github.com/a/b/c", True),
        (["https://github.com/*"], "https://github.com/a/b", False),
        (["git@github.com:a/*"], "git@github.com:a/b.git", True),
        (["git@github.com:a/*"], "ssh://git@github.com/a/b", True),
        (["ssh://git@github.com/a/*"], "git@github.com:a/b.git", True),
        (["git@github.com:a/b"], "ssh://git@github.com:22/a/b.git", True),
        (["https://github.com/a/*"], "git@github.com:a/b", False),
        (["*", "!https://github.com/a/secret"], "https://github.com/a/b", True),
        (["*", "!https://github.com/a/secret"], "https://github.com/a/secret.git", False),
        (["!https://github.com/a/*", "*"], "https://github.com/a/b", False),
        (["!https://github.com/a/secret"], "https://github.com/a/b", False),
        # spellings that could slip past a rule
        (["https://github.com/a/**"], "https://github.com/a/../b/c", False),
        (["https://github.com/a/**"], "https://github.com/a/%2e%2e/b/c", False),
        (["*", "!https://github.com/a/**"], "https://github.com/x/../a/b", False),
        (["*", "!https://github.com/a/**"], "https://github.com//a/b", False),
        (["*", "!https://github.com/a/**"], "https://user@github.com/a/b", False),
        (["*", "!https://github.com/a/**"], "https://github.com:443/a/b", False),
        (["https://github.com/**"], "https://github.com@evil.example/a/b", False),
        (["https://github.com/**"], "https://github.com:x@evil.example/a/b", False),
        (["https://github.com**"], "https://github.com@evil.example/a/b", False),
        (["*", "!git@github.com:a/*"], "ssh://git@GITHUB.com/a/b", False),
    ],
)
def test_sources(rules: list[str], url: str, permitted: bool) -> None:
    assert (source_denials(rules, url) == []) is permitted


def test_a_denied_source_names_project_and_rules() -> None:
    assert source_denials(["https://github.com/a/*"], "https://u:secret@github.com/b/c") == [
        "project team does not permit the repository https://github.com/b/c: its sourceRepos allow https://github.com/a/*"
    ]
    assert source_denials(["*", "!https://github.com/b/*"], "https://github.com/b/c") == [
        "project team denies the repository https://github.com/b/c by its rule '!https://github.com/b/*'"
    ]
    assert "its sourceRepos allow nothing" in source_denials([], "https://x/y")[0]


def test_each_repository_is_judged_once() -> None:
    assert len(source_denials(["https://x/*"], "https://a/b", "https://x/y", "https://a/b", "https://c/d")) == 2


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("git@GitHub.com:Org/Repo.git", "git@github.com/org/repo"),
        ("ssh://git@github.com/org//x/../repo/", "git@github.com/org/repo"),
        ("ssh://git@github.com:2222/org/repo", "git@github.com:2222/org/repo"),
        ("http://x:80/y", "http://x/y"),
        ("file:///srv/repo.git", "file:///srv/repo"),
        ("oci://ghcr.io/org/chart", "oci://ghcr.io/org/chart"),
        ("ghcr.io/org/chart", "ghcr.io/org/chart"),
    ],
)
def test_normal_repositories(url: str, normal: str) -> None:
    assert normal_repository(url) == normal


@pytest.mark.parametrize(
    ("rules", "source", "permitted"),
    [
        (["ghcr.io/org/*"], Source("ghcr.io/org/charts", chart="web"), True),
        (["ghcr.io/org/*"], Source("oci://ghcr.io/org/charts", chart="web"), True),
        (["ghcr.io/org/*"], Source("oci://GHCR.io/org/apps"), True),
        (["oci://ghcr.io/org/*"], Source("ghcr.io/org/charts", chart="web"), True),
        (["oci://ghcr.io/org/*"], Source("ghcr.io/other/charts", chart="web"), False),
        (["oci://**"], Source("https://git.example.com/a"), False),
        (["https://**"], Source("oci://ghcr.io/org/apps"), False),
        (["registry.test:5000/charts"], Source("oci://registry.test:5000/charts", chart="web"), True),
        (["oci://registry.test:5000/charts"], Source("registry.test:5000/charts", chart="web"), True),
        (["*", "!ghcr.io/org/secret/**"], Source("oci://ghcr.io/org/secret/charts", chart="web"), False),
        (["*", "!oci://ghcr.io/org/secret/**"], Source("ghcr.io/org", chart="secret/web"), False),
        (["*", "!docker.io/bad/*"], Source("oci://registry-1.docker.io/bad/charts", chart="web"), False),
        (["https://charts.example.com/*"], Source("https://charts.example.com/stable", chart="web"), True),
        (["https://charts.example.com/stable/web"], Source("https://charts.example.com/stable", chart="web"), False),
    ],
)
def test_charts_and_registries(rules: list[str], source: Source, permitted: bool) -> None:
    denials = permit_sources(Project("team", source_repos=tuple(rules)), [source])
    assert (denials == []) is permitted


def rule(server: str = "", name: str = "", namespace: str = "*") -> ProjectDestination:
    return ProjectDestination(server, name, namespace)


@pytest.mark.parametrize(
    ("rules", "cluster", "namespace", "permitted"),
    [
        ([], EU, "a", False),
        ([rule(server="*")], EU, "a", True),
        ([rule(name="*")], EU, "a", True),
        ([rule()], EU, "a", False),
        ([rule(server="https://10.0.0.1:6443")], EU, "a", True),
        ([rule(server="https://10.0.0.1:6443/")], EU, "a", True),
        ([rule(server="https://10.0.0.2:6443")], EU, "a", False),
        ([rule(server="https://10.*")], EU, "a", True),
        ([rule(name="eu-*")], EU, "a", True),
        ([rule(name="us-*")], EU, "a", False),
        ([rule(server="https://10.0.0.2:6443", name="eu-1")], EU, "a", True),
        ([rule(name="eu-1", namespace="team-*")], EU, "team-a", True),
        ([rule(name="eu-1", namespace="team-*")], EU, "other", False),
        ([rule(name="eu-1", namespace="team-*")], EU, "", False),
        ([rule(name="eu-1", namespace="")], EU, "a", False),
        ([rule(server="https://kubernetes.default.svc")], OWN, "a", True),
        ([rule(server="https://kubernetes.default.svc/")], OWN, "a", True),
        ([rule(server="https://kubernetes.*")], OWN, "a", True),
        ([rule(name="in-cluster")], OWN, "a", True),
        ([rule(server="https://kubernetes.default.svc")], EU, "a", False),
        # denials
        ([rule(server="*"), rule(server="*", namespace="!kube-system")], EU, "kube-system", False),
        ([rule(server="*"), rule(server="*", namespace="!kube-system")], EU, "a", True),
        ([rule(server="*"), rule(name="us-1", namespace="!kube-system")], EU, "kube-system", True),
        ([rule(server="*"), rule(namespace="!kube-*")], EU, "kube-public", False),
        ([rule(server="*"), rule(server="!https://10.*")], EU, "a", False),
        ([rule(server="*"), rule(name="!eu-*")], EU, "a", False),
        ([rule(server="*"), rule(name="!us-*")], EU, "a", True),
        ([rule(server="*"), rule(name="!eu-*", namespace="team-*")], EU, "a", True),
        ([rule(server="*"), rule(name="!eu-*", namespace="team-*")], EU, "team-a", False),
        ([rule(server="*"), rule(name="!eu-*", namespace="!kube-system")], EU, "kube-system", False),
        ([rule(namespace="!kube-system", server="*")], EU, "a", False),
    ],
)
def test_destinations(rules: list[ProjectDestination], cluster: Cluster, namespace: str, permitted: bool) -> None:
    assert (permit_destination(Project("team", destinations=tuple(rules)), cluster, namespace) == []) is permitted


def test_a_denied_destination_names_project_and_rules() -> None:
    project = Project(
        "team", destinations=(rule(name="us-1", namespace="a"), rule(server="*", namespace="!kube-system"))
    )
    assert [denial.message for denial in permit_destination(project, EU, "b")] == [
        "project team does not permit namespace 'b' of cluster eu-1: its destinations allow {name: us-1, namespace: a}"
    ]
    assert [denial.message for denial in permit_destination(project, EU, "kube-system")] == [
        "project team denies namespace 'kube-system' of cluster eu-1 by its destination "
        "{server: *, namespace: !kube-system}"
    ]


def entry(kind: str, name: str = "x", group: str = "", namespace: str = "") -> Entry:
    return Entry(ResourceKey(group, kind, namespace, name), "v1", "00", 1)


def scopes(group: str, kind: str) -> bool | None:
    return {"Namespace": False, "ClusterRole": False, "Custom": None}.get(kind, True)


def denials(project: Project, *entries: Entry, namespaced: Callable[[str, str], bool | None] = scopes) -> list[str]:
    return [d.message for d in permit_resources(project, entries, namespaced, cluster=EU, namespace="team-a")]


ANYWHERE = (rule(server="*"),)


def test_the_default_project_allows_everything() -> None:
    assert (
        denials(default_project(), entry("Namespace"), entry("Deployment", group="apps"), entry("Custom", group="x.io"))
        == []
    )


def test_cluster_scoped_kinds_need_an_allow_list() -> None:
    project = Project(
        "team", destinations=ANYWHERE, cluster_resource_whitelist=(GroupKindRule("", "Namespace", "team-*"),)
    )
    assert denials(project, entry("Namespace", "team-a"), entry("Deployment")) == []
    assert denials(project, entry("Namespace", "other"), entry("ClusterRole", group="rbac.authorization.k8s.io")) == [
        "project team does not permit Namespace/other: its clusterResourceWhitelist allows Namespace",
        "project team does not permit ClusterRole.rbac.authorization.k8s.io/x: its clusterResourceWhitelist allows "
        "Namespace",
    ]
    bare = Project("team", destinations=ANYWHERE)
    assert "its clusterResourceWhitelist allows nothing" in denials(bare, entry("Namespace"))[0]


def test_deny_lists_beat_allow_lists() -> None:
    project = Project(
        "team",
        destinations=ANYWHERE,
        cluster_resource_whitelist=(GroupKindRule("*", "*"),),
        cluster_resource_blacklist=(GroupKindRule("", "Namespace", "kube-*"),),
        namespace_resource_blacklist=(GroupKindRule("", "ResourceQuota"),),
    )
    assert denials(project, entry("Namespace", "a"), entry("Pod")) == []
    assert denials(project, entry("Namespace", "kube-system"), entry("ResourceQuota")) == [
        "project team does not permit Namespace/kube-system: its clusterResourceBlacklist denies it by Namespace.core",
        "project team does not permit ResourceQuota/x: its namespaceResourceBlacklist denies it by ResourceQuota.core",
    ]


@pytest.mark.parametrize(
    ("allowed", "permitted"),
    [
        (None, True),
        ((), False),
        ((GroupKindRule("apps", "Deployment"),), True),
        ((GroupKindRule("apps", "*"),), True),
        ((GroupKindRule("*", "Deploy*"),), True),
        ((GroupKindRule("", "Deployment"),), False),
        ((GroupKindRule("apps", "!StatefulSet"),), True),
        ((GroupKindRule("apps", "!Deployment"),), False),
    ],
)
def test_namespaced_kinds(allowed: tuple[GroupKindRule, ...] | None, permitted: bool) -> None:
    project = Project("team", destinations=ANYWHERE, namespace_resource_whitelist=allowed)
    assert (denials(project, entry("Deployment", group="apps")) == []) is permitted


def test_a_kind_of_unknown_scope_has_to_be_permitted_both_ways() -> None:
    custom = entry("Custom", group="x.io")
    either = (GroupKindRule("x.io", "Custom"),)
    assert denials(Project("team", destinations=ANYWHERE, cluster_resource_whitelist=either), custom) == []
    assert denials(Project("team", destinations=ANYWHERE), custom) == [
        "project team does not permit Custom.x.io/x: its clusterResourceWhitelist allows nothing, and whether it lives "
        "in a namespace is not known"
    ]
    both = Project("team", destinations=ANYWHERE, cluster_resource_whitelist=either, namespace_resource_whitelist=())
    assert "namespaceResourceWhitelist allows nothing" in denials(both, custom)[0]


def test_objects_in_other_namespaces_are_held_to_the_destinations() -> None:
    project = Project("team", destinations=(rule(server="*", namespace="team-*"),))
    assert denials(project, entry("Pod"), entry("Pod", namespace="team-b")) == []
    assert denials(project, entry("Pod", namespace="kube-system")) == [
        "Pod/kube-system/x: project team does not permit namespace 'kube-system' of cluster eu-1: its destinations "
        "allow {server: *, namespace: team-*}"
    ]


def test_objects_without_any_namespace_go_to_default() -> None:
    project = Project("team", destinations=(rule(server="*", namespace="team-*"),))
    found = permit_resources(project, [entry("Pod")], scopes, cluster=EU, namespace="")
    assert "namespace 'default'" in found[0].message
    assert found[0].resource == ResourceKey("", "Pod", "", "x")
