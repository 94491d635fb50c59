"""Manifests of many kinds, as plain as they may be and as odd as people write them.

`NS` stands for the namespace of the test, in names and in values.
"""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object
from tests.kube.manifests import definition

NS = "NS"
SELECTOR: Object = {"matchLabels": {"app": "x"}}
CONTAINER: Object = {"name": "c", "image": "nginx:1"}
POD: Object = {"containers": [CONTAINER]}
NEVER: Object = {**POD, "restartPolicy": "Never"}
RBAC = "rbac.authorization.k8s.io/v1"
ADMISSION = "admissionregistration.k8s.io/v1"
RULES = [{"apiGroups": ["none.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]


def named(api_version: str, kind: str, name: str = "x", cluster: bool = False, **content: Any) -> Object:
    """An object, of a cluster-scoped kind with `cluster`."""
    metadata = {"name": f"{name}-{NS}"} if cluster else {"name": name, "namespace": NS}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def template(**spec: Any) -> Object:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {**POD, **spec}}


def workload(kind: str, name: str = "x", **spec: Any) -> Object:
    return named("apps/v1", kind, name, spec={"selector": SELECTOR, "template": template(), **spec})


def deployment(name: str = "x", **spec: Any) -> Object:
    return workload("Deployment", name, **spec)


def service(name: str, **spec: Any) -> Object:
    return named("v1", "Service", name, spec=spec)


def autoscaler(name: str, **spec: Any) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"}
    spec = {"maxReplicas": 3, "scaleTargetRef": target, **spec}
    return named("autoscaling/v2", "HorizontalPodAutoscaler", name, spec=spec)


def ingress(name: str, path: Object, **spec: Any) -> Object:
    backend = {"service": {"name": "x", "port": {"number": 80}}}
    rules = [{"host": "a.example", "http": {"paths": [{"backend": backend, **path}]}}]
    return named("networking.k8s.io/v1", "Ingress", name, spec={"rules": rules, **spec})


_RICH_CONTAINER: Object = {
    "name": "c",
    "image": "registry.example:5000/a/b",
    "ports": [{"containerPort": 80}],
    "env": [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "D", "value": ""},
    ],
    "livenessProbe": {"httpGet": {"port": 80}},
    "readinessProbe": {"tcpSocket": {"port": 1}},
    "startupProbe": {"grpc": {"port": 1}},
    "lifecycle": {"preStop": {"httpGet": {"port": 1}}},
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1, "memory": "1.5Gi"}},
    "volumeMounts": [{"name": "e", "mountPath": "/e"}],
    "securityContext": {"runAsUser": 1},
}
_SOURCES = [
    {"serviceAccountToken": {"path": "t"}},
    {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
]
_VOLUMES = [
    {"name": "e"},
    {"name": "s", "secret": {"secretName": "x"}},
    {"name": "c", "configMap": {"name": "x"}},
    {"name": "p", "projected": {"sources": _SOURCES}},
    {"name": "h", "hostPath": {"path": "/x"}},
    {"name": "d", "emptyDir": {"sizeLimit": "1024Mi", "medium": "Memory"}},
]
_ZERO_CONTAINER: Object = {
    **CONTAINER,
    "stdin": False,
    "tty": False,
    "stdinOnce": False,
    "args": [],
    "command": [],
    "env": [],
    "envFrom": [],
    "ports": [],
    "workingDir": "",
    "resources": {},
    "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": False, "subPath": ""}],
    "livenessProbe": {
        "initialDelaySeconds": 0,
        "exec": {"command": ["x"]},
        "timeoutSeconds": 0,
        "failureThreshold": 0,
    },
    "securityContext": {"privileged": False, "capabilities": {"add": [], "drop": ["ALL"]}},
    "lifecycle": {},
}
_ZERO_POD: Object = {
    "hostNetwork": False,
    "hostPID": False,
    "hostIPC": False,
    "shareProcessNamespace": False,
    "automountServiceAccountToken": False,
    "dnsConfig": {},
    "affinity": {},
    "tolerations": [],
    "volumes": [
        {"name": "v", "emptyDir": {}},
        {"name": "cm", "configMap": {"name": "x", "items": [], "optional": False}},
    ],
    "serviceAccountName": "",
    "priorityClassName": "",
    "nodeSelector": {},
    "imagePullSecrets": [],
    "initContainers": [],
    "hostAliases": [],
    "topologySpreadConstraints": [],
    "securityContext": {"runAsNonRoot": False, "fsGroup": 0},
    "containers": [_ZERO_CONTAINER],
}
_CLAIM: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}

PLAIN: list[Object] = [
    named("v1", "ConfigMap", data={"a": "1"}),
    named("v1", "ConfigMap", "empty", data={}),
    named("v1", "ConfigMap", "bare"),
    named("v1", "Secret", stringData={"a": "x"}),
    named("v1", "Secret", "both", data={"a": "eA=="}, stringData={"b": "y"}, type="Opaque"),
    service("cluster", ports=[{"port": 80}], selector={"app": "x"}),
    service(
        "balanced",
        type="LoadBalancer",
        ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "b", "targetPort": "http"}],
        selector={"app": "x"},
        sessionAffinity="ClientIP",
    ),
    service("external", type="ExternalName", externalName="a.example"),
    service("headless", clusterIP="None", selector={"app": "x"}),
    service("node", type="NodePort", ports=[{"port": 80}], selector={"app": "x"}),
    named("v1", "ServiceAccount"),
    named("v1", "PersistentVolumeClaim", spec={**_CLAIM, "storageClassName": "none"}),
    named(
        "v1",
        "PersistentVolume",
        cluster=True,
        spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}},
    ),
    named("v1", "LimitRange", spec={"limits": [{"type": "Pod", "max": {"cpu": "2000m"}, "min": {"cpu": 0.1}}]}),
    named("v1", "ResourceQuota", spec={"hard": {"services": "100", "limits.cpu": "1000000m"}}),
    named("v1", "ReplicationController", spec={"replicas": 0, "template": template()}),
    named("v1", "PodTemplate", template=template()),
    named("v1", "Namespace", cluster=True),
    deployment(),
    deployment(
        "rich",
        replicas=2,
        strategy={"type": "Recreate"},
        template=template(
            initContainers=[{"name": "i", "image": f"a@sha256:{'0' * 64}"}],
            volumes=_VOLUMES,
            hostNetwork=True,
            serviceAccountName="sa",
            nodeSelector={},
            tolerations=[{"operator": "Exists"}],
            imagePullSecrets=[{"name": "r"}],
            containers=[_RICH_CONTAINER],
        ),
    ),
    workload("StatefulSet", serviceName="x", volumeClaimTemplates=[{"metadata": {"name": "v"}, "spec": _CLAIM}]),
    workload("DaemonSet"),
    workload("ReplicaSet"),
    named("apps/v1", "ControllerRevision", revision=1, data={"a": {"b": [1]}}),
    named("batch/v1", "Job", spec={"template": {"spec": NEVER}}),
    named(
        "batch/v1",
        "Job",
        "two",
        spec={"parallelism": 2, "template": {"metadata": {"labels": {"a": "b"}}, "spec": NEVER}},
    ),
    named(
        "batch/v1", "CronJob", spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": NEVER}}}}
    ),
    ingress("x", {"path": "/", "pathType": "Prefix"}),
    named("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}),
    named("networking.k8s.io/v1", "NetworkPolicy", "out", spec={"egress": [{"ports": [{"port": 80}]}]}),
    named(
        "networking.k8s.io/v1",
        "IngressClass",
        cluster=True,
        spec={"controller": "a.example/c", "parameters": {"kind": "X", "name": "y", "apiGroup": "a.example"}},
    ),
    autoscaler("cpu"),
    autoscaler(
        "memory",
        behavior={"scaleUp": {"selectPolicy": "Min"}},
        metrics=[
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Mi"}},
            }
        ],
    ),
    named("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "none"}}}),
    named(RBAC, "Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    named(
        RBAC,
        "RoleBinding",
        roleRef={"kind": "Role", "name": "x"},
        subjects=[{"kind": "ServiceAccount", "name": "x", "namespace": NS}, {"kind": "User", "name": "u"}],
    ),
    named(RBAC, "ClusterRole", cluster=True, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    named(
        RBAC,
        "ClusterRoleBinding",
        cluster=True,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"},
        subjects=[{"kind": "Group", "name": "u"}],
    ),
    named("storage.k8s.io/v1", "StorageClass", cluster=True, provisioner="a.example/c"),
    named("storage.k8s.io/v1", "CSIDriver", cluster=True, spec={}),
    named("scheduling.k8s.io/v1", "PriorityClass", cluster=True, value=5),
    named(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        cluster=True,
        webhooks=[
            {
                "name": "a.b.c",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "x", "namespace": "y"}},
                "rules": RULES,
            }
        ],
    ),
    named(
        ADMISSION,
        "MutatingWebhookConfiguration",
        cluster=True,
        webhooks=[
            {
                "name": "a.b.c",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"url": "https://a.example"},
                "rules": RULES,
            }
        ],
    ),
    named(
        ADMISSION,
        "ValidatingAdmissionPolicy",
        cluster=True,
        spec={"matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "true"}]},
    ),
    named(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        addressType="IPv4",
        endpoints=[{"addresses": ["1.2.3.4"]}],
        ports=[{"port": 80}],
    ),
    named("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "a"}),
    named("node.k8s.io/v1", "RuntimeClass", cluster=True, handler="x"),
    definition("Plain"),
]

ODD: list[Object] = [
    deployment("zeros", replicas=0, paused=False, minReadySeconds=0, template=template(**_ZERO_POD)),
    deployment(
        "nulls",
        replicas=None,
        strategy=None,
        template=template(
            securityContext=None,
            volumes=None,
            containers=[
                {**CONTAINER, "resources": {"limits": None, "requests": {}}, "env": None, "livenessProbe": None}
            ],
        ),
    ),
    service(
        "zero",
        type="ClusterIP",
        ports=[{"port": 80, "name": "", "nodePort": 0, "targetPort": 0}],
        selector={},
        publishNotReadyAddresses=False,
        externalIPs=[],
        loadBalancerIP="",
        externalName="",
        loadBalancerSourceRanges=[],
    ),
    named("v1", "ConfigMap", "nulls", data=None, binaryData={}),
    named("v1", "ConfigMap", "blank", data={"a": ""}, immutable=False),
    named("v1", "Secret", "zero", type="", data={}, stringData=None),
    named("v1", "ServiceAccount", "zero", secrets=[], imagePullSecrets=[], automountServiceAccountToken=False),
    ingress("zero", {"path": "/", "pathType": "Prefix"}, tls=[], ingressClassName="nginx"),
    named(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "zero",
        spec={"podSelector": {"matchLabels": {}}, "ingress": [{}], "egress": []},
    ),
    named(RBAC, "Role", "empty", rules=[]),
    named(
        RBAC,
        "Role",
        "zero",
        rules=[
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": [], "nonResourceURLs": []}
        ],
    ),
    named(
        RBAC,
        "RoleBinding",
        "zero",
        roleRef={"kind": "Role", "name": "x", "apiGroup": ""},
        subjects=[{"kind": "ServiceAccount", "name": "x", "namespace": NS, "apiGroup": ""}],
    ),
    named(
        "batch/v1",
        "CronJob",
        "zero",
        spec={
            "schedule": "* * * * *",
            "suspend": False,
            "startingDeadlineSeconds": 0,
            "successfulJobsHistoryLimit": 0,
            "jobTemplate": {"metadata": {}, "spec": {"backoffLimit": 0, "template": {"metadata": {}, "spec": NEVER}}},
        },
    ),
    named("batch/v1", "Job", "zero", spec={"backoffLimit": 0, "suspend": False, "template": {"spec": NEVER}}),
    named("policy/v1", "PodDisruptionBudget", "zero", spec={"maxUnavailable": 0, "selector": {}}),
    autoscaler("zero", metrics=[], behavior={}),
    named(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        "first",
        spec={
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 50,
            "scaleTargetRef": {"kind": "Deployment", "name": "nothing", "apiVersion": "apps/v1"},
        },
    ),
    named(
        "v1",
        "PersistentVolumeClaim",
        "zero",
        spec={
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": "",
            "resources": {"requests": {"storage": "1000Mi"}, "limits": {}},
            "selector": {},
        },
    ),
    workload(
        "StatefulSet", "zero", serviceName="", podManagementPolicy="Parallel", updateStrategy={"type": "OnDelete"}
    ),
    workload("DaemonSet", "zero", updateStrategy={"type": "OnDelete"}, minReadySeconds=0),
    named("scheduling.k8s.io/v1", "PriorityClass", "zero", cluster=True, value=0, globalDefault=False, description=""),
    named(
        "storage.k8s.io/v1",
        "StorageClass",
        "zero",
        cluster=True,
        provisioner="a.example/c",
        parameters={},
        mountOptions=[],
    ),
]


def _map(**metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "e", "namespace": NS, **metadata}}


def _pod(**spec: Any) -> Object:
    return deployment("e", template=template(**spec))


def _container(**more: Any) -> Object:
    return _pod(containers=[{**CONTAINER, **more}])


REFUSED: list[Object] = [
    _map(name="Bad_Name"),
    _map(name="x" * 254),
    _map(labels={"bad key": "1"}),
    _map(labels={"a": "bad value!"}),
    _map(labels={"a": 1}),
    _map(labels=["a"]),
    _map(annotations={"a": True}),
    _map(annotations={"a": "x" * 262_145}),
    _map(finalizers=["nodomain"]),
    _map(finalizers=["a b/c"]),
    _map(ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "q"}]),
    _map(uid="00000000-0000-0000-0000-000000000000"),
    _map(namespace="no-such-namespace"),
    named("v1", "ConfigMap", "e", data={"a": 1}),
    named("v1", "ConfigMap", "e", data={"bad key": "1"}),
    named("v1", "ConfigMap", "e", data=["a"]),
    named("v1", "ConfigMap", "e", data="a"),
    named("v1", "Secret", "e", stringData={"a": 1}),
    service("e.e", ports=[{"port": 80}]),
    service("e"),
    service("e", ports=[{"port": 0}]),
    service("e", ports=[{"port": 80}, {"port": 81}]),
    service("e", ports=[{"port": 80}, {"port": 80}]),
    service("e", type="Nope", ports=[{"port": 80}]),
    service("e", type="ExternalName"),
    service("e", ports=[{"port": 80, "protocol": "X"}]),
    service("e", ports={"port": 80}),
    named("v1", "Service", "e", spec="x"),
    named("apps/v1", "Deployment", "e"),
    named("apps/v1", "Deployment", "e", spec={"selector": SELECTOR}),
    named("apps/v1", "Deployment", "e", spec={"template": template()}),
    deployment("e", selector={}),
    deployment("e", selector="x"),
    deployment("e", selector={"matchLabels": {"app": "y"}}),
    deployment("e", replicas=-1),
    deployment("e", replicas="3"),
    deployment("e", strategy={"type": "X"}),
    deployment("e", strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
    deployment("e", strategy="x"),
    deployment("e", nosuch=1),
    _pod(containers=[]),
    _pod(containers="x"),
    _pod(containers=[{"name": "c"}]),
    _pod(containers=[{"image": "c"}]),
    _pod(containers=[CONTAINER, CONTAINER]),
    _pod(restartPolicy="Never"),
    _pod(restartPolicy="Nope"),
    _pod(hostNetwork="yes"),
    _pod(volumes=[{"name": "v", "emptyDir": {}, "configMap": {"name": "x"}}]),
    _container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
    _container(env=[{"name": "A", "value": 1}]),
    _container(env=[{"value": "1"}]),
    _container(name="Bad_Name"),
    _container(imagePullPolicy="Nope"),
    _container(ports=[{"containerPort": 99_999}]),
    _container(ports=[{}]),
    _container(ports=[{"containerPort": 1, "name": "p"}, {"containerPort": 2, "name": "p"}]),
    _container(volumeMounts=[{"name": "no", "mountPath": "/x"}]),
    _container(resources={"limits": {"cpu": "abc"}}),
    _container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
    _container(command="x"),
    _container(command=[1]),
    _container(image=1),
    _container(livenessProbe="x"),
    _container(livenessProbe={"periodSeconds": 5}),
    named("batch/v1", "Job", "e", spec={"template": {"spec": POD}}),
    named("batch/v1", "Job", "e", spec={"template": {"spec": {**POD, "restartPolicy": "Always"}}}),
    named("batch/v1", "CronJob", "e", spec={"jobTemplate": {"spec": {"template": {"spec": NEVER}}}}),
    named("batch/v1", "CronJob", "e", spec={"schedule": "no", "jobTemplate": {"spec": {"template": {"spec": NEVER}}}}),
    named("v1", "PersistentVolumeClaim", "e", spec={}),
    named("networking.k8s.io/v1", "Ingress", "e", spec={}),
    ingress("e", {"path": "/"}),
    ingress("e", {"path": "x", "pathType": "Prefix"}),
    named(RBAC, "Role", "e", rules=[{"apiGroups": [""], "resources": ["pods"]}]),
    named(RBAC, "RoleBinding", "e", roleRef={"kind": "X", "name": "x"}),
    named(RBAC, "RoleBinding", "e"),
    autoscaler("e", minReplicas=5),
    autoscaler("e", maxReplicas=None),
    named("policy/v1", "PodDisruptionBudget", "e", spec={"minAvailable": 1, "maxUnavailable": 1}),
    named("storage.k8s.io/v1", "StorageClass", "e", cluster=True),
    named("scheduling.k8s.io/v1", "PriorityClass", "e", cluster=True, value=2_000_000_000),
    named("v1", "Pod", "e", spec={}),
]
