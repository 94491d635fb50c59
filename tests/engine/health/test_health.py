"""The health rules, by tables: one file of data for each kind, and one for the conventions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.health import GROUP_RULES, RULES, Health, HealthStatus, assess, is_ignored, worst
from agent.engine.health.wording import Tone, tone
from agent.engine.resource import split_api_version
from tests.engine.strategies import json_values
from tests.search import examples

DATA = Path(__file__).parent / "data"


def load_cases() -> list[Any]:
    cases = []
    for path in sorted(DATA.glob("*.yaml")):
        table = yaml.load(path.read_text(), yaml.CSafeLoader)
        for case in table["cases"]:
            obj = {**table["object"], **case["object"]}
            cases.append(pytest.param(case, obj, id=f"{path.stem}: {case['name']}"))
    return cases


CASES = load_cases()


@pytest.mark.parametrize(("case", "obj"), CASES)
def test_health(case: dict[str, Any], obj: dict[str, Any]) -> None:
    health = assess(obj)
    assert (health.status if health else None) == case["health"], health
    for text in case.get("says", []):
        assert health is not None and text in health.message
    for text in case.get("silent", []):
        assert health is not None and text not in health.message
    if health is not None and health.status is not HealthStatus.HEALTHY:
        assert health.message, "whatever is not healthy says why"


def test_every_rule_has_data() -> None:
    covered = {(split_api_version(str(p.values[1].get("apiVersion")))[0], p.values[1].get("kind")) for p in CASES}
    judged = {rule for kind, rule in RULES.items() if kind in covered}
    assert [rule for rule in RULES.values() if rule not in judged] == []
    assert [end for end in GROUP_RULES if not any(group.endswith(end) for group, _ in covered)] == []


def test_worst_is_in_the_order_of_the_contract() -> None:
    order = ["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]
    assert list(HealthStatus) == order
    for badness, status in enumerate(HealthStatus):
        for better in list(HealthStatus)[: badness + 1]:
            assert worst([better, status]) is worst([status, better]) is status
    assert worst([]) is HealthStatus.HEALTHY


@pytest.mark.parametrize(
    ("metadata", "ignored"),
    [
        ({"annotations": {"argocd.argoproj.io/ignore-healthcheck": "true"}}, True),
        ({"annotations": {"argocd.argoproj.io/ignore-healthcheck": "false"}}, False),
        ({"annotations": {"argocd.argoproj.io/ignore-healthcheck": True}}, False),
        ({"annotations": []}, False),
        ({}, False),
        (None, False),
    ],
)
def test_objects_may_ask_not_to_be_counted(metadata: Any, ignored: bool) -> None:
    assert is_ignored({"kind": "Job", "metadata": metadata}) is ignored


KINDS = [
    *sorted(RULES),
    *((f"x{end}", "Widget") for end in GROUP_RULES),
    ("cert-manager.io", "Certificate"),
    ("example.org", "Widget"),
    ("example.org", "TrainingJob"),
    ("", "ConfigMap"),
]

NAMES = """
    replicas updatedReplicas availableReplicas readyReplicas observedGeneration conditions phase state health
    status ready paused suspend active lastScheduleTime lastSuccessfulTime containerStatuses loadBalancer ingress
    parents updateStrategy rollingUpdate type reason message currentRevision desiredHealthy restartPolicy name
    parentRef applicationState robustness ceph details jobStatus compliant currentStatus connectionState partition
    printableStatus jobManagerDeploymentStatus error errors applied registered allocatedReplicas
"""
FIELDS = st.sampled_from(NAMES.split())
CONDITION = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Ready", "Progressing", "Failed", "Available", "Established", "AbleToScale"])
        | json_values(),
        "status": st.sampled_from(["True", "False", "Unknown", True, False]) | json_values(),
        "reason": st.sampled_from(["ProgressDeadlineExceeded", "FailedCreate", ""]) | json_values(),
        "message": json_values(),
        "observedGeneration": json_values(),
    },
)
VALUES = json_values() | st.sampled_from(["Running", "Failed", "Pending", 1, 2]) | st.lists(CONDITION, max_size=3)
SECTION = json_values() | st.dictionaries(FIELDS, VALUES, max_size=8)


@examples(300)
@given(
    kind=st.sampled_from(KINDS),
    metadata=json_values() | st.fixed_dictionaries({}, optional={"generation": json_values(), "annotations": SECTION}),
    spec=SECTION,
    status=SECTION,
)
def test_no_object_makes_it_raise(kind: tuple[str, str], metadata: Any, spec: Any, status: Any) -> None:
    obj = {"apiVersion": f"{kind[0]}/v1", "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    health = assess(obj)
    assert health is None or isinstance(health, Health)
    if health is not None and health.status is not HealthStatus.HEALTHY:
        assert health.message


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec", "status"]), json_values()))
def test_nor_does_anything_that_is_hardly_an_object(obj: dict[str, Any]) -> None:
    assess(obj)
    is_ignored(obj)


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Failed", "message": "x" * 10**6},
        {"conditions": [{"type": f"Part{i}Failed", "status": "True", "message": "x" * 400} for i in range(100)]},
    ],
)
def test_messages_are_bounded(status: dict[str, Any]) -> None:
    health = assess({"apiVersion": "example.org/v1", "kind": "Widget", "status": status})
    assert health is not None
    assert health.status is HealthStatus.DEGRADED
    assert len(health.message) <= 1001


def test_all_that_is_as_bad_is_told() -> None:
    conditions = [{"type": "Stalled", "status": "True"}, {"type": "Ready", "status": "False", "reason": "BuildFailed"}]
    health = assess({"apiVersion": "example.org/v1", "kind": "Widget", "status": {"conditions": conditions}})
    assert health == Health(HealthStatus.DEGRADED, "Stalled is True; Ready is False: BuildFailed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Tone.UNCLEAR),
        ("SecretSyncedError", Tone.FAILING),
        ("ErrImagePull", Tone.FAILING),
        ("CrashLoopBackOff", Tone.FAILING),
        ("timed_out", Tone.FAILING),
        ("NotFound", Tone.FAILING),
        ("Missing", Tone.FAILING),
        ("NotReady", Tone.MOVING),
        ("Cluster Is Not Ready", Tone.MOVING),
        ("NoErrors", Tone.UNCLEAR),
        ("ScalingUp", Tone.MOVING),
        ("in-progress", Tone.MOVING),
        ("Warning", Tone.UNCLEAR),
        ("HTTPProxyValid", Tone.FINE),
        ("Running", Tone.FINE),
        ("paused", Tone.SUSPENDED),
        ("Unknown", Tone.UNKNOWN),
        ("7", Tone.UNCLEAR),
        ("ControlPlaneNotInitialized", Tone.MOVING),
        ("Unbound", Tone.MOVING),
        ("Unhealthy", Tone.FAILING),
        ("OutOfSync", Tone.MOVING),
        ("PartiallyReady", Tone.MOVING),
        ("PartiallyFailed", Tone.FAILING),
        ("ScaledToZero", Tone.SUSPENDED),
        ("NetworkingReady", Tone.FINE),
        ("ProgressDeadlineExceeded", Tone.FAILING),
        ("OOMKilled", Tone.FAILING),
        ("limit_reached", Tone.FAILING),
        ("TargetNotAllowed", Tone.FAILING),
    ],
)
def test_tone(text: str, expected: Tone) -> None:
    assert tone(text) is expected


def test_running_is_the_way_of_a_task_and_the_aim_of_a_server() -> None:
    assert tone("Running", ends=True) is Tone.MOVING
    assert tone("Running") is Tone.FINE


def test_five_thousand_objects_are_judged_at_once() -> None:
    objects = [param.values[1] for param in CASES]
    many: list[Any] = (objects * (5000 // len(objects) + 1))[:5000]
    started = time.process_time()
    for obj in many:
        assess(obj)
    assert time.process_time() - started < 0.3
