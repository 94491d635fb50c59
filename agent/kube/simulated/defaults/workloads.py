"""Defaults of the kinds that run pods."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import Object
from agent.kube.simulated.defaults import pods
from agent.kube.simulated.defaults.values import fill, objects, present, section

TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
"""The annotation by which the server counts the templates a DaemonSet had."""


def pod(tree: Object) -> None:
    """Fill in a pod."""
    spec = section(tree, "spec")
    pods.spec(spec)
    fill(spec, enableServiceLinks=True)
    for name in ("initContainers", "containers"):
        for container in objects(spec, name):
            if spec.get("hostNetwork"):
                for port in objects(container, "ports"):
                    fill(port, hostPort=port.get("containerPort"))
            resources = section(container, "resources")
            limits = present(resources, "limits")
            if limits:
                fill(section(resources, "requests"), **limits)
    fill(section(tree, "status"), phase="Pending", qosClass="BestEffort")


def deployment(tree: Object) -> None:
    """Fill in a Deployment."""
    spec = section(tree, "spec")
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = section(spec, "strategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), maxSurge="25%", maxUnavailable="25%")
    pods.template(spec)


def pod_template(tree: Object) -> None:
    """Fill in a PodTemplate."""
    pods.template(tree)


def replica_set(tree: Object) -> None:
    """Fill in a ReplicaSet."""
    spec = section(tree, "spec")
    fill(spec, replicas=1)
    pods.template(spec)


def replication_controller(tree: Object) -> None:
    """Fill in a ReplicationController."""
    spec = section(tree, "spec")
    fill(spec, replicas=1)
    pods.template(spec)
    labels = present(spec, "template", "metadata", "labels")
    if labels:
        fill(spec, selector=dict(labels))
        fill(section(tree, "metadata"), labels=dict(labels))


def stateful_set(tree: Object) -> None:
    """Fill in a StatefulSet."""
    spec = section(tree, "spec")
    fill(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
    strategy = section(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        section(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        fill(section(strategy, "rollingUpdate"), partition=0)
    fill(section(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")
    pods.template(spec)
    for claim in objects(spec, "volumeClaimTemplates"):
        fill(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        fill(section(claim, "status"), phase="Pending")
        fill(section(claim, "spec"), volumeMode="Filesystem")


def daemon_set(tree: Object) -> None:
    """Fill in a DaemonSet."""
    spec = section(tree, "spec")
    fill(section(tree["metadata"], "annotations"), **{TEMPLATE_GENERATION: "1"})
    fill(spec, revisionHistoryLimit=10)
    strategy = section(spec, "updateStrategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), maxSurge=0, maxUnavailable=1)
    pods.template(spec)


def job(tree: Object) -> None:
    """Fill in a Job."""
    spec = section(tree, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(
        spec,
        parallelism=1,
        backoffLimit=2_147_483_647 if spec.get("backoffLimitPerIndex") is not None else 6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
        manualSelector=False,
    )
    pods.template(spec)
    labels = present(spec, "template", "metadata", "labels")
    if labels:
        fill(tree["metadata"], labels=dict(labels))


def cron_job(tree: Object) -> None:
    """Fill in a CronJob."""
    spec = section(tree, "spec")
    fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job_template = section(spec, "jobTemplate")
    pods.template(section(job_template, "spec"))
