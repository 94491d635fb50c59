"""A hub's API over a real store, with what gateways and the controller would do done by hand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
from fastapi import FastAPI

from hub.access.accounts import Accounts
from hub.access.audit import Audit
from hub.access.passwords import Passwords
from hub.access.roles import ADMIN, READ_ONLY, BuiltInRoles
from hub.access.sessions import Sessions
from hub.api.app import furnish
from hub.api.services import ApiSettings, Services
from hub.domain.application import (
    Application,
    ApplicationId,
    ApplicationSpec,
    Automated,
    Destination,
    Source,
    SyncPolicy,
)
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.cluster import Cluster, Connection
from hub.domain.manifest import Entry, ManifestSet, ManifestSetRef, ResourceKey, canonical_json, digest_of
from hub.domain.operation import OperationKind, OperationPhase, OperationState
from hub.domain.revision import Revision, SourceRevision
from hub.domain.status import ApplicationStatus, HealthStatus, SyncStatus
from hub.fleet.desk import Desk
from hub.fleet.post import Post
from hub.formats.application import dump_application
from hub.pki.secretbox import SecretBox
from hub.source.policy import SourcePolicy
from hub.source.probe import Prober
from hub.store.bus import Bus, InProcessBus
from hub.store.sql import SqlStore
from tests.hub.quick import hasher, routes
from tests.pki.support import KEY, Clock, HubTrust

ADMIN_PASSWORD = "correct horse battery"
COMMIT = "c0ffee0" + "1" * 33
OLDER = "0ddba11" + "2" * 33
WEB = ResourceKey("apps", "Deployment", "", "web")
SETTINGS = ResourceKey("", "ConfigMap", "shop", "settings")
SECRET = ResourceKey("", "Secret", "", "credentials")

QUICK = Passwords(hasher())


@dataclass
class World:
    store: SqlStore
    bus: Bus
    clock: Clock
    trust: HubTrust
    services: Services
    app: FastAPI

    @property
    def api(self) -> Any:
        return self.app.state.api

    async def token(self, name: str = "admin") -> str:
        account = await self.store.get_account(name)
        assert account is not None
        token, _ = await self.services.sessions.open(account)
        return token

    @contextlib.asynccontextmanager
    async def client(self, name: str = "admin", **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with a session of the account; without one for no name."""
        headers = {"Authorization": f"Bearer {await self.token(name)}"} if name else {}
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False, **options)
        async with httpx2.AsyncClient(transport=transport, base_url="https://hub", headers=headers) as client:
            yield client

    # --- what the controller and agents do

    async def cluster(self, name: str, *, connected: bool = True, **labels: str) -> Cluster:
        cluster = Cluster(uid=f"uid-{name}", name=name, labels=labels)
        await self.store.add_cluster(cluster)
        if connected:
            await self.connect(cluster.uid)
        return cluster

    async def connect(self, uid: str) -> None:
        connection = Connection(replica="r1", session="s1", changed_at=self.clock(), last_seen_at=self.clock())
        await self.store.put_connections({uid: connection})

    async def application(self, name: str = "shop", *, namespace: str = "argocd", **spec: Any) -> Application:
        values: dict[str, Any] = {
            "project": "default",
            "sources": (Source("https://git.example/shop.git", path="deploy"),),
            "destinations": (Destination(namespace="shop", name="paris"),),
        }
        application = Application(ApplicationId(namespace, name), ApplicationSpec(**(values | spec)))
        application = replace(application, manifest=dump_application(application))
        return await self.store.put_application(application)

    async def rendered(self, commit: str = COMMIT) -> ManifestSetRef:
        """Store a rendered set of a Deployment, a ConfigMap and a Secret."""
        objects = {
            WEB: {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"x": commit}},
            SETTINGS: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}},
            SECRET: {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "credentials"},
                "data": {"password": base64.b64encode(b"hunter2").decode()},
                "stringData": {"token": "hunter3"},
            },
        }
        blobs = {key: canonical_json(value) for key, value in objects.items()}
        entries = tuple(
            Entry(key, "apps/v1" if key is WEB else "v1", digest_of(blob), len(blob)) for key, blob in blobs.items()
        )
        encoded = ManifestSet(entries).encode()
        await self.store.put_blobs({digest_of(blob): blob for blob in (*blobs.values(), encoded)})
        return ManifestSetRef(digest_of(encoded), len(entries), b"signature", "key")

    async def assign(self, application: Application, *uids: str, commit: str = COMMIT) -> list[Assignment]:
        content = AssignmentContent(
            application=str(application.id),
            application_uid=application.uid,
            project=application.spec.project,
            namespace="shop",
            manifest_set=await self.rendered(commit),
            revision=revision(commit),
            policy=application.spec.sync_policy,
        )
        assigned = await self.store.assign([(uid, content) for uid in uids])
        await self.bus.publish("assignments")
        return assigned

    async def report(self, application: Application, uid: str, **values: Any) -> ApplicationStatus:
        given: dict[str, Any] = {
            "application_uid": application.uid,
            "generation": 1,
            "sync": SyncStatus.SYNCED,
            "health": HealthStatus.HEALTHY,
            "manifest_set": (await self.rendered()).digest,
            "total": 3,
            "digest": uuid.uuid4().hex,
            "observed_at": self.clock(),
        }
        status = ApplicationStatus(application=str(application.id), cluster=uid, **(given | values))
        await self.store.put_statuses([status])
        await self.bus.publish("statuses")
        return status

    async def deployed(self, application: Application, uid: str, *commits: str) -> None:
        """Leave history entries, oldest commit first."""
        for commit in commits:
            self.clock.advance(seconds=1)
            state = operation(self.clock, commit=commit, manifest_set=(await self.rendered(commit)).digest)
            await self.store.put_operations([(uid, str(application.id), state)])

    async def shop(self, *, automated: bool = False) -> Application:
        """An application on two clusters: paris, all well; oslo, out of sync, and not connected."""
        await self.cluster("paris", region="eu")
        await self.cluster("oslo", connected=False)
        policy = SyncPolicy(Automated(prune=True, self_heal=True)) if automated else SyncPolicy()
        application = await self.application(sync_policy=policy)
        await self.assign(application, "uid-paris", "uid-oslo")
        await self.report(application, "uid-paris")
        return application


def revision(commit: str = COMMIT) -> Revision:
    return Revision((SourceRevision("https://git.example/shop.git", commit, author="Ada", message="Change"),))


def operation(clock: Callable[[], Any], *, commit: str = COMMIT, **values: Any) -> OperationState:
    given: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "kind": OperationKind.SYNC,
        "phase": OperationPhase.SUCCEEDED,
        "revision": revision(commit),
        "initiated_by": "ada",
        "started_at": clock(),
        "finished_at": clock(),
    }
    return OperationState(**(given | values))


class Agents:
    """Answers questions as gateways do: with the values given here by cluster uid, else not at all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.answers: dict[str, Any] = {}
        self.asked: list[Mapping[str, Any]] = []

    async def run(self, ready: asyncio.Event) -> None:
        async with self._world.bus.subscribe("queries") as subscription:
            ready.set()
            while True:
                for _, payload in await subscription.next():
                    await self._answer(json.loads(payload))

    async def _answer(self, question: Mapping[str, Any]) -> None:
        self.asked.append(question)
        value = self.answers.get(question["cluster"])
        if isinstance(value, list):
            # One after the other.
            value = value.pop(0)
        if value is None:
            return
        if isinstance(value, tuple):
            refusal = json.dumps({"code": value[0], "message": value[1]}).encode()
            await self._world.bus.publish("answers", f"{question['id']} !{base64.b64encode(refusal).decode()}")
            return
        content = value if isinstance(value, bytes) else orjson.dumps(value)
        await self._world.store.put_blobs({digest_of(content): content})
        await self._world.bus.publish("answers", f"{question['id']} {digest_of(content)}")


async def make_world(store: SqlStore, clock: Clock, prober: Prober | None = None, **settings: Any) -> World:
    bus = InProcessBus()
    trust = await HubTrust(store, clock).start()
    audit = Audit(store, clock)
    accounts = Accounts(store, audit, clock, QUICK)
    await accounts.create("admin", ADMIN_PASSWORD, role=ADMIN, actor="test")
    await accounts.create("reader", "another fine password", role=READ_ONLY, actor="test")
    given: dict[str, Any] = {"hub_address": "hub.example:8443", "gateway_address": "hub.example:8444"}
    services = Services(
        store=store,
        bus=bus,
        desk=Desk(store, bus, None),
        post=Post(store, bus),
        accounts=accounts,
        sessions=Sessions(store, clock, timedelta(hours=1)),
        authorizer=BuiltInRoles(),
        audit=audit,
        pki=trust.pki,
        enrolments=trust.enrolments,
        join_tokens=trust.tokens,
        revocations=trust.revocations,
        settings=ApiSettings(**(given | settings)),
        clock=clock,
        sealer=SecretBox(KEY),
        prober=prober or Prober(Path("/nowhere"), SourcePolicy()),
    )
    return World(store, bus, clock, trust, services, furnish(routes(services.settings.version), services))


def manifest(name: str = "shop", **spec: Any) -> dict[str, Any]:
    """An Application as its owner writes it."""
    given: dict[str, Any] = {
        "project": "default",
        "source": {"repoURL": "https://git.example/shop.git", "path": "deploy", "targetRevision": "main"},
        "destination": {"name": "paris", "namespace": "shop"},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": given | spec,
    }
