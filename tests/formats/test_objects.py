from __future__ import annotations

import json

import pytest

from hub.domain.application import Application
from hub.domain.project import Project
from hub.formats.errors import FormatError
from hub.formats.objects import parse_objects

APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: NAME}
spec:
  source: {repoURL: https://x/y, path: .}
  destination: {name: in-cluster}
"""
PROJECT = """
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: NAME}
spec: {sourceRepos: ["*"]}
"""


def app(name: str) -> str:
    return APPLICATION.replace("NAME", name)


SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd}
data: {resource.compareoptions: "ignoreAggregatedRoles: false"}
"""


def named(text: str) -> list[str]:
    values = [p.value for p in parse_objects(text, name="f")]
    return [v.id.name if isinstance(v, Application) else getattr(v, "name", "settings") for v in values]


def refusal(text: str) -> str:
    with pytest.raises(FormatError) as caught:
        parse_objects(text, name="all.yaml")
    return caught.value.message


def test_files_of_many_documents() -> None:
    found = parse_objects(
        f"# projects\n---\n{PROJECT.replace('NAME', 'p')}---\n{app('a')}---\n---\n{app('b')}", name="f"
    )
    assert [type(p.value) for p in found] == [Project, Application, Application]


def test_nothing() -> None:
    assert parse_objects("", name="f") == []


@pytest.mark.parametrize(
    ("version", "kind", "complete"),
    [
        ("v1", "List", True),
        ("argoproj.io/v1alpha1", "ApplicationList", True),
        ("argoproj.io/v1alpha1", "ApplicationList", False),
    ],
)
def test_lists(version: str, kind: str, complete: bool) -> None:
    items = [
        {
            "metadata": {"name": n},
            "spec": {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "c"}},
        }
        for n in "ab"
    ]
    whole = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"} if complete else {}
    text = json.dumps({"apiVersion": version, "kind": kind, "items": [{**whole, **item} for item in items]})
    assert named(text) == ["a", "b"]


def test_lists_with_mistakes() -> None:
    assert "the items of this List are null, but a list is wanted" in refusal("{apiVersion: v1, kind: List}")
    assert "this is the text 'x'" in refusal("{apiVersion: v1, kind: List, items: [x]}")
    assert "this is v1 List" in refusal(
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: []}]}"
    )


def test_applicationsets_are_not_served_yet() -> None:
    text = f"{app('a')}---\napiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: many}}\n"
    assert refusal(text) == (
        'all.yaml, line 9: ApplicationSet "many" is not served yet. Give the Applications it would generate instead'
    )


def test_other_kinds() -> None:
    assert refusal("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\n") == (
        'all.yaml, line 1: this is v1 ConfigMap "argocd-rbac-cm", and only argoproj.io/v1alpha1 Application and '
        "AppProject objects, the ConfigMap argocd-cm and the Secret argocd-secret are taken here, and Argo CD's "
        "Secrets of repositories and ConfigMaps of host keys and certificates. Objects for clusters go into Git, "
        "where an Application reads them"
    )
    assert "this is an object without apiVersion and kind" in refusal("a: 1")
    assert "this is a list" in refusal("- 1")
    assert "this is argoproj.io/v1alpha2 Application" in refusal("apiVersion: argoproj.io/v1alpha2\nkind: Application")
    assert "this is an object without apiVersion and kind" in refusal("apiVersion: [1]\nkind: {a: b}")


def test_settings_among_others() -> None:
    assert named(f"{app('a')}---{SETTINGS}---\n{app('b')}") == ["a", "settings", "b"]
    assert refusal(f"{SETTINGS}---{SETTINGS}") == (
        'all.yaml, line 7: ConfigMap "argocd-cm" is given twice, first on line 2. Remove one of them'
    )


def test_every_mistake_of_a_file_is_told() -> None:
    text = f"{app('A')}---\n{app('b')}---\nkind: Pod\napiVersion: v1\n"
    first, second = refusal(text).split("\n")
    assert first.startswith('all.yaml, line 2: Application "A": metadata.name')
    assert second.startswith("all.yaml, line 17: this is v1 Pod")


def test_an_object_given_twice() -> None:
    assert refusal(f"{app('a')}---\n{PROJECT.replace('NAME', 'a')}---\n{app('a')}") == (
        'all.yaml, line 16: Application "a" is given twice, first on line 2. Remove one of them'
    )


def test_strict() -> None:
    text = app("a") + "  info: [{name: a, value: b}]\n"
    assert parse_objects(text, name="f")[0].warnings == [
        "spec.info is not served: it is kept with the application, but shown nowhere"
    ]
    with pytest.raises(FormatError, match=r"spec\.info is not served"):
        parse_objects(text, name="f", strict=True)
