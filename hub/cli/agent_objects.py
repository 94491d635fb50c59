"""The objects that make an agent run inside its cluster. Pure.

They exist here once: `escadre cluster add --context` applies them, and `deploy/agent/` holds them as files for
whoever applies them otherwise. `python -m hub.cli.agent_objects` writes those files anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import __version__

Object = dict[str, Any]

NAME = "escadre-agent"
DEFAULT_NAMESPACE = "escadre-agent"
DEFAULT_IMAGE = f"escadre/agent:{__version__}"
DEFAULT_STORAGE = "1Gi"
USER = 65532
"""What the agent runs as: nobody on the node."""

_DATA = "/var/lib/escadre"
_JOIN = "/var/run/escadre/join"
_LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "escadre"}
_SELECTOR = {"app.kubernetes.io/name": NAME}
_VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]
"""What reading, watching, applying, replacing and pruning take, and no more: no impersonation, no deletecollection."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One agent, and how it joins."""

    hub: str
    """host:port"""
    ca_pin: str
    token: str = field(repr=False)
    namespace: str = DEFAULT_NAMESPACE
    image: str = DEFAULT_IMAGE
    storage: str = DEFAULT_STORAGE
    """Size of its volume; empty: what it keeps goes with its pod."""
    storage_class: str = ""
    """The cluster's default one else."""


def agent_objects(installation: Installation) -> dict[str, list[Object]]:
    """Return file name → objects, in the order in which they are to be applied."""
    namespace = installation.namespace
    files = {
        "namespace.yaml": [_namespace(namespace)],
        "service-account.yaml": [_service_account(namespace)],
        "cluster-role.yaml": [_cluster_role()],
        "cluster-role-binding.yaml": [_cluster_role_binding(namespace)],
        "join.yaml": [_settings(installation), _token(installation)],
        "storage.yaml": [_claim(installation)] if installation.storage else [],
        "deployment.yaml": [_deployment(installation)],
    }
    return {name: objects for name, objects in files.items() if objects}


def in_order(files: Mapping[str, Iterable[Object]]) -> list[Object]:
    return [item for objects in files.values() for item in objects]


def _metadata(name: str, namespace: str = "", **more: Any) -> Object:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, **place, "labels": dict(_LABELS), **more}


def _namespace(name: str) -> Object:
    metadata = _metadata(name)
    metadata["labels"] |= {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _service_account(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(NAME, namespace),
        # Only the agent's own pod asks for the token.
        "automountServiceAccountToken": False,
    }


def _cluster_role() -> Object:
    """What applications hold is not known beforehand, so every kind is in it."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": _metadata(NAME),
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": list(_VERBS)},
            # Roles that grant more than these verbs can be delivered only by whoever may escalate.
            {
                "apiGroups": ["rbac.authorization.k8s.io"],
                "resources": ["roles", "clusterroles"],
                "verbs": ["escalate", "bind"],
            },
        ],
    }


def _cluster_role_binding(namespace: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(NAME),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }


def _settings(installation: Installation) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(NAME, installation.namespace),
        "data": {"hub": installation.hub, "ca-pin": installation.ca_pin},
    }


def _token(installation: Installation) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(f"{NAME}-join", installation.namespace),
        "type": "Opaque",
        # `stringData` and server-side apply do not go together.
        "data": {"token": base64.b64encode(installation.token.encode()).decode()},
    }


def _claim(installation: Installation) -> Object:
    storage_class = {"storageClassName": installation.storage_class} if installation.storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(NAME, installation.namespace),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            **storage_class,
            "resources": {"requests": {"storage": installation.storage}},
        },
    }


def _deployment(installation: Installation) -> Object:
    joining = f"{installation.hub} {installation.ca_pin} {installation.token}"
    digest = hashlib.sha256(joining.encode()).hexdigest()[:16]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(NAME, installation.namespace),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            # Two agents would share one identity: the old one goes before the new one comes.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": dict(_SELECTOR)},
            "template": {
                # Another token starts the agent anew.
                "metadata": {"labels": dict(_LABELS), "annotations": {"escadre.io/join": digest}},
                "spec": _pod(installation),
            },
        },
    }


def _pod(installation: Installation) -> Object:
    data: Object = {"emptyDir": {}}
    if installation.storage:
        data = {"persistentVolumeClaim": {"claimName": NAME}}
    join = {"secretName": f"{NAME}-join", "defaultMode": 0o440}
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(installation)],
        "volumes": [
            {"name": "data", **data},
            {"name": "join", "secret": join},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }


def _container(installation: Installation) -> Object:
    return {
        "name": "agent",
        "image": installation.image,
        "command": ["escadre-agent", "run"],
        "env": [
            _setting("ESCADRE_AGENT_HUB", "hub"),
            _setting("ESCADRE_AGENT_CA_PIN", "ca-pin"),
            {"name": "ESCADRE_AGENT_TOKEN_FILE", "value": f"{_JOIN}/token"},
            {"name": "ESCADRE_AGENT_DATA_DIR", "value": f"{_DATA}/agent"},
            {"name": "ESCADRE_AGENT_IN_CLUSTER", "value": "true"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "join", "mountPath": _JOIN, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own in the pod
        ],
    }


def _setting(variable: str, key: str) -> Object:
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": NAME, "key": key}}}


# --- the files of deploy/agent

PLACEHOLDERS = Installation(hub="HUB:PORT", ca_pin="sha256:PIN", token="TOKEN")  # noqa: S106 - a placeholder
_HEADER = "# Made by `python -m hub.cli.agent_objects`; `escadre cluster add --context` applies the same objects.\n"
_NOTES = {
    "join.yaml": "# Fill in HUB:PORT, sha256:PIN and TOKEN as `escadre cluster add NAME -o json` prints them.\n",
    "cluster-role.yaml": (
        "# The agent delivers whatever Git holds, so it may do as much with every kind. To narrow it, name the groups\n"
        "# and resources that your applications hold; keep get, list and watch where it is to see what they own, and\n"
        "# patch on RESOURCE/status where resource actions write a status. The second rule is needed only where Git\n"
        "# holds Roles or ClusterRoles.\n"
    ),
}


def files() -> dict[str, str]:
    """Return file name → content of deploy/agent."""
    from hub.formats.dump import dump_documents, dump_yaml

    objects = agent_objects(PLACEHOLDERS)
    secret = objects["join.yaml"][1]
    del secret["data"]
    secret["stringData"] = {"token": PLACEHOLDERS.token}
    made = {name: _HEADER + _NOTES.get(name, "") + dump_documents(items) for name, items in objects.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(objects),
    }
    return {**made, "kustomization.yaml": f"{_HEADER}---\n{dump_yaml(kustomization)}"}


def main() -> None:
    directory = Path(__file__).parents[2] / "deploy" / "agent"
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
