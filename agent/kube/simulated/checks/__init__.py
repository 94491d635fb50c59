"""What makes a simulated API server refuse an object: the rules whose breach an agent has to report well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.checks import cluster, config, network, pods, workloads
from agent.kube.simulated.problems import Problems

Checker: TypeAlias = Callable[[Object, Object | None, Problems], None]

_RBAC: Final = "rbac.authorization.k8s.io"

CHECKERS: Final[Mapping[GroupKind, Checker]] = {
    GroupKind("", "ConfigMap"): config.config_map,
    GroupKind("", "PersistentVolume"): config.volume,
    GroupKind("", "PersistentVolumeClaim"): config.claim,
    GroupKind("", "Pod"): pods.pod,
    GroupKind("", "Secret"): config.secret,
    GroupKind("", "Service"): network.service,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): cluster.definition,
    GroupKind("apps", "DaemonSet"): workloads.daemon_set,
    GroupKind("apps", "Deployment"): workloads.deployment,
    GroupKind("apps", "ReplicaSet"): workloads.replica_set,
    GroupKind("apps", "StatefulSet"): workloads.stateful_set,
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): cluster.autoscaler,
    GroupKind("batch", "CronJob"): workloads.cron_job,
    GroupKind("batch", "Job"): workloads.job,
    GroupKind("networking.k8s.io", "Ingress"): network.ingress,
    GroupKind("policy", "PodDisruptionBudget"): cluster.disruption_budget,
    GroupKind("scheduling.k8s.io", "PriorityClass"): cluster.priority_class,
    GroupKind("storage.k8s.io", "StorageClass"): config.storage_class,
    GroupKind(_RBAC, "ClusterRole"): cluster.role,
    GroupKind(_RBAC, "ClusterRoleBinding"): cluster.role_binding,
    GroupKind(_RBAC, "Role"): cluster.role,
    GroupKind(_RBAC, "RoleBinding"): cluster.role_binding,
}
