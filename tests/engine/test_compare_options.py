from __future__ import annotations

from typing import Any

import pytest

from agent.engine.compare_options import (
    COMPARE_OPTIONS_ANNOTATION,
    DEFAULT_OPTIONS,
    CompareOptions,
    StatusOf,
    counts_when_extraneous,
    object_options,
    read_compare_options,
)
from agent.engine.drift import compare
from agent.engine.health import HealthStatus
from agent.engine.ignore import NO_IGNORES
from agent.engine.resource import Object, ResourceKey
from agent.engine.status import ResourceState, SyncStatus, overall_sync

ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "x"},
    "aggregationRule": {"clusterRoleSelectors": [{}]},
}
CRD: Object = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}
WIDGET: Object = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "x"}}


def asking(text: Any) -> Object:
    return {"kind": "W", "metadata": {"annotations": {COMPARE_OPTIONS_ANNOTATION: text}}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, DEFAULT_OPTIONS),
        ({}, CompareOptions(True, StatusOf.ALL, True)),
        ({"ignoreAggregatedRoles": False}, CompareOptions(ignore_aggregated_roles=False)),
        ({"ignoreDifferencesOnResourceUpdates": "false"}, CompareOptions(ignore_differences_on_updates=False)),
        ({"ignoreResourceStatusField": "crd"}, CompareOptions(ignore_status=StatusOf.CRD)),
        ({"ignoreResourceStatusField": False}, CompareOptions(ignore_status=StatusOf.NONE)),
        ({"ignoreResourceStatusField": "off"}, CompareOptions(ignore_status=StatusOf.NONE)),
    ],
)
def test_the_options_of_the_system(given: Any, expected: CompareOptions) -> None:
    assert read_compare_options(given) == (expected, [])


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "not a mapping"),
        ({"ignoreAggregatedRole": True}, "ignoreAggregatedRole"),
        ({"ignoreAggregatedRoles": "perhaps"}, "perhaps"),
        ({"ignoreResourceStatusField": "some"}, "some"),
    ],
)
def test_what_is_wrong_is_named_and_without_effect(given: Any, named: str) -> None:
    options, problems = read_compare_options(given)
    assert options == DEFAULT_OPTIONS
    assert len(problems) == 1 and named in problems[0]


def differs(one: Object, other: Object, options: CompareOptions) -> bool:
    return bool(compare(one, other, NO_IGNORES, options))


def test_rules_of_an_aggregated_role_count_only_where_that_is_asked_for() -> None:
    filled = {**ROLE, "rules": [{"verbs": ["get"]}]}
    assert not differs({**ROLE, "rules": []}, filled, DEFAULT_OPTIONS)
    assert differs({**ROLE, "rules": []}, filled, CompareOptions(ignore_aggregated_roles=False))


@pytest.mark.parametrize(
    ("status_of", "of_definitions", "of_others"),
    [(StatusOf.ALL, False, False), (StatusOf.CRD, False, True), (StatusOf.NONE, True, True)],
)
def test_whose_status_counts(status_of: StatusOf, of_definitions: bool, of_others: bool) -> None:
    options = CompareOptions(ignore_status=status_of)
    for obj, counts in ((CRD, of_definitions), (WIDGET, of_others)):
        assert differs({**obj, "status": {"a": 1}}, {**obj, "status": {"a": 2}}, options) is counts


@pytest.mark.parametrize(
    ("text", "extraneous", "webhooks"),
    [
        ("IgnoreExtraneous", True, False),
        ("ServerSideDiff=true, IgnoreExtraneous", True, False),
        ("IncludeMutationWebhook=true,IgnoreExtraneous", True, True),
        ("IgnoreExtraneous=false", False, False),
        ("IncludeMutationWebhook=false", False, False),
        (7, False, False),
        (None, False, False),
    ],
)
def test_the_options_of_an_object(text: Any, extraneous: bool, webhooks: bool) -> None:
    options = object_options(asking(text))
    assert (options.ignore_extraneous, options.include_mutation_webhook) == (extraneous, webhooks)
    assert counts_when_extraneous(asking(text)) is not extraneous


def test_objects_without_annotations() -> None:
    for obj in list[Object]([{}, {"metadata": None}, {"metadata": {"annotations": []}}]):
        assert counts_when_extraneous(obj)


def test_what_does_not_count_leaves_the_application_in_sync() -> None:
    key = ResourceKey("", "ConfigMap", "n", "x")
    extraneous = ResourceState(
        key, "v1", SyncStatus.OUT_OF_SYNC, HealthStatus.HEALTHY, requires_pruning=True, counts=False
    )
    assert overall_sync({key: extraneous}, comparable=True) is SyncStatus.SYNCED
