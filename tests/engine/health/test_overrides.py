"""Health as users say it: Lua scripts and CEL expressions, by kind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.customizations import CustomizationError, patterns, split_kind
from agent.engine.health import Health, HealthStatus, assess
from agent.engine.health.overrides import Judge, Overrides, from_cel, from_lua, from_text, is_lua
from agent.engine.health.settings import health_overrides
from agent.engine.resource import GroupKind
from tests.engine.strategies import json_values

LUA = """
hs = {}
hs.status = "Progressing"
hs.message = "waiting"
if obj.status ~= nil and obj.status.phase == "Good" then
  hs.status = "Healthy"
  hs.message = obj.status.phase
end
return hs
"""
CEL = (
    "has(obj.status) && obj.status.phase == 'Good' ? {'status': 'Healthy', 'message': 'fine'} : {'status': 'Degraded'}"
)


def widget(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": "Widget", **more}


def by(judge: Judge, obj: dict[str, Any] | None = None) -> Health | None:
    return assess(obj or widget(), patterns([(GroupKind("example.org", "Widget"), judge)]))


def test_scripts_and_expressions_judge() -> None:
    good = widget(status={"phase": "Good"})
    assert by(from_lua(LUA), good) == Health(HealthStatus.HEALTHY, "Good")
    assert by(from_lua(LUA)) == Health(HealthStatus.PROGRESSING, "waiting")
    assert by(from_cel(CEL), good) == Health(HealthStatus.HEALTHY, "fine")
    assert by(from_cel(CEL)) == Health(HealthStatus.DEGRADED)
    assert by(from_cel("'Suspended'")) == Health(HealthStatus.SUSPENDED)


def test_they_come_before_the_rules_and_after_deletion() -> None:
    judge = from_cel("'Suspended'")
    pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Failed"}}
    checks = patterns([(GroupKind("", "Pod"), judge)])
    assert assess(pod, checks) == Health(HealthStatus.SUSPENDED)
    assert assess(pod) != Health(HealthStatus.SUSPENDED)
    gone = assess({**pod, "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, checks)
    assert gone is not None and gone.status is HealthStatus.PROGRESSING


@pytest.mark.parametrize("nothing", [from_lua("return nil"), from_lua("return {}"), from_lua(""), from_cel("null")])
def test_one_that_gives_nothing_says_that_there_is_no_health(nothing: Judge) -> None:
    assert by(nothing, widget(status={"phase": "Failed"})) is None


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (from_lua("return 'x'"), "the status 'x'; it has to be one of Healthy, Suspended"),
        (from_lua("return {status = 'healthy'}"), "the status 'healthy'"),
        (from_lua("return {message = 'x'}"), "no status"),
        (from_lua("return {status = 'Healthy', message = {}}"), "a message that is a list"),
        (from_lua("return {1, 2}"), "a list"),
        (from_lua("return 3"), "a int"),
        (from_lua("return obj.status.phase"), "the health script cannot say: line 1: attempt to index field 'status'"),
        (from_lua("while true do end"), "was stopped: it ran for more than 1 s"),
        (from_cel("obj.status.phase"), "the health expression cannot say: there is no 'status'"),
        (from_cel("true"), "a bool"),
        (from_cel("{'status': 'Fine'}"), "the status 'Fine'"),
        (from_cel("{1: 2}"), "no status"),
        (from_cel("duration('1h')"), "a timedelta"),
    ],
)
def test_what_is_no_health_is_unknown_and_says_why(judge: Judge, said: str) -> None:
    health = by(judge)
    assert health is not None and health.status is HealthStatus.UNKNOWN
    assert said in health.message


def test_messages_are_bounded() -> None:
    health = by(from_lua("return {status = 'Healthy', message = ('x'):rep(100000)}"))
    assert health is not None and len(health.message) <= 1001


@pytest.mark.parametrize(
    ("source", "lua"),
    [
        (LUA, True),
        ("return {}", True),
        ("-- only a remark\nhs = {}\nreturn hs", True),
        (CEL, False),
        ("obj.status.message == 'return' ? 'Healthy' : 'Degraded'", False),
        ("obj.returned ? 'Healthy' : 'Degraded'", False),
        ("'it\\'s' == \"return\" ? 'Healthy' : 'Degraded'", False),
    ],
)
def test_languages_are_told_by_their_words(source: str, lua: bool) -> None:
    assert is_lua(source) is lua


def named(checks: Overrides, group: str, kind: str) -> str:
    judge = checks.find(group, kind)
    health = judge({}) if judge else None
    return health.message if health else ""


def saying(text: str) -> Judge:
    return from_cel(f"{{'status': 'Healthy', 'message': '{text}'}}")


def test_patterns_cover_what_is_not_named() -> None:
    checks = patterns(
        (split_kind(name), saying(name))
        for name in ("*_*", "*.crossplane.io_*", "s3.aws.crossplane.io_Bucket", "*.crossplane.io_B*", "a?c[d]_K*")
    )
    assert named(checks, "s3.aws.crossplane.io", "Bucket") == "s3.aws.crossplane.io_Bucket"
    assert named(checks, "s3.aws.crossplane.io", "BucketPolicy") == "*.crossplane.io_B*"
    assert named(checks, "s3.aws.crossplane.io", "Object") == "*.crossplane.io_*"
    assert named(checks, "crossplane.io", "Bucket") == "*_*"
    assert named(checks, "", "Pod") == "*_*"
    assert named(checks, "a?c[d]", "Kind") == "a?c[d]_K*"
    assert named(checks, "abcd", "Kind") == "*_*"
    assert patterns([]).find("", "Pod") is None


def test_settings_of_argo_cd() -> None:
    data = {
        "resource.customizations.health.example.org_Widget": "return {status = 'Healthy', message = 'key'}",
        "resource.customizations.health.Pod": "return {status = 'Healthy', message = 'pod'}",
        "resource.customizations.health.example.org_Gadget": "return {status = 'Healthy', message = type(coroutine)}",
        "resource.customizations.useOpenLibs.example.org_Gadget": "true",
        "resource.customizations.actions.example.org_Widget": "ignored: here",
        "resource.customizations": """
            example.org/Widget: {health.lua: "return {status = 'Healthy', message = 'map'}"}
            "*.example.org/*": {health.lua: "return {status = 'Healthy', message = type(coroutine)}"}
            open.org/*:
              health.lua.useOpenLibs: true
              health.lua: |
                return {status = 'Healthy', message = type(coroutine)}
            example.org/Other: {ignoreDifferences: "jsonPointers: []"}
        """,
        "timeout.reconciliation": "180s",
    }
    checks = health_overrides(data, yaml.safe_load)
    assert named(checks, "example.org", "Widget") == "key"
    assert named(checks, "", "Pod") == "pod"
    assert named(checks, "example.org", "Gadget") == "table"
    assert named(checks, "a.example.org", "X") == "nil"
    assert named(checks, "open.org", "X") == "table"
    assert checks.find("example.org", "Other") is None
    assert health_overrides({}, yaml.safe_load) == patterns([])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"resource.customizations.health.": "x"}, "is not <group>_<kind>"),
        ({"resource.customizations.health.a_b_C": "x"}, "is not <group>_<kind>"),
        ({"resource.customizations": "[]"}, "no map of <group>/<kind>"),
        ({"resource.customizations": "a/B: 3"}, "a/B is no map"),
        ({"resource.customizations": "a/B: {health.lua: 3}"}, "health.lua of a/B is no text"),
        ({"resource.customizations": "a/b/C: {health.lua: x}"}, "is not <group>_<kind>"),
    ],
)
def test_settings_that_cannot_be_read(data: dict[str, str], said: str) -> None:
    with pytest.raises(CustomizationError) as caught:
        health_overrides(data, yaml.safe_load)
    assert said in str(caught.value) and "resource.customizations" in str(caught.value)


@given(json_values(), st.sampled_from([LUA, CEL, "return obj.status", "obj.status", "return {status = obj.status}"]))
def test_no_object_makes_an_override_raise(status: Any, source: str) -> None:
    health = by(from_text(source), widget(status=status))
    assert health is None or health.status in set(HealthStatus)


def test_neither_library_is_loaded_without_an_override() -> None:
    program = """
import sys
from agent.engine.health import assess, NO_OVERRIDES
assess({"apiVersion": "v1", "kind": "Pod"}, NO_OVERRIDES)
assess({"apiVersion": "example.org/v1", "kind": "Widget", "status": {"phase": "Failed"}})
assert not [name for name in sys.modules if name.partition(".")[0] in ("lupa", "cel", "typer", "rich", "yaml")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
