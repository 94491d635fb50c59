"""Resource actions: the built-in ones, those of the settings, and the two together."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.actions import (
    NO_CUSTOM_ACTIONS,
    Action,
    ActionError,
    CustomActions,
    Moment,
    Operation,
    Parameter,
    custom_actions,
    discover,
    run,
)
from agent.engine.actions.resource import BUILT_IN
from agent.engine.customizations import CustomizationError
from tests.engine.strategies import json_values

NOW = Moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
TIME = "2026-01-02T03:04:05Z"


def obj(kind: str, **more: Any) -> dict[str, Any]:
    """Make an object of "apps/v1/Deployment"."""
    api_version, _, name = kind.rpartition("/")
    metadata = {"name": "web", "namespace": "shop", "uid": "u-1", **more.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": name, "metadata": metadata, **more}


def enabled(of: dict[str, Any], custom: CustomActions = NO_CUSTOM_ACTIONS) -> set[str]:
    return {action.name for action in discover(of, custom) if not action.disabled}


def only(of: dict[str, Any], name: str, params: Any = None, custom: CustomActions = NO_CUSTOM_ACTIONS) -> Any:
    before = copy.deepcopy(of)
    (change,) = run(of, name, params or {}, NOW, custom)
    assert of == before, "the object stays as it is"
    return change


def patched(of: dict[str, Any], name: str, *path: str, params: Any = None) -> Any:
    change = only(of, name, params)
    assert change.operation is Operation.PATCH
    found = change.object
    for key in path:
        found = found[key]
    return found


DEPLOYMENT = obj("apps/v1/Deployment", spec={"replicas": 1, "template": {"metadata": {}}})
ROLLOUT = obj(
    "argoproj.io/v1alpha1/Rollout",
    spec={"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}},
    status={"currentStepIndex": 1, "pauseConditions": [{}], "stableRS": "a", "currentPodHash": "b"},
)
ANNOTATIONS = ("spec", "template", "metadata", "annotations")


def test_workloads() -> None:
    restarted = "kubectl.kubernetes.io/restartedAt"
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        assert patched(obj(f"apps/v1/{kind}", spec={}), "restart", *ANNOTATIONS, restarted) == TIME
    assert patched(DEPLOYMENT, "scale", "spec", "replicas", params={"scale": "5"}) == 5
    assert patched(obj("apps/v1/StatefulSet"), "scale", "spec", "replicas", params={"scale": "0"}) == 0
    assert enabled(DEPLOYMENT) == {"pause", "restart", "scale"}
    assert patched(DEPLOYMENT, "pause", "spec", "paused") is True
    paused = obj("apps/v1/Deployment", spec={"paused": True})
    assert enabled(paused) == {"resume", "scale"}
    assert patched(paused, "resume", "spec", "paused") is False


def test_a_cron_job_makes_a_job() -> None:
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"template": {"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}},
    }
    cron = obj("batch/v1/CronJob", spec={"schedule": "* * * * *", "jobTemplate": template})
    change = only(cron, "create-job")
    assert change.operation is Operation.CREATE
    assert change.object == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "web-695734e5"[:4] + change.object["metadata"]["name"][4:],
            "namespace": "shop",
            "labels": {"a": "b"},
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual", "c": "d"},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": "web", "uid": "u-1", "controller": True}
            ],
        },
        "spec": template["spec"],
    }
    assert (
        len(
            only(obj("batch/v1/CronJob", metadata={"name": "x" * 52}, spec=cron["spec"]), "create-job").object[
                "metadata"
            ]["name"]
        )
        <= 63
    )
    assert enabled(cron) == {"create-job", "suspend"}
    assert patched(cron, "suspend", "spec", "suspend") is True
    with pytest.raises(ActionError, match=r"no spec\.jobTemplate\.spec"):
        run(obj("batch/v1/CronJob"), "create-job", {}, NOW)


def test_jobs() -> None:
    assert enabled(obj("batch/v1/Job", spec={})) == {"suspend", "terminate"}
    assert patched(obj("batch/v1/Job", spec={"suspend": True}), "resume", "spec", "suspend") is False
    assert patched(obj("batch/v1/Job", spec={"suspend": True}), "terminate", "spec") == {
        "suspend": False,
        "activeDeadlineSeconds": 1,
    }
    assert enabled(obj("batch/v1/Job", status={"conditions": [{"type": "Complete", "status": "True"}]})) == set()


def test_rollouts() -> None:
    assert enabled(ROLLOUT) == {"abort", "pause", "promote-full", "restart", "resume", "skip-current-step"}
    assert patched(ROLLOUT, "abort", "status", "abort") is True
    assert patched(ROLLOUT, "promote-full", "status", "promoteFull") is True
    assert patched(ROLLOUT, "restart", "spec", "restartAt") == TIME
    assert "pauseConditions" not in patched(ROLLOUT, "resume", "status")
    assert patched(ROLLOUT, "skip-current-step", "status", "currentStepIndex") == 2
    aborted = {**ROLLOUT, "status": {"abort": True}}
    assert "retry" in enabled(aborted) and "abort" not in enabled(aborted)
    assert patched(aborted, "retry", "status", "abort") is False
    assert enabled({**ROLLOUT, "status": {"stableRS": "a", "currentPodHash": "a"}}) == {"pause", "restart"}


def test_workflows() -> None:
    cron = obj("argoproj.io/v1alpha1/CronWorkflow", spec={"workflowSpec": {"entrypoint": "main"}})
    assert only(cron, "create-workflow").object["spec"] == {"entrypoint": "main"}
    assert enabled(cron) == {"create-workflow", "suspend"}
    template = obj("argoproj.io/v1alpha1/WorkflowTemplate", spec={})
    made = only(template, "create-workflow").object
    assert made["spec"] == {"workflowTemplateRef": {"name": "web"}} and "ownerReferences" not in made["metadata"]
    with pytest.raises(ActionError, match=r"no spec\.workflowSpec"):
        run(obj("argoproj.io/v1alpha1/CronWorkflow"), "create-workflow", {}, NOW)
    assert patched(obj("argoproj.io/v1alpha1/AnalysisRun"), "terminate", "spec", "terminate") is True


def test_operators() -> None:
    annotations = ("metadata", "annotations")
    kustomization = obj("kustomize.toolkit.fluxcd.io/v1/Kustomization", spec={})
    assert patched(kustomization, "reconcile", *annotations, "reconcile.fluxcd.io/requestedAt") == TIME
    assert patched(kustomization, "suspend", "spec", "suspend") is True
    assert patched(obj("external-secrets.io/v1/ExternalSecret"), "refresh", *annotations, "force-sync") == TIME
    assert patched(obj("keda.sh/v1alpha1/ScaledObject"), "pause", *annotations, "autoscaling.keda.sh/paused") == "true"
    cluster = obj("postgresql.cnpg.io/v1/Cluster", metadata={"annotations": {"cnpg.io/hibernation": "on"}})
    assert enabled(cluster) == {"reload", "restart", "resume"}
    assert patched(cluster, "resume", *annotations, "cnpg.io/hibernation") == "off"


@pytest.mark.parametrize("scale", ["", "-1", "x", "1.5", "9" * 10, "٣"])
def test_replicas_are_a_number(scale: str) -> None:
    with pytest.raises(ActionError, match="number of replicas"):
        run(DEPLOYMENT, "scale", {"scale": scale}, NOW)


@pytest.mark.parametrize(
    ("of", "name", "params", "said"),
    [
        (DEPLOYMENT, "nope", {}, "a Deployment has no action 'nope': there are pause, restart, resume, scale"),
        (obj("v1/ConfigMap"), "restart", {}, "a ConfigMap has no action 'restart': it has none"),
        (DEPLOYMENT, "resume", {}, "'resume' makes no sense on this Deployment as it stands"),
        (DEPLOYMENT, "restart", {"x": "1"}, "'restart' has no parameter 'x'"),
        (obj("apps/v1/Deployment", spec=3), "restart", {}, "spec is no map"),
        ({"kind": "Deployment"}, "restart", {}, "no apiVersion or kind"),
    ],
)
def test_what_cannot_be_done(of: dict[str, Any], name: str, params: dict[str, str], said: str) -> None:
    with pytest.raises(ActionError) as caught:
        run(of, name, params, NOW)
    assert said in str(caught.value)


def custom(text: str, key: str = "resource.customizations.actions.example.org_Widget", **data: str) -> CustomActions:
    return custom_actions({key: text, **data}, yaml.safe_load)


WIDGET = obj("example.org/v1/Widget", spec={"size": 1, "big": 2**60, "empty": {}, "nothing": None, "list": []})
SCRIPTS = """
discovery.lua: |
  local actions = {}
  actions["grow"] = {["disabled"] = obj.spec.size > 5, displayName = "Grow it", iconClass = "fa fa-plus",
    params = {{name = "by", type = "number", default = "1"}}}
  actions["make"] = {}
  return actions
definitions:
- name: grow
  action.lua: |
    obj.spec.size = obj.spec.size + tonumber(actionParams.by)
    return obj
- name: make
  action.lua: |
    local made = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "made", empty = {}}, rules = {}}
    return {{operation = "create", resource = made}, {operation = "patch", resource = obj}}
"""


def test_actions_of_the_settings() -> None:
    scripts = custom(SCRIPTS)
    by = Parameter("by", type="number", default="1")
    assert discover(WIDGET, scripts) == [Action("grow", False, "Grow it", "fa fa-plus", (by,)), Action("make")]
    assert only(WIDGET, "grow", custom=scripts).object == {**WIDGET, "spec": {**WIDGET["spec"], "size": 2}}
    assert only(WIDGET, "grow", {"by": "3"}, custom=scripts).object["spec"]["size"] == 4
    assert enabled(obj("example.org/v1/Widget", spec={"size": 9}), scripts) == {"make"}
    create, patch = run(WIDGET, "make", {}, NOW, scripts)
    assert (create.operation, patch.operation) == (Operation.CREATE, Operation.PATCH)
    assert create.object["metadata"] == {"name": "made", "empty": {}} and create.object["rules"] == []
    assert patch.object == WIDGET


def test_they_replace_the_built_in_ones_unless_merged() -> None:
    key = "resource.customizations.actions.apps_Deployment"
    text = "discovery.lua: return {mine = {}, scale = {displayName = 'Other'}}\ndefinitions: []\n"
    assert enabled(DEPLOYMENT, custom(text, key)) == {"mine", "scale"}
    merged = custom(text + "mergeBuiltinActions: true\n", key)
    assert enabled(DEPLOYMENT, merged) == {"mine", "pause", "restart", "scale"}
    assert {action.name: action.display_name for action in discover(DEPLOYMENT, merged)}["scale"] == "Other"
    with pytest.raises(ActionError, match="'mine' is listed and not defined"):
        run(DEPLOYMENT, "mine", {}, NOW, merged)
    assert only(DEPLOYMENT, "restart", custom=merged)


def test_definitions_alone_change_built_in_actions() -> None:
    text = "definitions:\n- name: restart\n  action.lua: |\n    obj.spec.mine = true\n    return obj\n"
    scripts = custom(text, "resource.customizations.actions.apps_Deployment")
    assert only(DEPLOYMENT, "restart", custom=scripts).object["spec"]["mine"] is True


def test_the_older_key_and_patterns() -> None:
    older = "'*.org/*':\n  actions: |\n    discovery.lua: 'return {a = {}}'\n"
    assert enabled(WIDGET, custom(older, "resource.customizations")) == {"a"}
    inner = "example.org/Widget: {actions: {discovery.lua: 'return {b = {disabled = type(coroutine) ~= \"table\"}}'}}"
    assert enabled(WIDGET, custom(inner, "resource.customizations")) == set()
    opened = {"resource.customizations.useOpenLibs.example.org_Widget": "true"}
    assert enabled(WIDGET, custom("discovery.lua: 'return {b = {disabled = coroutine == nil}}'", **opened)) == {"b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it is no map"),
        ("discover.lua: x", "discover.lua is not known; there are definitions, discovery.lua, mergeBuiltinActions"),
        ("discovery.lua: 3", "discovery.lua is no text"),
        ("definitions: 3", "definitions is no list"),
        ("definitions: [3]", "definitions[0] is no map"),
        ("definitions: [{name: a}]", "definitions[0]: action.lua is no text"),
        ("definitions: [{action.lua: a}]", "definitions[0]: name is no text"),
        ("mergeBuiltinActions: 'yes'", "mergeBuiltinActions is not true or false"),
    ],
)
def test_settings_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(CustomizationError) as caught:
        custom(text)
    assert str(caught.value).startswith("resource.customizations.actions.example.org_Widget") and said in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("discovery", "action", "said"),
    [
        ("return 3", "", "the discovery script returned no table of actions"),
        ("return {a = 3}", "", "says nothing that can be read about 'a'"),
        ("return {a = {params = {{}}}}", "", "a parameter without a name"),
        ("while true do end", "", "the discovery script failed: the script was stopped"),
        ("return {a = {}}", "return 3", "neither the object nor a list"),
        (
            "return {a = {}}",
            "return {{operation = 'delete', resource = obj}}",
            "the operation 'delete'; there are create",
        ),
        ("return {a = {}}", "return {{operation = 'patch'}}", "an operation without a resource"),
        ("return {a = {}}", "error('no')", "the action script failed: line 1: no"),
    ],
)
def test_scripts_that_fail(discovery: str, action: str, said: str) -> None:
    text = yaml.safe_dump(
        {"discovery.lua": discovery, "definitions": [{"name": "a", "action.lua": action or "return obj"}]}
    )
    with pytest.raises(ActionError) as caught:
        run(WIDGET, "a", {}, NOW, custom(text))
    assert said in str(caught.value)


@given(st.sampled_from(sorted(BUILT_IN)), json_values(), json_values(), json_values())
def test_no_object_makes_a_built_in_action_raise(kind: Any, metadata: Any, spec: Any, status: Any) -> None:
    of = {"apiVersion": f"{kind.group}/v1", "kind": kind.kind, "metadata": metadata, "spec": spec, "status": status}
    for action in discover(of):
        try:
            changes = run(of, action.name, {"scale": "1"} if action.params else {}, NOW)
        except ActionError as error:
            assert str(error)
        else:
            assert changes
