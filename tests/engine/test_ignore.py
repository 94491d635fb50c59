from __future__ import annotations

from typing import Any

import pytest

from agent.engine.assignment import IgnoreDifference
from agent.engine.ignore import NO_IGNORES, ObjectIgnores, compile_ignores
from agent.engine.resource import ResourceKey

WEB = ResourceKey("apps", "Deployment", "shop", "web")


def ignores(key: ResourceKey = WEB, **entry: Any) -> ObjectIgnores:
    entry.setdefault("json_pointers", ("/spec",))
    return compile_ignores([IgnoreDifference(**entry)]).for_object(key)


def hidden(rules: ObjectIgnores, obj: dict[str, Any]) -> list[str]:
    live, assigned = rules.trees(obj, obj)
    assert list(live.paths()) == list(assigned.paths())
    return ["/".join(path) for path in live.paths()]


@pytest.mark.parametrize(
    ("entry", "key", "matches"),
    [
        ({"group": "apps", "kind": "Deployment"}, WEB, True),
        ({"group": "apps", "kind": "StatefulSet"}, WEB, False),
        ({"group": "batch", "kind": "Deployment"}, WEB, False),
        ({"group": "*", "kind": "*"}, WEB, True),
        ({"group": "app?", "kind": "Dep*"}, WEB, True),
        ({"group": "{apps,batch}", "kind": "{Deployment,Job}"}, WEB, True),
        ({"group": "{core,batch}", "kind": "*"}, WEB, False),
        ({"group": "apps", "kind": "deployment"}, WEB, False),
        ({"group": "apps", "kind": "Deployment", "name": "web", "namespace": "shop"}, WEB, True),
        ({"group": "apps", "kind": "Deployment", "name": "we"}, WEB, False),
        ({"group": "apps", "kind": "Deployment", "namespace": "other"}, WEB, False),
        ({"kind": "Secret"}, ResourceKey("", "Secret", "shop", "x"), True),
        ({"kind": "Secret"}, ResourceKey("example.org", "Secret", "shop", "x"), False),
        ({"kind": "Deployment"}, WEB, True),
        ({"kind": "*"}, WEB, False),
        ({"kind": "*"}, ResourceKey("", "Service", "shop", "x"), True),
    ],
)
def test_which_objects_an_entry_is_for(entry: dict[str, Any], key: ResourceKey, matches: bool) -> None:
    assert bool(ignores(key, **entry)) is matches


def test_no_entry_no_rules() -> None:
    assert compile_ignores([]).for_object(WEB) is NO_IGNORES
    assert not NO_IGNORES


def test_pointers_need_not_exist() -> None:
    rules = ignores(group="apps", kind="Deployment", json_pointers=("/spec/replicas", "/metadata/annotations/a~1b"))
    assert hidden(rules, {}) == ["metadata/annotations/a/b", "spec/replicas"]


def test_expressions_are_looked_up_in_each_object() -> None:
    rules = ignores(
        group="apps", kind="*", json_pointers=(), jq_path_expressions=('.spec.c[] | select(.name == "x") | .image',)
    )
    live = {"spec": {"c": [{"name": "x", "image": 1}]}}
    assigned = {"spec": {"c": [{"name": "y"}, {"name": "x", "image": 2}]}}
    in_live, in_assigned = rules.trees(live, assigned)
    assert list(in_live.paths()) == [("spec", "c", "0", "image")]
    assert list(in_assigned.paths()) == [("spec", "c", "1", "image")]


def test_managers_are_read_from_the_live_object() -> None:
    rules = ignores(group="apps", kind="*", json_pointers=(), managed_fields_managers=("hpa",))
    tree: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    live = {"metadata": {"managedFields": [{"manager": "hpa", "fieldsV1": tree}]}, "spec": {"replicas": 5}}
    in_live, in_assigned = rules.trees(live, {"spec": {"replicas": 2}})
    assert list(in_live.paths()) == list(in_assigned.paths()) == [("spec", "replicas")]
    assert not rules.trees({"metadata": None}, {})[0]


def test_several_entries_add_up() -> None:
    rules = compile_ignores(
        [
            IgnoreDifference(group="*", kind="*", json_pointers=("/spec/a",)),
            IgnoreDifference(group="apps", kind="Deployment", jq_path_expressions=(".spec.b",)),
            IgnoreDifference(group="batch", kind="Job", json_pointers=("/spec/c",)),
        ]
    )
    assert hidden(rules.for_object(WEB), {"spec": {"a": 1, "b": 2, "c": 3}}) == ["spec/a", "spec/b"]
    assert rules.for_object(WEB) is rules.for_object(WEB)


def test_what_is_not_served_is_told_and_the_rest_holds() -> None:
    entry = IgnoreDifference(
        group="apps",
        kind="Deployment",
        json_pointers=("/spec/replicas", "spec/paused"),
        jq_path_expressions=('.spec | test("x")', ".spec.strategy"),
    )
    rules = compile_ignores([entry, IgnoreDifference(group="{a", kind="X", json_pointers=("/b",))])
    assert [problem.expression for problem in rules.unsupported] == ["spec/paused", '.spec | test("x")', "{a"]
    assert "'test' is not one of the jq functions" in str(rules.unsupported[1])
    mine = rules.for_object(WEB)
    assert [problem.expression for problem in mine.unsupported] == ["spec/paused", '.spec | test("x")']
    assert hidden(mine, {"spec": {"strategy": {}}}) == ["spec/replicas", "spec/strategy"]


@pytest.mark.parametrize("pattern", ["{a", "{a,{b}}", "a" * 300, "{a,b}" * 10, "{" + "," * 100 + "}"])
def test_patterns_are_bounded(pattern: str) -> None:
    rules = compile_ignores([IgnoreDifference(group=pattern, kind="X", json_pointers=("/b",))])
    assert [problem.expression for problem in rules.unsupported] == [pattern]
    assert rules.rules == ()


@pytest.mark.parametrize(
    ("name", "namespace", "applies"),
    [
        ("", "", True),
        ("w*", "", True),
        ("web", "n{1,2}", False),
        ("web", "{n,m}", True),
        ("?eb", "n", True),
        ("x*", "", False),
        ("", "other", False),
    ],
)
def test_names_and_namespaces_are_globs_too(name: str, namespace: str, applies: bool) -> None:
    entry = IgnoreDifference("apps", "Deployment", name, namespace, ("/a",))
    rules = compile_ignores([entry])
    for _ in range(2):
        assert bool(rules.for_object(ResourceKey("apps", "Deployment", "n", "web"))) is applies
    assert not rules.for_object(ResourceKey("apps", "StatefulSet", "n", "web"))
