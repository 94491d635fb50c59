"""What Escadre does not act on is told, field by field: no entry of the tables may become a silent drop."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from hub.formats import served
from hub.formats.application import parse_application
from hub.formats.policy import sync_option_problem
from hub.formats.project import parse_project
from hub.formats.settings import parse_data

APPLICATION = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "a"},
    "spec": {"source": {"repoURL": "https://x/y", "path": "."}, "destination": {"name": "c"}},
}
PROJECT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "p"}, "spec": {}}
TABLES: Mapping[str, Mapping[str, str]] = {
    "": served.APPLICATION,
    "metadata": served.METADATA,
    "spec": served.APPLICATION_SPEC,
    "spec.source": served.SOURCE,
    "spec.source.helm": served.HELM,
    "spec.source.kustomize": served.KUSTOMIZE,
}
GIVEN: Mapping[str, Any] = {
    "apiVersions": ["v1"],
    "commonAnnotationsEnvsubst": True,
    "passCredentials": True,
    "plugin": {"name": "something"},
}
"""What is no text."""
ROWS = [(place, field, reason) for place, table in TABLES.items() for field, reason in table.items()]


@pytest.mark.parametrize(("place", "field", "reason"), ROWS, ids=[f"{place}.{field}" for place, field, _ in ROWS])
def test_applications(place: str, field: str, reason: str) -> None:
    value: Any = copy.deepcopy(APPLICATION)
    below = value
    for step in filter(None, place.split(".")):
        below = below.setdefault(step, {})
    below[field] = GIVEN.get(field, "something")
    path = f"{place}.{field}".removeprefix(".")
    assert parse_application(value).warnings == [f"{path} is not served: {reason}"]


@pytest.mark.parametrize(("field", "reason"), served.PROJECT_SPEC.items())
def test_projects(field: str, reason: str) -> None:
    value = {**PROJECT, "spec": {field: "something"}}
    assert parse_project(value).warnings == [f"spec.{field} is not served: {reason}"]


@pytest.mark.parametrize(("key", "reason"), served.SETTINGS.items())
def test_settings(key: str, reason: str) -> None:
    parsed = parse_data({key: "something", f"{key}.more": "of it"})
    assert parsed.warnings[0] == f"data.{key} is not served: {reason}"
    assert len(parsed.warnings) == 2 and parsed.value.data == {}


@pytest.mark.parametrize("empty", [None, "", False, 0, [], {}, {"a": None}, [{}]])
def test_what_says_nothing_is_not_worth_a_word(empty: object) -> None:
    spec = {**APPLICATION["spec"], "sourceHydrator": empty}  # type: ignore[dict-item]
    assert parse_application({**APPLICATION, "spec": spec}).warnings == []


@pytest.mark.parametrize(
    "option", [f"{name}={value}" for name, values in served.SYNC_OPTIONS.items() for value in values]
)
def test_every_sync_option_is_known(option: str) -> None:
    problem = sync_option_problem(option)
    assert problem.startswith("is not served") if option in served.SYNC_OPTIONS_UNSERVED else problem == ""


def test_every_unserved_sync_option_is_one_that_there_is() -> None:
    for option in served.SYNC_OPTIONS_UNSERVED:
        name, _, value = option.partition("=")
        assert value in served.SYNC_OPTIONS[name]
