"""What is orphaned in a namespace, and what only looks so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import KindRule, OrphanedResources
from agent.engine.orphans import NAMED, OrphanRules, describe, orphans_among, sighting_of
from agent.engine.resource import TRACKING_ANNOTATION, Object, ResourceKey, key_of, tracking_id


def obj(kind: str, name: str, group: str = "", namespace: str = "web", **metadata: Any) -> Object:
    api_version = f"{group}/v1" if group else "v1"
    placed = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **placed, **metadata}}


def owned(kind: str, name: str, group: str = "", **metadata: Any) -> Object:
    owner = {"apiVersion": "example.com/v1", "kind": "Owner", "name": "o", "uid": "u"}
    return obj(kind, name, group, ownerReferences=[owner], **metadata)


def tracked(kind: str, name: str, application: str, of: str = "") -> Object:
    made = obj(kind, name)
    key = key_of(made)
    made["metadata"]["annotations"] = {TRACKING_ANNOTATION: tracking_id(application, key._replace(name=of or name))}
    return made


def names(
    *objects: Object, assigned: tuple[str, ...] = ("shop",), own: frozenset[ResourceKey] = frozenset(), **k: Any
) -> list[str]:
    """Return the names of what is orphaned among objects of one namespace, by a project's wishes."""
    seen = [s for s in map(sighting_of, objects) if s is not None]
    return [key.name for key in orphans_among(seen, OrphanRules(OrphanedResources(**k)), assigned.__contains__, own)]


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([owned("Pod", "p")], id="owned"),
        pytest.param([obj("Namespace", "n", namespace="")], id="in no namespace"),
        pytest.param([obj("ConfigMap", "kube-root-ca.crt")], id="in every namespace"),
        pytest.param([obj("ServiceAccount", "default")], id="the default account"),
        pytest.param([obj("Service", "kubernetes", namespace="default")], id="the API server's own"),
        pytest.param([tracked("ConfigMap", "a", "shop")], id="an application's"),
        pytest.param([obj("Endpoints", "a")], id="a Service's, which nobody writes down"),
        pytest.param(
            [
                obj(
                    "Secret",
                    "default-token-x",
                    annotations={
                        "kubernetes.io/service-account.name": "default",
                        "kubernetes.io/service-account.uid": "u",
                    },
                )
            ],
            id="a ServiceAccount's token",
        ),
        pytest.param(
            [obj("ClusterServiceVersion", "a", "operators.coreos.com", annotations={"olm.operatorGroup": "g"})],
            id="copied by the operator lifecycle manager",
        ),
        pytest.param(
            [owned("StatefulSet", "my-db", "apps"), obj("PersistentVolumeClaim", "data-my-db-0")],
            id="a StatefulSet's claim, and a StatefulSet that an operator owns",
        ),
    ],
)
def test_what_is_no_orphan(objects: list[Object]) -> None:
    assert names(*objects) == []


@pytest.mark.parametrize(
    ("orphan", "beside"),
    [
        pytest.param(obj("ConfigMap", "a"), [], id="tracked by nobody"),
        pytest.param(tracked("ConfigMap", "a", "gone"), [], id="of an application that is not there"),
        pytest.param(tracked("ConfigMap", "a", "shop", of="b"), [], id="with another's tracking id"),
        pytest.param(obj("ConfigMap", "default"), [], id="that has an account's name"),
        pytest.param(obj("Service", "kubernetes"), [], id="elsewhere than in default"),
        pytest.param(obj("ServiceAccount", "default", "example.com"), [], id="of another group"),
        pytest.param(
            obj("Secret", "a", annotations={"kubernetes.io/service-account.name": "x"}), [], id="half a token"
        ),
        pytest.param(
            obj("PersistentVolumeClaim", "data-my-db-0"), [owned("StatefulSet", "db-my", "apps")], id="a left claim"
        ),
        pytest.param(
            obj("PersistentVolumeClaim", "my-db-0"), [owned("StatefulSet", "my-db", "apps")], id="of no template"
        ),
        pytest.param(
            obj("PersistentVolumeClaim", "data-my-db-x"), [owned("StatefulSet", "my-db", "apps")], id="without a number"
        ),
        pytest.param(obj("ConfigMap", "data-my-db-0"), [owned("StatefulSet", "my-db", "apps")], id="no claim at all"),
        pytest.param(obj("StatefulSet", "my-db", "apps"), [], id="a StatefulSet"),
    ],
)
def test_what_is_one(orphan: Object, beside: list[Object]) -> None:
    assert names(orphan, *beside) == [orphan["metadata"]["name"]]


def test_what_the_application_is_about_to_adopt_is_none() -> None:
    assert names(obj("ConfigMap", "a"), obj("ConfigMap", "b"), own=frozenset({key_of(obj("ConfigMap", "b"))})) == ["a"]


IGNORED = [
    (KindRule("", "ConfigMap", "a*"), ["b", "d"]),
    (KindRule("", "*"), ["d"]),
    (KindRule("", "", ""), ["d"]),
    (KindRule("apps", "Deployment"), ["a", "ab", "b"]),
    (KindRule("*", "*"), []),
    (KindRule("*", "{Deployment,Secret}"), ["a", "ab"]),
    (KindRule("", "ConfigMap", "a?"), ["a", "b", "d"]),
    (KindRule("", "ConfigMap", "[ab]"), ["ab", "b", "d"]),
    # What is no glob is a name.
    (KindRule("", "ConfigMap", "a{"), ["a", "ab", "b", "d"]),
]


@pytest.mark.parametrize(("rule", "left"), IGNORED)
def test_ignoring(rule: KindRule, left: list[str]) -> None:
    objects = [obj("ConfigMap", "a"), obj("ConfigMap", "ab"), obj("Secret", "b"), obj("Deployment", "d", "apps")]
    assert sorted(names(*objects, ignore=(rule,))) == left


def test_a_kind_that_the_project_does_not_permit_is_not_its_business() -> None:
    objects = [obj("ConfigMap", "a"), obj("ResourceQuota", "q"), obj("Deployment", "d", "apps")]
    assert names(*objects, denied=(KindRule("", "ResourceQuota"),)) == ["a", "d"]
    assert names(*objects, permitted=(KindRule("", "*"),), denied=(KindRule("", "ResourceQuota"),)) == ["a"]
    assert names(*objects, permitted=()) == []
    assert names(*objects, permitted=(KindRule("*", "!ResourceQuota"),)) == ["a", "d"]


def test_a_condition_names_some_and_counts_the_others() -> None:
    keys = [ResourceKey("", "ConfigMap", "web", f"c{n:02}") for n in range(NAMED + 3)]
    assert describe(keys[:1], "web") == "in namespace web 1 resource belongs to no application: ConfigMap/c00"
    words = describe(keys, "web")
    assert words.startswith(f"in namespace web {NAMED + 3} resources belong to no application: ConfigMap/c00, ")
    assert words.endswith(f"ConfigMap/c{NAMED - 1:02}, and 3 more")
    assert "Deployment.apps/d" in describe([ResourceKey("apps", "Deployment", "web", "d")], "web")


WORDS = st.text(st.sampled_from("abd-*?[]{}!,"), max_size=6)
RULES = st.builds(KindRule, WORDS, WORDS, WORDS)
OBJECTS = st.builds(
    lambda kind, name, group, annotated, owner: (owned if owner else obj)(kind, name, group, annotations=annotated),
    st.sampled_from(["ConfigMap", "Secret", "StatefulSet", "PersistentVolumeClaim", "Endpoints"]),
    st.sampled_from(["a", "b", "data-a-0", "kube-root-ca.crt"]),
    st.sampled_from(["", "apps"]),
    st.dictionaries(st.sampled_from([TRACKING_ANNOTATION, "other"]), st.text("abc:/", max_size=8)),
    st.booleans(),
)


@given(st.lists(OBJECTS, max_size=8), st.lists(RULES, max_size=3), st.lists(RULES, max_size=3))
def test_rules_only_ever_take_away(objects: list[Object], ignore: list[KindRule], denied: list[KindRule]) -> None:
    """Whatever is written in them, nothing raises, and nobody's object is ever told."""
    seen = {s.key: s for s in map(sighting_of, objects) if s is not None}.values()
    every = orphans_among(seen, OrphanRules(OrphanedResources()), lambda _: False, ())
    wanted = OrphanedResources(ignore=tuple(ignore), denied=tuple(denied))
    some = orphans_among(seen, OrphanRules(wanted), lambda _: False, ())
    assert set(some) <= set(every) and some == sorted(some)
    owners = {key_of(o) for o in objects if not o["metadata"].get("ownerReferences")}
    assert set(every) <= owners
    assert orphans_among(seen, OrphanRules(wanted), lambda _: False, set(every)) == []
