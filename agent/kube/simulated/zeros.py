"""Fields the API server does not give back when they are false, 0 or empty, type by type.

What the server publishes of its types does not tell these fields from those that keep a zero (`replicas: 0`), so the
ones manifests commonly carry are listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ZEROS: Final[Mapping[str, tuple[str, ...]]] = {
    "apps.v1.DaemonSetSpec": ("minReadySeconds",),
    "apps.v1.DeploymentSpec": ("minReadySeconds", "paused"),
    "apps.v1.ReplicaSetSpec": ("minReadySeconds",),
    "apps.v1.StatefulSetSpec": ("minReadySeconds",),
    "core.v1.Container": ("imagePullPolicy", "stdin", "stdinOnce", "terminationMessagePath", "tty", "workingDir"),
    "core.v1.ContainerPort": ("hostIP", "hostPort", "name"),
    "core.v1.EnvVar": ("value",),
    "core.v1.HTTPGetAction": ("host", "path", "scheme"),
    "core.v1.PersistentVolumeClaimSpec": ("volumeName",),
    "core.v1.PodSpec": (
        "dnsPolicy",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostname",
        "nodeName",
        "priorityClassName",
        "restartPolicy",
        "schedulerName",
        "serviceAccount",
        "serviceAccountName",
        "subdomain",
    ),
    "core.v1.Probe": (
        "failureThreshold",
        "initialDelaySeconds",
        "periodSeconds",
        "successThreshold",
        "timeoutSeconds",
    ),
    "core.v1.Secret": ("type",),
    "core.v1.ServicePort": ("name", "nodePort", "targetPort"),
    "core.v1.ServiceSpec": (
        "externalName",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "loadBalancerIP",
        "publishNotReadyAddresses",
        "sessionAffinity",
        "type",
    ),
    "core.v1.VolumeMount": ("readOnly", "subPath", "subPathExpr"),
    "networking.v1.IngressRule": ("host",),
    "networking.v1.ServiceBackendPort": ("name", "number"),
    "rbac.v1.RoleRef": ("apiGroup",),
    "rbac.v1.Subject": ("apiGroup", "namespace"),
    "scheduling.v1.PriorityClass": ("description", "globalDefault"),
}
