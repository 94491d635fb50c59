"""Manifests for tests against a cluster."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object
from agent.kube.client import Kind

GROUP = "contract.escadre.io"


def kind(group: str, version: str, name: str, plural: str, namespaced: bool = True) -> Kind:
    return Kind(group, version, name, plural, namespaced)


CONFIG_MAP = kind("", "v1", "ConfigMap", "configmaps")
CRD = kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
CRON_JOB = kind("batch", "v1", "CronJob", "cronjobs")
DAEMON_SET = kind("apps", "v1", "DaemonSet", "daemonsets")
DEPLOYMENT = kind("apps", "v1", "Deployment", "deployments")
INGRESS = kind("networking.k8s.io", "v1", "Ingress", "ingresses")
JOB = kind("batch", "v1", "Job", "jobs")
NAMESPACE = kind("", "v1", "Namespace", "namespaces", namespaced=False)
POD = kind("", "v1", "Pod", "pods")
REPLICA_SET = kind("apps", "v1", "ReplicaSet", "replicasets")
SECRET = kind("", "v1", "Secret", "secrets")
SERVICE = kind("", "v1", "Service", "services")
STATEFUL_SET = kind("apps", "v1", "StatefulSet", "statefulsets")


def manifest(of: Kind, namespace: str, name: str, content: Object | None = None, **metadata: Any) -> Object:
    """An object of a kind; `content` stands beside its metadata."""
    named = {"name": name, **({"namespace": namespace} if of.namespaced else {}), **metadata}
    return {"apiVersion": of.api_version, "kind": of.kind, "metadata": named, **(content or {})}


def config_map(namespace: str, name: str = "settings", data: dict[str, str] | None = None, **metadata: Any) -> Object:
    return manifest(CONFIG_MAP, namespace, name, {"data": {"a": "1", "b": "2"} if data is None else data}, **metadata)


def container(name: str = "web", image: str = "example.org/web:1", **more: Any) -> Object:
    return {"name": name, "image": image, **more}


def template(*containers: Object, **spec: Any) -> Object:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers) or [container()], **spec}}


SELECTOR: Object = {"matchLabels": {"app": "web"}}


def deployment(namespace: str, *containers: Object, name: str = "web", **spec: Any) -> Object:
    return manifest(
        DEPLOYMENT, namespace, name, {"spec": {"selector": SELECTOR, "template": template(*containers), **spec}}
    )


def service(namespace: str, name: str = "web", **spec: Any) -> Object:
    return manifest(SERVICE, namespace, name, {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}})


def definition(kind_name: str, **version: Any) -> Object:
    """A CustomResourceDefinition with a list merged by key, a default, a map, and a part nothing is said about."""
    item = {"type": "object", "required": ["name"], "properties": {"name": _STRING, "value": {"type": "integer"}}}
    spec = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "default": 3, "minimum": 1},
            "labels": {"type": "object", "additionalProperties": _STRING},
            "items": {
                "type": "array",
                "items": item,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "words": {"type": "array", "items": _STRING},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    status = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    plural = f"{kind_name.lower()}s"
    names = {"kind": kind_name, "plural": plural}
    content = {
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [{**served, "subresources": {"status": {}}, **version}],
        }
    }
    return manifest(CRD, "", f"{plural}.{GROUP}", content)


_STRING: Object = {"type": "string"}


def custom_kind(kind_name: str) -> Kind:
    return kind(GROUP, "v1", kind_name, f"{kind_name.lower()}s")
