"""Defaults of the kinds that govern: namespaces, quotas, roles, webhooks, definitions."""

from __future__ import annotations

from typing import Any, Final

from agent.engine.resource import Object
from agent.kube.simulated.defaults.values import fill, objects, present, section


def namespace(tree: Object) -> None:
    """Fill in a Namespace."""
    labels = section(section(tree, "metadata"), "labels")
    labels["kubernetes.io/metadata.name"] = tree["metadata"]["name"]
    fill(section(tree, "status"), phase="Active")


def limit_range(tree: Object) -> None:
    """Fill in a LimitRange: each limit of containers that is not given follows from the others."""
    for limit in objects(section(tree, "spec"), "limits"):
        if limit.get("type") == "Container":
            _inherit(limit, "default", "max")
            _inherit(limit, "defaultRequest", "default")
            _inherit(limit, "defaultRequest", "min")


def _inherit(limit: Object, target: str, source: str) -> None:
    amounts = limit.get(source)
    if isinstance(amounts, dict) and amounts:
        fill(section(limit, target), **amounts)


def role_binding(tree: Object) -> None:
    """Fill in a RoleBinding or ClusterRoleBinding."""
    group = "rbac.authorization.k8s.io"
    role = present(tree, "roleRef")
    if role is not None:
        fill(role, apiGroup=group)
    for subject in objects(tree, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            fill(subject, apiGroup=group)


def role(tree: Object) -> None:
    """Fill in a Role or ClusterRole, whose rules are null where there are none."""
    tree.setdefault("rules", None)


def priority_class(tree: Object) -> None:
    """Fill in a PriorityClass."""
    fill(tree, preemptionPolicy="PreemptLowerPriority")


def api_service(tree: Object) -> None:
    """Fill in an APIService."""
    service = present(tree, "spec", "service")
    if service is not None:
        fill(service, port=443)


def validating_webhooks(tree: Object) -> None:
    """Fill in a ValidatingWebhookConfiguration."""
    _webhooks(tree)


def mutating_webhooks(tree: Object) -> None:
    """Fill in a MutatingWebhookConfiguration."""
    _webhooks(tree, reinvocationPolicy="Never")


def _webhooks(tree: Object, **more: Any) -> None:
    for webhook in objects(tree, "webhooks"):
        fill(webhook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10, **more)
        section(webhook, "namespaceSelector")
        section(webhook, "objectSelector")
        service = present(webhook, "clientConfig", "service")
        if service is not None:
            fill(service, port=443)
        for rule in objects(webhook, "rules"):
            fill(rule, scope="*")


def horizontal_pod_autoscaler(tree: Object) -> None:
    """Fill in a HorizontalPodAutoscaler; in its first version it has one target and no list of metrics."""
    spec = section(tree, "spec")
    fill(spec, minReplicas=1)
    behavior = present(spec, "behavior")
    if behavior is not None:
        _scaling_rules(behavior)
    if tree.get("apiVersion") == "autoscaling/v1":
        fill(spec, targetCPUUtilizationPercentage=80)
    elif not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _scaling_rules(behavior: Object) -> None:
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
    fill(section(behavior, "scaleUp"), stabilizationWindowSeconds=0, selectPolicy="Max", policies=[pods, dict(percent)])
    fill(section(behavior, "scaleDown"), selectPolicy="Max", policies=[percent])


def admission_policy(tree: Object) -> None:
    """Fill in a ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    spec = section(tree, "spec")
    fill(spec, failurePolicy="Fail")
    _match_resources(present(spec, "matchConstraints"))


def admission_policy_binding(tree: Object) -> None:
    """Fill in the binding of an admission policy."""
    _match_resources(present(tree, "spec", "matchResources"))


def _match_resources(match: Object | None) -> None:
    if match is None:
        return
    fill(match, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for key in ("resourceRules", "excludeResourceRules"):
        for rule in objects(match, key):
            fill(rule, scope="*")


def flow_schema(tree: Object) -> None:
    """Fill in a FlowSchema."""
    fill(section(tree, "spec"), matchingPrecedence=1000)


def custom_resource_definition(tree: Object) -> None:
    """Fill in a CustomResourceDefinition."""
    spec = section(tree, "spec")
    names = section(spec, "names")
    kind = names.get("kind")
    if isinstance(kind, str):
        fill(names, listKind=f"{kind}List", singular=kind.lower())
    fill(section(spec, "conversion"), strategy="None")
    for version in objects(spec, "versions"):
        schema = present(version, "schema", "openAPIV3Schema")
        if schema is not None:
            _tidy_schema(schema)


def _tidy_schema(root: Object) -> None:
    """Drop from a schema what says nothing, which the server does not keep."""
    stack: list[Any] = [root]
    while stack:
        schema = stack.pop()
        if not isinstance(schema, dict):
            continue
        for key in [key for key, value in schema.items() if key in _SAYS_NOTHING_EMPTY and not value]:
            del schema[key]
        for key in ("properties", "patternProperties", "definitions"):
            stack += (schema.get(key) or {}).values() if isinstance(schema.get(key), dict) else ()
        for key in ("allOf", "anyOf", "oneOf"):
            stack += schema[key] if isinstance(schema.get(key), list) else ()
        stack += (schema.get(key) for key in ("items", "additionalProperties", "additionalItems", "not"))


_SAYS_NOTHING_EMPTY: Final = frozenset(
    {
        "$schema",
        "allOf",
        "anyOf",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "id",
        "nullable",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
        "uniqueItems",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
    }
)
"""Keywords of a schema that are left out when they are false or empty."""
