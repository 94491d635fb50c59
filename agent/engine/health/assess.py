"""The health of any object: which rule judges which kind, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.engine.health.apiservice import apiservice
from agent.engine.health.conventions import by_conventions
from agent.engine.health.cronjob import cronjob
from agent.engine.health.customresourcedefinition import customresourcedefinition
from agent.engine.health.daemonset import daemonset
from agent.engine.health.deployment import deployment
from agent.engine.health.horizontalpodautoscaler import horizontalpodautoscaler
from agent.engine.health.ingress import ingress
from agent.engine.health.job import job
from agent.engine.health.model import Health, progressing, unknown
from agent.engine.health.namespace import namespace
from agent.engine.health.persistentvolume import persistentvolume
from agent.engine.health.persistentvolumeclaim import persistentvolumeclaim
from agent.engine.health.pod import pod
from agent.engine.health.poddisruptionbudget import poddisruptionbudget
from agent.engine.health.reading import Malformed, View, with_cause
from agent.engine.health.replicaset import replicaset
from agent.engine.health.rollout import rollout
from agent.engine.health.route import route
from agent.engine.health.service import service
from agent.engine.health.statefulset import statefulset
from agent.engine.health.workflow import workflow
from agent.engine.resource import GroupKind, Object, split_api_version

IGNORE_HEALTHCHECK: Final = "argocd.argoproj.io/ignore-healthcheck"

Rule = Callable[[View], Health]

RULES: Final[dict[GroupKind, Rule]] = {
    GroupKind("", "Namespace"): namespace,
    GroupKind("", "PersistentVolume"): persistentvolume,
    GroupKind("", "PersistentVolumeClaim"): persistentvolumeclaim,
    GroupKind("", "Pod"): pod,
    GroupKind("", "ReplicationController"): replicaset,
    GroupKind("", "Service"): service,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): customresourcedefinition,
    GroupKind("apiregistration.k8s.io", "APIService"): apiservice,
    GroupKind("apps", "DaemonSet"): daemonset,
    GroupKind("apps", "Deployment"): deployment,
    GroupKind("apps", "ReplicaSet"): replicaset,
    GroupKind("apps", "StatefulSet"): statefulset,
    GroupKind("argoproj.io", "AnalysisRun"): workflow,
    GroupKind("argoproj.io", "Experiment"): workflow,
    GroupKind("argoproj.io", "Rollout"): rollout,
    GroupKind("argoproj.io", "Workflow"): workflow,
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): horizontalpodautoscaler,
    GroupKind("batch", "CronJob"): cronjob,
    GroupKind("batch", "Job"): job,
    GroupKind("extensions", "Ingress"): ingress,
    GroupKind("gateway.networking.k8s.io", "GRPCRoute"): route,
    GroupKind("gateway.networking.k8s.io", "HTTPRoute"): route,
    GroupKind("gateway.networking.k8s.io", "TCPRoute"): route,
    GroupKind("gateway.networking.k8s.io", "TLSRoute"): route,
    GroupKind("gateway.networking.k8s.io", "UDPRoute"): route,
    GroupKind("networking.k8s.io", "Ingress"): ingress,
    GroupKind("policy", "PodDisruptionBudget"): poddisruptionbudget,
}

_BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""Groups of Kubernetes itself, whose kinds without a rule have no health: ConfigMap, Secret, Role, StorageClass."""


def assess(obj: Object) -> Health | None:
    """Say what state a live object is in; None for a kind that has no health of its own, which counts as fine.

    Never raises: of an object that cannot be read the health is Unknown, and the message names the field.
    """
    view = View(obj)
    try:
        return _assess(view)
    except Malformed as problem:
        return unknown(f"the object cannot be read: {problem}")


def _assess(view: View) -> Health | None:
    metadata = view.map("metadata")
    if metadata.has("deletionTimestamp"):
        return _being_deleted(view, metadata)
    group, _ = split_api_version(view.text("apiVersion"))
    rule = RULES.get(GroupKind(group, view.text("kind")))
    if rule is not None:
        return rule(view)
    return None if group in _BUILT_IN_GROUPS else by_conventions(view)


def _being_deleted(view: View, metadata: View) -> Health:
    message = f"being deleted since {metadata.text('deletionTimestamp')}"
    finalizers = [text for text in metadata.items("finalizers") if isinstance(text, str)]
    waiting = f"held by finalizers {', '.join(finalizers)}" if finalizers else ""
    inner = namespace(view).message if view.text("kind") == "Namespace" else ""
    return progressing(with_cause(message, waiting, inner))


def is_ignored(obj: Object) -> bool:
    """Tell whether an object asks not to be counted in the health of its application."""
    try:
        return View(obj).annotation(IGNORE_HEALTHCHECK) == "true"
    except Malformed:
        return False
