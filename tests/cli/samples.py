"""Replies as the hub gives them. Each is checked against the API's own models, so that what the tests show the command
line is what a hub shows it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from hub.api.models.application import ApplicationCluster, ApplicationDetail, ApplicationSummary, SourceItem
from hub.api.models.cluster import ClusterItem, JoinReply
from hub.api.models.event import EventItem
from hub.api.models.operation import HistoryItem, OperationItem, OperationRequestItem
from hub.api.models.project import ProjectDetail
from hub.api.models.resource import ClusterDiff, ClusterOrphans, ClusterTree, DriftItem, ResourceItem
from hub.api.models.settings import SettingsReply

UID = "00000000-0000-4000-8000-000000000001"
NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
RESULT: dict[str, Any] = {
    "sync_phase": "Sync",
    "wave": 0,
    "hook": False,
    "state": "Succeeded",
    "object_name": "",
    "output": "",
    "started_at": None,
    "finished_at": None,
}
PIN = "sha256:" + "ab" * 32


def at(**ago: float) -> str:
    """A time so long ago, as the API writes it; "ago" in tables is told from it."""
    return (NOW - timedelta(**ago)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _checked(model: type[BaseModel], value: dict[str, Any]) -> dict[str, Any]:
    model.model_validate(value)
    unknown = set(value) - {field.alias or name for name, field in model.model_fields.items()}
    assert not unknown, f"{model.__name__} has no {unknown}"
    return value


def summary(name: str = "web", **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": f"argocd/{name}",
        "name": name,
        "namespace": "argocd",
        "project": "default",
        "labels": {},
        "sources": [source(name)],
        "destinations": ["region=eu/web"],
        "sync": "Synced",
        "health": "Healthy",
        "clusters": {"total": 1, "synced": 1, "healthy": 1, "unreachable": 0},
        "revision": "c0ffee0",
        "sync_policy": "manual",
        "condition_count": 0,
        "deleting": False,
        "created_at": at(days=3),
    }
    return _checked(ApplicationSummary, given | values)


def source(path: str = "web", **values: Any) -> dict[str, Any]:
    given = {"repo": "https://git.example/shop.git", "chart": "", "target": "main", "name": "", "ref": ""}
    return _checked(SourceItem, given | {"path": path} | values)


def operation(id: str = "op-1", phase: str = "Succeeded", **values: Any) -> dict[str, Any]:
    finished = phase in ("Succeeded", "Failed", "Error")
    given: dict[str, Any] = {
        "id": id,
        "kind": "sync",
        "phase": phase,
        "message": "synced" if phase == "Succeeded" else "",
        "revision": "c0ffee0",
        "revisions": ["c0ffee0" + "1" * 33],
        "initiated_by": "ada",
        "started_at": at(minutes=3),
        "finished_at": at(minutes=3) if finished else None,
        "attempt": 1,
        "dry_run": False,
        "partial": False,
        "retry_limit": 0,
        "next_at": None,
        "done": 3 if finished else 1,
        "total": 3,
        "results": [],
    }
    return _checked(OperationItem, given | values)


def request(id: str = "op-1", **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": id,
        "kind": "sync",
        "initiated_by": "ada",
        "requested_at": at(minutes=3),
        "clusters": [],
        "history_id": 0,
        "prune": False,
        "dry_run": False,
        "force": False,
        "resources": [],
        "sync_options": [],
        "revision": "",
        "revisions": [],
        "terminate": False,
        "failures": [],
        "states": [],
    }
    return _checked(OperationRequestItem, given | values)


def row(cluster: str = "edge-1", **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "cluster": cluster,
        "labels": {"region": "eu"},
        "liveness": "Connected",
        "since": at(hours=5),
        "sync": "Synced",
        "health": "Healthy",
        "message": "",
        "revision": "c0ffee0",
        "synced_revision": "c0ffee0",
        "generation": 4,
        "acknowledged_generation": 4,
        "observed_generation": 4,
        "refusal": "",
        "held": False,
        "deleting": False,
        "observed_at": at(seconds=30),
        "total": 3,
        "not_fine": 0,
        "resources": [],
        "resources_truncated": False,
        "operation": operation(),
        "operation_requested_at": None,
        "conditions": [],
        "last_drift": None,
    }
    return _checked(ApplicationCluster, given | values)


def resource(kind: str = "Deployment", name: str = "web", **values: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "group": "apps" if kind == "Deployment" else "",
        "kind": kind,
        "namespace": "web",
        "name": name,
        "version": "apps/v1",
        "sync": "OutOfSync",
        "health": "Degraded",
        "message": "",
        "requires_pruning": False,
        "drift": [],
    }
    return _checked(ResourceItem, given | values)


def field_drift(**values: Any) -> dict[str, Any]:
    given = {
        "path": ".spec.replicas",
        "assigned": "2",
        "live": "5",
        "manager": "kubectl-edit",
        "changed": at(minutes=2),
        "likely": False,
    }
    return given | values


def drift(**values: Any) -> dict[str, Any]:
    given = {
        "id": "d-1",
        "cluster": "edge-1",
        "group": "apps",
        "kind": "Deployment",
        "namespace": "web",
        "name": "web",
        "change": "modified",
        "fields": [field_drift()],
        "seen_at": at(minutes=2),
        "healed_at": None,
        "hub_away": False,
    }
    return _checked(DriftItem, given | values)


def detail(*rows: dict[str, Any], **values: Any) -> dict[str, Any]:
    given = {
        "summary": summary(),
        "uid": UID,
        "generation": 2,
        "manifest": {"spec": {"project": "default"}},
        "conditions": [],
        "refresh": {
            "revision": "c0ffee0",
            "revisions": [
                {
                    "repo": "https://git.example/shop.git",
                    "revision": "c0ffee0" + "1" * 33,
                    "author": "Ada <ada@example.com>",
                    "message": "Serve more\n\nmuch more",
                    "committed_at": at(hours=1),
                    "chart": "",
                    "digest": "",
                }
            ],
            "refreshed_at": at(minutes=1),
            "requested": "",
            "spec_generation": 2,
        },
        "failed_operation": None,
        "clusters": list(rows) or [row()],
        "deletion": None,
    }
    return _checked(ApplicationDetail, copy.deepcopy(given | values))


def condition(type: str = "ComparisonError", message: str = "the repository cannot be read") -> dict[str, Any]:
    return {"type": type, "message": message, "last_transition_at": at(minutes=9)}


def cluster(name: str = "edge-1", **values: Any) -> dict[str, Any]:
    given = {
        "name": name,
        "uid": UID,
        "labels": {"region": "eu", "tier": "edge"},
        "server": "https://10.0.0.1:6443",
        "liveness": "Connected",
        "since": at(hours=5),
        "last_seen_at": at(seconds=5),
        "agent_version": "0.1.0",
        "simulated": False,
        "kubernetes_version": "v1.36.3",
        "applications": 2,
        "created_at": at(days=3),
    }
    return _checked(ClusterItem, given | values)


def join(name: str = "edge-1", **values: Any) -> dict[str, Any]:
    given = {
        "cluster": name,
        "token": "esc1.abcdefgh.SECRETSECRET",
        "expires_at": "2030-01-02T03:04:05Z",
        "ca_pin": PIN,
        "hub": "hub.example:8443",
        "command": "escadre-agent run …",
    }
    return _checked(JoinReply, given | values)


def history(id: int = 1, **values: Any) -> dict[str, Any]:
    given = {
        "id": id,
        "cluster": "edge-1",
        "operation_id": f"op-{id}",
        "revision": "c0ffee0",
        "revisions": detail()["refresh"]["revisions"],
        "manifest_set": "ab" * 32,
        "initiated_by": "ada",
        "started_at": at(minutes=3),
        "deployed_at": at(minutes=3),
        "sources": [{"repoURL": "https://git.example/shop.git", "path": "web", "targetRevision": "main"}],
    }
    return _checked(HistoryItem, given | values)


def cluster_diff(name: str = "edge-1", *resources: dict[str, Any], error: str = "") -> dict[str, Any]:
    problem = {"code": "cluster-unreachable", "message": error} if error else None
    return _checked(ClusterDiff, {"cluster": name, "error": problem, "resources": list(resources)})


def diff(**values: Any) -> dict[str, Any]:
    given = {
        "group": "apps",
        "kind": "Deployment",
        "namespace": "web",
        "name": "web",
        "change": "update",
        "diff": "--- live\n+++ assigned\n@@ -1 +1 @@\n-replicas: 5\n+replicas: 2\n",
        "message": "",
    }
    return given | values


def tree(name: str, *nodes: dict[str, Any], error: str = "") -> dict[str, Any]:
    problem = {"code": "cluster-unreachable", "message": error} if error else None
    return _checked(ClusterTree, {"cluster": name, "error": problem, "nodes": list(nodes)})


def orphans(name: str, *keys: tuple[str, str, str, str], error: str = "", **values: Any) -> dict[str, Any]:
    problem = {"code": "cluster-unreachable", "message": error} if error else None
    resources = [dict(zip(("group", "kind", "namespace", "name"), key, strict=True)) for key in keys]
    given = {"cluster": name, "error": problem, "resources": resources, "more": 0, "unseen": []}
    return _checked(ClusterOrphans, given | values)


def node(uid: str, kind: str, name: str, parent: str = "", **values: Any) -> dict[str, Any]:
    given = {
        "group": "",
        "kind": kind,
        "namespace": "web",
        "name": name,
        "uid": uid,
        "parent": parent,
        "health": "Healthy",
        "message": "",
        "managed": not parent,
    }
    return given | values


def event(**values: Any) -> dict[str, Any]:
    given = {
        "at": at(minutes=2),
        "severity": "info",
        "reason": "SyncRequested",
        "message": "a sync was asked for",
        "cluster": "",
        "application": "argocd/web",
        "actor": "ada",
    }
    return _checked(EventItem, given | values)


def settings(data: dict[str, str], **values: Any) -> dict[str, Any]:
    given = {"data": data, "changed_at": at(days=3), "changed_by": "ada", "warnings": []}
    return _checked(SettingsReply, given | values)


def project(name: str = "shop", **values: Any) -> dict[str, Any]:
    given = {
        "name": name,
        "description": "The shop",
        "source_repos": ["https://git.example/*"],
        "destinations": [{"server": "", "name": "edge-*", "namespace": "web"}],
        "applications": 3,
        "manifest": {"kind": "AppProject"},
    }
    return _checked(ProjectDetail, given | values)
