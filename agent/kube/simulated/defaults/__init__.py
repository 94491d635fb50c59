"""What the API server fills in where a manifest says nothing, kind by kind.

Drift detection is tried against this: a server gives back more than it was given, and spells some of it differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.defaults import cluster, network, storage, workloads

Defaulter: TypeAlias = Callable[[Object], None]

_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"

DEFAULTERS: Final[Mapping[GroupKind, Defaulter]] = {
    GroupKind("", "ConfigMap"): storage.config_map,
    GroupKind("", "Endpoints"): network.endpoints,
    GroupKind("", "LimitRange"): cluster.limit_range,
    GroupKind("", "Namespace"): cluster.namespace,
    GroupKind("", "PersistentVolume"): storage.persistent_volume,
    GroupKind("", "PersistentVolumeClaim"): storage.persistent_volume_claim,
    GroupKind("", "Pod"): workloads.pod,
    GroupKind("", "PodTemplate"): workloads.pod_template,
    GroupKind("", "ReplicationController"): workloads.replication_controller,
    GroupKind("", "Secret"): storage.secret,
    GroupKind("", "Service"): network.service,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): cluster.custom_resource_definition,
    GroupKind("apiregistration.k8s.io", "APIService"): cluster.api_service,
    GroupKind("apps", "DaemonSet"): workloads.daemon_set,
    GroupKind("apps", "Deployment"): workloads.deployment,
    GroupKind("apps", "ReplicaSet"): workloads.replica_set,
    GroupKind("apps", "StatefulSet"): workloads.stateful_set,
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): cluster.horizontal_pod_autoscaler,
    GroupKind("batch", "CronJob"): workloads.cron_job,
    GroupKind("batch", "Job"): workloads.job,
    GroupKind("discovery.k8s.io", "EndpointSlice"): network.endpoint_slice,
    GroupKind("flowcontrol.apiserver.k8s.io", "FlowSchema"): cluster.flow_schema,
    GroupKind("networking.k8s.io", "IngressClass"): network.ingress_class,
    GroupKind("networking.k8s.io", "NetworkPolicy"): network.network_policy,
    GroupKind("scheduling.k8s.io", "PriorityClass"): cluster.priority_class,
    GroupKind("storage.k8s.io", "CSIDriver"): storage.csi_driver,
    GroupKind("storage.k8s.io", "StorageClass"): storage.storage_class,
    GroupKind(_ADMISSION, "MutatingAdmissionPolicy"): cluster.admission_policy,
    GroupKind(_ADMISSION, "MutatingAdmissionPolicyBinding"): cluster.admission_policy_binding,
    GroupKind(_ADMISSION, "ValidatingAdmissionPolicy"): cluster.admission_policy,
    GroupKind(_ADMISSION, "ValidatingAdmissionPolicyBinding"): cluster.admission_policy_binding,
    GroupKind(_ADMISSION, "MutatingWebhookConfiguration"): cluster.mutating_webhooks,
    GroupKind(_ADMISSION, "ValidatingWebhookConfiguration"): cluster.validating_webhooks,
    GroupKind(_RBAC, "ClusterRole"): cluster.role,
    GroupKind(_RBAC, "Role"): cluster.role,
    GroupKind(_RBAC, "ClusterRoleBinding"): cluster.role_binding,
    GroupKind(_RBAC, "RoleBinding"): cluster.role_binding,
}
