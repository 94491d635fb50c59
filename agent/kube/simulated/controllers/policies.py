"""What gives the kinds that govern their status: autoscalers, budgets, definitions, aggregated APIs."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import GroupKind, Object, split_api_version
from agent.kube.simulated.checks.workloads import selects
from agent.kube.simulated.controllers.context import Context, conditions_of, set_condition
from agent.kube.simulated.controllers.pods import POD, is_ready

AUTOSCALER: Final = GroupKind("autoscaling", "HorizontalPodAutoscaler")
BUDGET: Final = GroupKind("policy", "PodDisruptionBudget")
DEFINITION: Final = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
API_SERVICE: Final = GroupKind("apiregistration.k8s.io", "APIService")


def reconcile_autoscaler(context: Context, tree: Object) -> None:
    """Keep the target of an autoscaler within its bounds, and say that all is well."""
    spec, now = tree["spec"], context.now()
    reference = spec["scaleTargetRef"]
    group, _ = split_api_version(reference.get("apiVersion") or "apps/v1")
    group_kind = GroupKind(group, reference["kind"])
    target = context.read(group_kind, tree["metadata"]["namespace"], reference["name"])
    conditions = conditions_of(tree)
    if target is None:
        text = f'the HPA controller was unable to get the target\'s current scale: "{reference["name"]}" not found'
        set_condition(conditions, now, "AbleToScale", "False", "FailedGetScale", text)
        context.set_status(AUTOSCALER, tree, {"conditions": conditions, "currentReplicas": 0, "desiredReplicas": 0})
        return
    current = (target.get("spec") or {}).get("replicas")
    if not isinstance(current, int):
        current = 1
    wanted = min(max(current, spec.get("minReplicas", 1)), spec["maxReplicas"])
    if wanted != current:
        context.change(group_kind, target, lambda t: t["spec"].update(replicas=wanted), "scale")
    set_condition(conditions, now, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
    text = "the HPA was able to successfully calculate a replica count"
    set_condition(conditions, now, "ScalingActive", "True", "ValidMetricFound", text)
    text = "the desired count is within the acceptable range"
    set_condition(conditions, now, "ScalingLimited", "False", "DesiredWithinRange", text)
    status = {"conditions": conditions, "currentReplicas": current, "desiredReplicas": wanted}
    context.set_status(AUTOSCALER, tree, status)


def reconcile_budget(context: Context, tree: Object) -> None:
    """Tell how many pods a budget lets go."""
    spec, metadata = tree["spec"], tree["metadata"]
    selector = spec.get("selector") or {}
    pods = context.selected(metadata["namespace"], POD, lambda labels: selects(selector, labels))
    healthy = sum(1 for pod in pods if is_ready(pod))
    if spec.get("minAvailable") is not None:
        desired = _share(spec["minAvailable"], len(pods))
    else:
        desired = len(pods) - _share(spec.get("maxUnavailable", 0), len(pods))
    allowed = max(0, healthy - desired)
    conditions = conditions_of(tree)
    set_condition(
        conditions,
        context.now(),
        "DisruptionAllowed",
        "True" if allowed else "False",
        "SufficientPods" if allowed else "InsufficientPods",
    )
    status = {
        "conditions": conditions,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": len(pods),
        "observedGeneration": metadata.get("generation", 1),
    }
    context.set_status(BUDGET, tree, status)


def _share(value: object, total: int) -> int:
    text = str(value)
    if text.endswith("%") and text[:-1].isdigit():
        return -(-total * int(text[:-1]) // 100)
    return int(text) if text.isdigit() else 0


def reconcile_definition(context: Context, tree: Object) -> None:
    """Serve what a CustomResourceDefinition defines, and say so."""
    conditions, now = conditions_of(tree), context.now()
    set_condition(conditions, now, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
    set_condition(
        conditions, now, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted"
    )
    spec = tree["spec"]
    stored = list((tree.get("status") or {}).get("storedVersions") or ())
    for version in spec["versions"]:
        if version.get("storage") and version["name"] not in stored:
            stored.append(version["name"])
    status = {"acceptedNames": dict(spec["names"]), "conditions": conditions, "storedVersions": stored}
    context.set_status(DEFINITION, tree, status, "kube-apiserver")


def reconcile_api_service(context: Context, tree: Object) -> None:
    """Say that an aggregated API answers."""
    conditions = conditions_of(tree)
    local = not (tree.get("spec") or {}).get("service")
    text = "Local APIServices are always available" if local else "all checks passed"
    set_condition(conditions, context.now(), "Available", "True", "Local" if local else "Passed", text)
    context.set_status(API_SERVICE, tree, {"conditions": conditions}, "kube-apiserver")
