from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import IgnoreDifference
from agent.engine.compare_options import StatusOf
from agent.engine.compare_settings import CompareSettings, read_compare_settings
from agent.engine.resource import ResourceKey
from agent.engine.updates import DEFAULT_UPDATES, update_hash
from tests.engine.strategies import json_values

DEPLOYMENT = ResourceKey("apps", "Deployment", "n", "web")
PREFIX = "resource.customizations.ignoreDifferences."


def parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def read(**data: Any) -> CompareSettings:
    return read_compare_settings(data, parse)


def pointers(settings: CompareSettings, key: ResourceKey = DEPLOYMENT) -> set[str]:
    return {"/".join(("", *path)) for path in settings.rules().for_object(key).pointers}


def test_nothing_is_set() -> None:
    assert read() == CompareSettings()
    assert read(**{"resource.compareoptions": "", "other": "key"}) == CompareSettings()


def test_ignored_in_every_application() -> None:
    found = read(
        **{
            PREFIX + "all": "jsonPointers: [/spec/a]\nmanagedFieldsManagers: [kube-controller-manager]",
            PREFIX + "apps_Deployment": "jsonPointers:\n- /spec/b\njqPathExpressions:\n- .spec.c",
            PREFIX + "ConfigMap": "jsonPointers: [/data]",
            PREFIX + "*.example.org_*": "jsonPointers: [/spec/d]",
        }
    )
    assert found.problems == ()
    assert pointers(found) == {"/spec/a", "/spec/b"}
    of_deployments = found.rules().for_object(DEPLOYMENT)
    assert of_deployments.managers == {"kube-controller-manager"} and len(of_deployments.expressions) == 1
    assert pointers(found, ResourceKey("", "ConfigMap", "n", "x")) == {"/spec/a", "/data"}
    assert pointers(found, ResourceKey("db.example.org", "Table", "n", "x")) == {"/spec/a", "/spec/d"}


def test_the_older_map_says_the_same() -> None:
    old = """
    apps/Deployment:
      ignoreDifferences: |
        jsonPointers: [/spec/a]
      ignoreResourceUpdates:
        jsonPointers: [/spec/u]
      health.lua: return {}
    "*.example.org/*":
      ignoreDifferences: {jsonPointers: [/spec/b]}
    """
    found = read(**{"resource.customizations": old})
    assert found.problems == ()
    assert pointers(found) == {"/spec/a"}
    assert pointers(found, ResourceKey("db.example.org", "Table", "", "x")) == {"/spec/b"}
    assert IgnoreDifference("apps", "Deployment", json_pointers=("/spec/u",)) in found.updates


def test_an_applications_own_entries_come_in_addition() -> None:
    found = read(**{PREFIX + "all": "jsonPointers: [/spec/a]"})
    rules = found.rules((IgnoreDifference("apps", "Deployment", json_pointers=("/spec/own",)),))
    assert rules.for_object(DEPLOYMENT).pointers == (("spec", "a"), ("spec", "own"))


def test_options() -> None:
    found = read(**{"resource.compareoptions": "ignoreResourceStatusField: crd\nignoreAggregatedRoles: false"})
    assert found.options.ignore_status is StatusOf.CRD and not found.options.ignore_aggregated_roles


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (PREFIX + "all", "- x", "not a mapping"),
        (PREFIX + "all", "a: [", "cannot be read"),
        (PREFIX + "all", "jsonPointer: [/a]", "no field 'jsonPointer'"),
        (PREFIX + "all", "jsonPointers: /a", "not a list of texts"),
        ("resource.customizations", "[]", "no map"),
        ("resource.customizations", "a: [", "cannot be read"),
        ("resource.customizations", "apps/Deployment: x", "no map"),
        ("resource.compareoptions", "x", "not a mapping"),
        ("resource.ignoreResourceUpdatesEnabled", "no way", "true or false"),
    ],
)
def test_what_cannot_be_read_is_told(key: str, text: str, said: str) -> None:
    (problem,) = read(**{key: text}).problems
    assert said in problem and problem.startswith(key)


@given(
    st.dictionaries(
        st.sampled_from(["resource.customizations", "resource.compareoptions", PREFIX + "all", PREFIX + "x_"]),
        json_values() | st.text(max_size=20),
    )
)
def test_any_settings_are_borne(data: dict[str, Any]) -> None:
    read_compare_settings(data, parse).rules()


LEADER = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "annotations": {"control-plane.alpha.kubernetes.io/leader": "a"}},
    "data": {"k": "v"},
}
CONFIG_MAP = ResourceKey("", "ConfigMap", "n", "x")


def hashed(settings: CompareSettings, obj: dict[str, Any], key: ResourceKey = CONFIG_MAP) -> bytes:
    return update_hash(obj, settings.update_rules().for_object(key))


def changed(obj: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def test_updates_that_mean_nothing() -> None:
    usual = CompareSettings()
    before = hashed(usual, LEADER)
    for update in (
        changed(LEADER, resourceVersion="2", generation=4, managedFields=[{}]),
        changed(LEADER, annotations={"control-plane.alpha.kubernetes.io/leader": "b"}),
        {**LEADER, "status": {"a": 1}},
    ):
        assert hashed(usual, update) == before
    assert hashed(usual, {**LEADER, "data": {"k": "w"}}) != before
    assert hashed(usual, changed(LEADER, labels={"a": "b"})) != before


def test_settings_take_the_place_of_what_is_usual_for_a_kind() -> None:
    found = read(**{"resource.customizations.ignoreResourceUpdates.ConfigMap": "jsonPointers: [/data]"})
    assert hashed(found, {**LEADER, "data": {}}) == hashed(found, LEADER)
    moved = changed(LEADER, annotations={"control-plane.alpha.kubernetes.io/leader": "b"})
    assert hashed(found, moved) != hashed(found, LEADER)
    assert len(found.updates) == len(DEFAULT_UPDATES)
    everything = read(**{"resource.customizations.ignoreResourceUpdates.all": "jsonPointers: [/data]"})
    assert hashed(everything, {**LEADER, "status": {}}) != hashed(everything, LEADER)


def test_ignored_differences_are_updates_that_mean_nothing_unless_that_is_off() -> None:
    data = {PREFIX + "all": "jsonPointers: [/data]"}
    assert hashed(read(**data), {**LEADER, "data": {}}) == hashed(read(**data), LEADER)
    data["resource.compareoptions"] = "ignoreDifferencesOnResourceUpdates: false"
    assert hashed(read(**data), {**LEADER, "data": {}}) != hashed(read(**data), LEADER)


def test_every_update_is_looked_at_where_ignoring_them_is_off() -> None:
    off = read(**{"resource.ignoreResourceUpdatesEnabled": "false"})
    assert hashed(off, {**LEADER, "status": {"a": 1}}) != hashed(off, LEADER)


@given(json_values())
def test_any_object_is_borne(value: Any) -> None:
    update_hash({"kind": "ConfigMap", "metadata": value}, CompareSettings().update_rules().for_object(CONFIG_MAP))
