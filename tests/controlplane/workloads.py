"""What makes workloads move on a plane: controller manager, scheduler, and kwok with one node.

kwok stands in for the kubelet: it moves pods through the stages of :mod:`tests.controlplane.stages` and answers
``logs``, ``exec`` and ``port-forward``.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

from tests.controlplane.access import ClusterAccess
from tests.controlplane.build import binary
from tests.controlplane.pki import Pki
from tests.controlplane.process import Process, free_port
from tests.controlplane.stages import stages, storage_class

NODE = "node-1"
START_LIMIT = 40.0

# Of a plane without workloads: namespaces and owned objects really go away, service accounts and the aggregated
# cluster roles (admin, edit, view) really come.
_HOUSEKEEPING = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
)
# kwok sends no node leases: these two would find the node dead after 40 s and every pod on it not ready.
_EVERYTHING = ("*", "-node-lifecycle-controller", "-taint-eviction-controller")


def start_controllers(access: ClusterAccess, pki: Pki, *, workloads: bool) -> Process:
    command = [
        str(binary("kube-controller-manager")),
        f"--kubeconfig={access.kubeconfig_path}",
        f"--controllers={','.join(_EVERYTHING if workloads else _HOUSEKEEPING)}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.ca}",
        # A person's patience, not a production server's, sets the pace.
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
    ]
    return Process("kube-controller-manager", command, access.directory)


def wait_for_controllers(access: ClusterAccess, controllers: Process) -> None:
    """They work once the first thing they make is there."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    controllers.wait_until(lambda: access.exists(path), "the default service account was made", START_LIMIT)


def start_scheduler(access: ClusterAccess) -> Process:
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(access.kubeconfig_path), "qps": 1000, "burst": 2000},
        "leaderElection": {"leaderElect": False},
    }
    path = access.directory / "scheduler.json"
    path.write_text(json.dumps(config, indent=2))
    command = [str(binary("kube-scheduler")), f"--config={path}", "--secure-port=0"]
    return Process("kube-scheduler", command, access.directory)


def start_kwok(access: ClusterAccess, pki: Pki) -> Process:
    access.container_log.touch()
    port = free_port()
    config = access.directory / "kwok.yaml"
    config.write_text("".join(f"---\n{json.dumps(part, indent=2)}\n" for part in [*stages(), *_kubelet(access)]))
    command = [
        str(binary("kwok")),
        f"--kubeconfig={access.kubeconfig_path}",
        f"--config={config}",
        "--manage-all-nodes",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={pki.certificate}",
        f"--tls-private-key-file={pki.key}",
        "--cidr=10.128.0.1/16",
    ]
    kwok = Process("kwok", command, access.directory)
    kwok.wait_until(lambda: _listens(port), f"it listened on port {port}", START_LIMIT)
    return kwok


def add_node(access: ClusterAccess, kwok: Process) -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}},
    }
    access.apply(f"/api/v1/nodes/{NODE}", node)
    default_class = storage_class()
    access.apply(f"/apis/storage.k8s.io/v1/storageclasses/{default_class['metadata']['name']}", default_class)
    kwok.wait_until(
        lambda: _is_ready(access.request("GET", f"/api/v1/nodes/{NODE}")), "the node was ready", START_LIMIT
    )


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _kubelet(access: ClusterAccess) -> list[dict[str, Any]]:
    """Logs come from one file, commands run on this machine, and what is sent to a port comes back."""

    def kwok_object(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "all"}, "spec": spec}

    log = str(access.container_log)
    return [
        kwok_object("ClusterLogs", {"logs": [{"logsFile": log, "follow": True}]}),
        kwok_object("ClusterAttach", {"attaches": [{"logsFile": log}]}),
        kwok_object("ClusterExec", {"execs": [{"local": {"workDir": str(access.directory)}}]}),
        kwok_object("ClusterPortForward", {"forwards": [{"command": _echo_command()}]}),
    ]


def _echo_command() -> list[str]:
    echo = "import os\nwhile data := os.read(0, 65536): os.write(1, data)"
    return [sys.executable, "-I", "-S", "-c", echo]
