"""Checks of the kinds that govern: roles, autoscalers, budgets, priorities, definitions."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import Object
from agent.kube.simulated.checks.names import dns_label, subdomain
from agent.kube.simulated.checks.pods import whole_number
from agent.kube.simulated.defaults.values import objects, present
from agent.kube.simulated.problems import Problems
from agent.kube.simulated.structural import check_schema

_GROUPED: Final = ("Deployment", "ReplicaSet", "StatefulSet")
_SCOPES: Final = ("Cluster", "Namespaced")


def role(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a Role or ClusterRole."""
    for index, rule in enumerate(objects(tree, "rules")):
        if not rule.get("verbs"):
            problems.required(f"rules[{index}].verbs", "verbs must contain at least one value")
        if not rule.get("nonResourceURLs"):
            if rule.get("apiGroups") is None:
                problems.required(f"rules[{index}].apiGroups", "resource rules must supply at least one api group")
            if not rule.get("resources"):
                problems.required(f"rules[{index}].resources", "resource rules must supply at least one resource")


def role_binding(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a RoleBinding or ClusterRoleBinding."""
    reference = present(tree, "roleRef") or {}
    if not reference.get("name"):
        problems.required("roleRef.name")
    if reference.get("kind") not in ("Role", "ClusterRole"):
        problems.unsupported("roleRef.kind", reference.get("kind"), ("Role", "ClusterRole"))
    if before is not None and reference != before.get("roleRef"):
        problems.invalid("roleRef", reference, "cannot change roleRef")
    for index, subject in enumerate(objects(tree, "subjects")):
        if not subject.get("name"):
            problems.required(f"subjects[{index}].name")


def autoscaler(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a HorizontalPodAutoscaler."""
    spec = tree["spec"]
    most, least = spec.get("maxReplicas"), spec.get("minReplicas")
    whole_number(most, "spec.maxReplicas", problems, 1)
    whole_number(least, "spec.minReplicas", problems, 1)
    if most is None:
        problems.required("spec.maxReplicas")
    elif isinstance(most, int) and isinstance(least, int) and most < least:
        problems.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = present(spec, "scaleTargetRef") or {}
    for key in ("kind", "name"):
        if not target.get(key):
            problems.required(f"spec.scaleTargetRef.{key}")
    if target.get("kind") in _GROUPED and "/" not in str(target.get("apiVersion", "")):
        problems.invalid(
            "spec.scaleTargetRef.apiVersion", target.get("apiVersion"), "apiVersion must specify API group"
        )


def disruption_budget(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a PodDisruptionBudget."""
    spec = present(tree, "spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        problems.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")


def priority_class(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a PriorityClass."""
    whole_number(tree.get("value"), "value", problems, -2_147_483_648, 1_000_000_000)
    if before is not None and tree.get("value") != before.get("value"):
        problems.forbidden("value", "may not be changed in an update.")


def definition(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a CustomResourceDefinition."""
    spec = tree["spec"]
    names = present(spec, "names") or {}
    group, plural = spec.get("group"), names.get("plural")
    if not isinstance(group, str) or not subdomain(group) or "." not in group:
        problems.invalid("spec.group", group, "should be a domain with at least one dot")
    if not dns_label(plural):
        problems.required("spec.names.plural")
    if not isinstance(names.get("kind"), str) or not names["kind"]:
        problems.required("spec.names.kind")
    if tree["metadata"]["name"] != f"{plural}.{group}":
        problems.invalid("metadata.name", tree["metadata"]["name"], 'must be spec.names.plural+"."+spec.group')
    if spec.get("scope") not in _SCOPES:
        problems.unsupported("spec.scope", spec.get("scope"), _SCOPES)
    _versions(spec, problems)
    if before is not None:
        for key in ("group", "scope"):
            if spec.get(key) != before["spec"].get(key):
                problems.invalid(f"spec.{key}", spec.get(key), "field is immutable")


def _versions(spec: Object, problems: Problems) -> None:
    versions = list(objects(spec, "versions"))
    if not versions:
        problems.required("spec.versions", "must have at least one version")
    elif sum(1 for version in versions if version.get("storage") is True) != 1:
        problems.invalid("spec.versions", "", "must have exactly one version marked as storage version")
    seen: set[str] = set()
    for index, version in enumerate(versions):
        name = version.get("name")
        if not dns_label(name):
            problems.required(f"spec.versions[{index}].name")
        elif name in seen:
            problems.add(f"spec.versions[{index}].name", f'Duplicate value: "{name}"')
        seen.add(str(name))
        field = f"spec.versions[{index}].schema.openAPIV3Schema"
        schema = present(version, "schema", "openAPIV3Schema")
        if schema is None:
            problems.required(field, "schemas are required")
        else:
            check_schema(schema, field, problems)
