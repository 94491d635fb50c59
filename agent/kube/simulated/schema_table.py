"""The merge rules of the built-in kinds, as a Kubernetes 1.36 API server has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.kube.simulated.schema import ATOMIC, SET, STRUCT, Node, keyed, mapping, struct

_MAP: Final = mapping()
_CONDITIONS: Final = keyed("type")

METADATA: Final = struct(annotations=_MAP, labels=_MAP, finalizers=SET, ownerReferences=keyed("uid", element=ATOMIC))

_RESOURCES: Final = struct(claims=keyed("name"), limits=_MAP, requests=_MAP)
_CLAIM_SPEC: Final = struct(dataSource=ATOMIC, resources=struct(limits=_MAP, requests=_MAP), selector=ATOMIC)

_CONTAINERS: Final = keyed(
    "name",
    element=struct(
        env=keyed(
            "name",
            element=struct(
                valueFrom=struct(
                    configMapKeyRef=ATOMIC,
                    fieldRef=ATOMIC,
                    fileKeyRef=ATOMIC,
                    resourceFieldRef=ATOMIC,
                    secretKeyRef=ATOMIC,
                )
            ),
        ),
        ports=keyed("containerPort", "protocol", protocol="TCP"),
        resources=_RESOURCES,
        volumeDevices=keyed("devicePath"),
        volumeMounts=keyed("mountPath"),
    ),
)

_SECRET_REF: Final = struct(secretRef=ATOMIC)

_VOLUMES: Final = keyed(
    "name",
    element=struct(
        cephfs=_SECRET_REF,
        cinder=_SECRET_REF,
        csi=struct(nodePublishSecretRef=ATOMIC, volumeAttributes=_MAP),
        ephemeral=struct(volumeClaimTemplate=struct(metadata=METADATA, spec=_CLAIM_SPEC)),
        flexVolume=struct(options=_MAP, secretRef=ATOMIC),
        iscsi=_SECRET_REF,
        rbd=_SECRET_REF,
        scaleIO=_SECRET_REF,
        storageos=_SECRET_REF,
    ),
)

_POD_SPEC: Final = struct(
    affinity=struct(nodeAffinity=struct(requiredDuringSchedulingIgnoredDuringExecution=ATOMIC)),
    containers=_CONTAINERS,
    ephemeralContainers=_CONTAINERS,
    hostAliases=keyed("ip"),
    imagePullSecrets=keyed("name", element=ATOMIC),
    initContainers=_CONTAINERS,
    nodeSelector=ATOMIC,
    overhead=_MAP,
    resourceClaims=keyed("name"),
    resources=_RESOURCES,
    schedulingGates=keyed("name"),
    topologySpreadConstraints=keyed("topologyKey", "whenUnsatisfiable", element=struct(labelSelector=ATOMIC)),
    volumes=_VOLUMES,
)

_TEMPLATE: Final = struct(metadata=METADATA, spec=_POD_SPEC)
_WORKLOAD: Final = struct(selector=ATOMIC, template=_TEMPLATE)
_WITH_CONDITIONS: Final = struct(conditions=_CONDITIONS)

_WEBHOOKS: Final = keyed(
    "name", element=struct(matchConditions=keyed("name"), namespaceSelector=ATOMIC, objectSelector=ATOMIC)
)

_VOLUME_SOURCE: Final = struct(
    capacity=_MAP,
    cephfs=_SECRET_REF,
    cinder=_SECRET_REF,
    claimRef=ATOMIC,
    csi=struct(
        controllerExpandSecretRef=ATOMIC,
        controllerPublishSecretRef=ATOMIC,
        nodeExpandSecretRef=ATOMIC,
        nodePublishSecretRef=ATOMIC,
        nodeStageSecretRef=ATOMIC,
        volumeAttributes=_MAP,
    ),
    flexVolume=struct(options=_MAP, secretRef=ATOMIC),
    iscsi=_SECRET_REF,
    nodeAffinity=struct(required=ATOMIC),
    rbd=_SECRET_REF,
    scaleIO=_SECRET_REF,
    storageos=_SECRET_REF,
)

_ADMISSION: Final = "admissionregistration.k8s.io"
_POLICY_SPEC: Final = struct(matchConditions=keyed("name"), matchConstraints=ATOMIC, paramKind=ATOMIC)

_ROOTS: Final[Mapping[tuple[str, str], Mapping[str, Node]]] = {
    ("", "ConfigMap"): {"data": _MAP, "binaryData": _MAP},
    ("", "Event"): {"involvedObject": ATOMIC, "related": ATOMIC},
    ("", "Namespace"): {"status": _WITH_CONDITIONS},
    ("", "Node"): {
        "spec": struct(podCIDRs=SET),
        "status": struct(addresses=keyed("type"), allocatable=_MAP, capacity=_MAP, conditions=_CONDITIONS),
    },
    ("", "PersistentVolume"): {"spec": _VOLUME_SOURCE},
    ("", "PersistentVolumeClaim"): {
        "spec": _CLAIM_SPEC,
        "status": struct(
            allocatedResourceStatuses=_MAP, allocatedResources=_MAP, capacity=_MAP, conditions=_CONDITIONS
        ),
    },
    ("", "Pod"): {
        "spec": _POD_SPEC,
        "status": struct(
            allocatedResources=_MAP,
            conditions=_CONDITIONS,
            podIPs=keyed("ip"),
            resourceClaimStatuses=keyed("name"),
            resources=_RESOURCES,
        ),
    },
    ("", "PodTemplate"): {"template": _TEMPLATE},
    ("", "ReplicationController"): {"spec": _WORKLOAD, "status": _WITH_CONDITIONS},
    ("", "ResourceQuota"): {
        "spec": struct(hard=_MAP, scopeSelector=ATOMIC),
        "status": struct(hard=_MAP, used=_MAP),
    },
    ("", "Secret"): {"data": _MAP, "stringData": _MAP},
    ("", "Service"): {
        "spec": struct(ports=keyed("port", "protocol", protocol="TCP"), selector=ATOMIC),
        "status": _WITH_CONDITIONS,
    },
    ("", "ServiceAccount"): {"secrets": keyed("name", element=ATOMIC)},
    ("apps", "ControllerRevision"): {"data": ATOMIC},
    ("apps", "DaemonSet"): {"spec": _WORKLOAD, "status": _WITH_CONDITIONS},
    ("apps", "Deployment"): {"spec": _WORKLOAD, "status": _WITH_CONDITIONS},
    ("apps", "ReplicaSet"): {"spec": _WORKLOAD, "status": _WITH_CONDITIONS},
    ("apps", "StatefulSet"): {"spec": _WORKLOAD, "status": _WITH_CONDITIONS},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {"status": _WITH_CONDITIONS},
    ("apiregistration.k8s.io", "APIService"): {"status": _WITH_CONDITIONS},
    ("autoscaling", "HorizontalPodAutoscaler"): {"status": _WITH_CONDITIONS},
    ("batch", "CronJob"): {"spec": struct(jobTemplate=struct(metadata=METADATA, spec=_WORKLOAD))},
    ("batch", "Job"): {
        "spec": _WORKLOAD,
        "status": struct(uncountedTerminatedPods=struct(failed=SET, succeeded=SET)),
    },
    ("certificates.k8s.io", "CertificateSigningRequest"): {"spec": struct(extra=_MAP), "status": _WITH_CONDITIONS},
    ("events.k8s.io", "Event"): {"regarding": ATOMIC, "related": ATOMIC},
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): {"status": _WITH_CONDITIONS},
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): {"status": _WITH_CONDITIONS},
    ("networking.k8s.io", "Ingress"): {
        "spec": struct(defaultBackend=struct(resource=ATOMIC, service=struct(port=ATOMIC)))
    },
    ("networking.k8s.io", "NetworkPolicy"): {"spec": struct(podSelector=ATOMIC)},
    ("networking.k8s.io", "ServiceCIDR"): {"status": _WITH_CONDITIONS},
    ("node.k8s.io", "RuntimeClass"): {
        "overhead": struct(podFixed=_MAP),
        "scheduling": struct(nodeSelector=ATOMIC),
    },
    ("policy", "PodDisruptionBudget"): {
        "spec": struct(selector=ATOMIC),
        "status": struct(conditions=_CONDITIONS, disruptedPods=_MAP),
    },
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): {"roleRef": ATOMIC},
    ("rbac.authorization.k8s.io", "RoleBinding"): {"roleRef": ATOMIC},
    ("resource.k8s.io", "ResourceClaim"): {
        "status": struct(
            allocation=struct(nodeSelector=ATOMIC),
            devices=keyed("driver", "device", "pool", "shareID", element=_WITH_CONDITIONS),
            reservedFor=keyed("uid"),
        )
    },
    ("resource.k8s.io", "ResourceClaimTemplate"): {"spec": struct(metadata=METADATA)},
    ("resource.k8s.io", "ResourceSlice"): {"spec": struct(nodeSelector=ATOMIC)},
    ("storage.k8s.io", "CSIDriver"): {"spec": struct(volumeLifecycleModes=SET)},
    ("storage.k8s.io", "CSINode"): {"spec": struct(drivers=keyed("name"))},
    ("storage.k8s.io", "CSIStorageCapacity"): {"nodeTopology": ATOMIC},
    ("storage.k8s.io", "StorageClass"): {"parameters": _MAP},
    ("storage.k8s.io", "VolumeAttachment"): {
        "spec": struct(source=struct(inlineVolumeSpec=_VOLUME_SOURCE)),
        "status": struct(attachmentMetadata=_MAP),
    },
    ("storage.k8s.io", "VolumeAttributesClass"): {"parameters": _MAP},
    (_ADMISSION, "MutatingAdmissionPolicy"): {"spec": _POLICY_SPEC},
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): {"spec": struct(matchResources=ATOMIC, paramRef=ATOMIC)},
    (_ADMISSION, "MutatingWebhookConfiguration"): {"webhooks": _WEBHOOKS},
    (_ADMISSION, "ValidatingAdmissionPolicy"): {
        "spec": struct(
            matchConditions=keyed("name"),
            matchConstraints=ATOMIC,
            paramKind=ATOMIC,
            variables=keyed("name", element=ATOMIC),
        ),
        "status": _WITH_CONDITIONS,
    },
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): {
        "spec": struct(matchResources=ATOMIC, paramRef=ATOMIC, validationActions=SET)
    },
    (_ADMISSION, "ValidatingWebhookConfiguration"): {"webhooks": _WEBHOOKS},
}

_PLAIN: Final = struct(metadata=METADATA)
_BUILT: Final = {
    key: Node(_PLAIN.shape, {"metadata": METADATA, **fields}, other=STRUCT) for key, fields in _ROOTS.items()
}


def builtin(group: str, kind: str) -> Node:
    """Return the merge rules of a built-in kind."""
    return _BUILT.get((group, kind), _PLAIN)


def custom(schema: Node) -> Node:
    """Return the merge rules of a custom kind, whose metadata follows the rules of every kind."""
    return Node(schema.shape, {**schema.fields, "metadata": METADATA}, other=schema.other)
