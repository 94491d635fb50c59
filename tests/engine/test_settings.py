"""The settings as a whole: a part that cannot be read is told, and the others are in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import IgnoreDifference
from agent.engine.resource import GroupKind
from agent.engine.settings import SystemSettings, read_settings

HEALTH = "resource.customizations.health"


def parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error


def read(data: Mapping[str, str], before: SystemSettings | None = None) -> SystemSettings:
    return read_settings(data, ("paris",), parse, before)


def test_without_data_everything_is_as_by_default() -> None:
    found = read({})
    assert (found.health, found.compare) == (SystemSettings().health, SystemSettings().compare)
    assert found.problems == () and found.filter.excludes(GroupKind("", "Endpoints"))


def test_what_cannot_be_read_takes_nothing_else_with_it() -> None:
    found = read(
        {
            f"{HEALTH}.a_b_C": "'Healthy'",
            f"{HEALTH}.apps_Deployment": "'Suspended'",
            "resource.customizations": "a: [",
            "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]",
            "resource.compareoptions": "nonsense: true",
            "resource.exclusions": "- kinds: [Secret]\n- 3\n",
            "resource.ignoreResourceUpdatesEnabled": "maybe",
        }
    )
    assert found.judges(GroupKind("apps", "Deployment"))
    assert found.compare.differences == (
        IgnoreDifference(group="apps", kind="Deployment", json_pointers=("/spec/replicas",)),
    )
    assert found.filter.excludes(GroupKind("", "Secret"))
    told = "\n".join(found.problems)
    for key in (f"{HEALTH}.a_b_C", "resource.customizations cannot", "compareoptions", "exclusions[1]", "maybe"):
        assert key in told, key


def test_checks_of_health_that_stay_the_same_can_be_told_from_new_ones() -> None:
    first = read({f"{HEALTH}.apps_Deployment": "'Suspended'", f"{HEALTH}.a_b_C": "x"})
    second = read({**first.data, "resource.exclusions": "[]"}, first)
    assert second.health is first.health and second.problems == first.problems
    other = read({f"{HEALTH}.apps_Deployment": "'Healthy'"}, second)
    assert other.health is not first.health and other.problems == ()


KEYS = [
    "resource.customizations",
    f"{HEALTH}.apps_Deployment",
    f"{HEALTH}.",
    "resource.customizations.useOpenLibs.apps_Deployment",
    "resource.customizations.ignoreDifferences.all",
    "resource.customizations.ignoreResourceUpdates._",
    "resource.compareoptions",
    "resource.exclusions",
    "resource.inclusions",
    "resource.ignoreResourceUpdatesEnabled",
    "url",
]


@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=40)))
def test_nothing_raises(data: dict[str, str]) -> None:
    found = read(data)
    found.judges(GroupKind("apps", "Deployment"))
    found.filter.excludes(GroupKind("", "Secret"))
