"""Values for the store's tests, each as small as the test needs and whole where that matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.application import Application, ApplicationId, ApplicationSpec, Destination, Source, SyncPolicy
from hub.domain.assignment import AssignmentContent
from hub.domain.cluster import Cluster
from hub.domain.manifest import Entry, ManifestSet, ManifestSetRef, ResourceKey, digest_of
from hub.domain.operation import OperationKind, OperationPhase, OperationRequest, OperationState
from hub.domain.revision import Revision, SourceRevision
from hub.domain.status import ApplicationStatus, DriftReport, FieldDrift, HealthStatus, SyncStatus
from hub.store.contract import Store

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def application(name: str = "shop", *, namespace: str = "argocd", **spec: Any) -> Application:
    values: dict[str, Any] = {
        "project": "default",
        "sources": (Source("https://git.example/shop.git", path="deploy"),),
        "destinations": (Destination(namespace="shop", name="paris"),),
    }
    return Application(ApplicationId(namespace, name), ApplicationSpec(**(values | spec)))


def content(application: str = "argocd/shop", *, set_digest: str = "a" * 64, **values: Any) -> AssignmentContent:
    given: dict[str, Any] = {
        "application": application,
        "application_uid": "uid-of-" + application,
        "project": "default",
        "namespace": "shop",
        "manifest_set": ManifestSetRef(set_digest, 2, b"\x00\xffsignature", "key-1"),
        "revision": Revision((SourceRevision("https://git.example/shop.git", "c" * 40, committed_at=START),)),
        "policy": SyncPolicy(),
    }
    return AssignmentContent(**(given | values))


def status(cluster: str, application: str = "argocd/shop", **values: Any) -> ApplicationStatus:
    given: dict[str, Any] = {
        "application_uid": "uid-of-" + application,
        "generation": 1,
        "sync": SyncStatus.SYNCED,
        "health": HealthStatus.HEALTHY,
        "digest": "d" * 64,
        "observed_at": START,
    }
    return ApplicationStatus(application=application, cluster=cluster, **(given | values))


def drift(id: str, cluster: str = "u1", application: str = "argocd/shop", *, minutes: int = 0) -> DriftReport:
    return DriftReport(
        id=id,
        application=application,
        cluster=cluster,
        key=ResourceKey("apps", "Deployment", "shop", "web"),
        kind="modified",
        fields=(FieldDrift("/spec/replicas", "1", "3", manager="kubectl"),),
        seen_at=START + timedelta(minutes=minutes),
    )


def operation(id: str, *, minutes: int = 0, **values: Any) -> OperationState:
    given: dict[str, Any] = {
        "kind": OperationKind.SYNC,
        "phase": OperationPhase.SUCCEEDED,
        "manifest_set": "a" * 64,
        "initiated_by": "alice",
        "started_at": START,
        "finished_at": START + timedelta(minutes=minutes),
    }
    return OperationState(id=id, **(given | values))


def request(id: str, *, minutes: int = 0, set_digest: str = "a" * 64) -> OperationRequest:
    return OperationRequest(
        id=id,
        kind=OperationKind.SYNC,
        manifest_set=ManifestSetRef(set_digest, 1),
        revision=Revision(),
        initiated_by="alice",
        requested_at=START + timedelta(minutes=minutes),
        resources=(ResourceKey("", "ConfigMap", "shop", "settings"),),
    )


def manifest_set(*resources: bytes) -> tuple[ManifestSetRef, dict[str, bytes]]:
    """Return a set of those resources and the blobs it needs: its own and each resource's."""
    blobs = {digest_of(content): content for content in resources}
    entries = tuple(
        Entry(ResourceKey("", "ConfigMap", "shop", f"c{number}"), "v1", digest_of(content), len(content))
        for number, content in enumerate(resources)
    )
    encoded = ManifestSet(entries).encode()
    blobs[digest_of(encoded)] = encoded
    return ManifestSetRef(digest_of(encoded), len(resources)), blobs


async def add_clusters(store: Store, *uids: str) -> None:
    for uid in uids:
        await store.add_cluster(Cluster(uid=uid, name=f"cluster-{uid}"))
