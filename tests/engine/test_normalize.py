from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given

from agent.engine.normalize import canonical, comparable, content_hash, same
from tests.engine.strategies import json_values, objects


def deployment(**changes: Any) -> dict[str, Any]:
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "resourceVersion": "7",
            "generation": 3,
            "managedFields": [{}],
            "labels": {"a": "b"},
        },
        "spec": {"replicas": 2},
        "status": {"replicas": 2},
    }
    obj.update(changes)
    return obj


class TestContentHash:
    def test_is_16_bytes(self) -> None:
        assert len(content_hash(deployment())) == 16

    @pytest.mark.parametrize(
        "change",
        [
            {"status": {"replicas": 1}},
            {"metadata": {**deployment()["metadata"], "resourceVersion": "8", "generation": 4, "managedFields": []}},
        ],
    )
    def test_does_not_see_status_and_bookkeeping(self, change: dict[str, Any]) -> None:
        assert content_hash(deployment(**change)) == content_hash(deployment())

    @pytest.mark.parametrize(
        "change",
        [
            {"spec": {"replicas": 3}},
            {"metadata": {**deployment()["metadata"], "labels": {}}},
            {"metadata": {**deployment()["metadata"], "deletionTimestamp": "2026-03-01T10:00:00Z"}},
            {"data": None},
            {"metadata": None},
        ],
    )
    def test_sees_everything_else(self, change: dict[str, Any]) -> None:
        assert content_hash(deployment(**change)) != content_hash(deployment())

    def test_does_not_depend_on_order(self) -> None:
        assert content_hash(dict(reversed(deployment().items()))) == content_hash(deployment())

    @given(objects())
    def test_changes_nothing(self, obj: dict[str, Any]) -> None:
        before = copy.deepcopy(obj)
        content_hash(obj)
        comparable(obj)
        assert obj == before

    def test_is_cheap(self) -> None:
        obj = deployment(
            spec={"containers": [{"name": f"c{i}", "env": [{"name": "A", "value": "b"}] * 20} for i in range(5)]}
        )
        started = time.process_time()
        for _ in range(1000):
            content_hash(obj)
        assert time.process_time() - started < 0.2


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


class TestCanonical:
    @pytest.mark.parametrize("value", [deep(5000), 2**80, "\ud800", {"a": 2**70, "b": ["\udfff", None, True, 1.5]}])
    def test_writes_what_orjson_does_not(self, value: Any) -> None:
        assert canonical(value) == canonical(value)
        assert canonical([value]) != canonical([value, 1]) != canonical(value)

    def test_deep_values_differ_where_they_differ(self) -> None:
        assert canonical([deep(2000), 1]) != canonical([deep(2000), 2])
        assert canonical(deep(2000)) != canonical(deep(2001))
        assert canonical([[2**80], []]) != canonical([[2**80, []]])
        assert canonical({"a": 2**80, "b": 1}) == canonical({"b": 1, "a": 2**80})

    @given(json_values(), json_values())
    def test_equal_bytes_are_equal_values(self, a: Any, b: Any) -> None:
        if canonical(a) == canonical(b):
            assert a == b


class TestComparable:
    def test_drops_what_the_server_keeps_for_itself(self) -> None:
        metadata = {
            "name": "web",
            "uid": "u",
            "creationTimestamp": "t",
            "selfLink": "/x",
            "deletionTimestamp": "t",
            "deletionGracePeriodSeconds": 30,
            "ownerReferences": [{"name": "o"}],
            "labels": {},
            "annotations": None,
        }
        obj = comparable(deployment(metadata=metadata))
        assert obj["metadata"] == {"name": "web", "ownerReferences": [{"name": "o"}]}
        assert "status" not in obj

    def test_folds_string_data(self) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "MQ==", "b": "Mg=="}, "stringData": {"b": "drei"}}
        assert comparable(secret)["data"] == {"a": "MQ==", "b": "ZHJlaQ=="}
        assert "stringData" not in comparable(secret)
        assert secret["data"] == {"a": "MQ==", "b": "Mg=="}

    @pytest.mark.parametrize("fields", [{}, {"data": {}}, {"data": None}, {"stringData": {}}, {"stringData": None}])
    def test_an_empty_secret_is_an_empty_secret(self, fields: dict[str, Any]) -> None:
        bare = {"apiVersion": "v1", "kind": "Secret"}
        assert comparable({**bare, **fields}) == bare

    @pytest.mark.parametrize("fields", [{"data": "x"}, {"stringData": ["x"]}, {"stringData": {"a": 1}}, {"data": [1]}])
    def test_malformed_secrets_are_left_as_they_are(self, fields: dict[str, Any]) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", **fields}
        assert comparable(secret) == secret

    @pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
    @pytest.mark.parametrize("rules", [[], None])
    def test_no_rules_are_empty_rules(self, kind: str, rules: Any) -> None:
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind}
        assert comparable({**role, "rules": rules}) == comparable(role)

    def test_rules_are_kept_where_they_are_somebody_s(self) -> None:
        rules = [{"verbs": ["get"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules}
        assert comparable(role)["rules"] == rules
        assert "rules" not in comparable({**role, "aggregationRule": {"clusterRoleSelectors": [{}]}})
        assert comparable({**role, "apiVersion": "example.org/v1", "rules": []})["rules"] == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(1, 1.0, True), (True, 1, False), (False, 0, False), (None, False, False), ("1", 1, False), (True, True, True)],
)
def test_same_is_equality_of_json(a: Any, b: Any, expected: bool) -> None:
    assert same(a, b) is expected
    assert same(b, a) is expected
