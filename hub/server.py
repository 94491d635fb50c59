"""The hub's one composition root: what each role is made of, started in order, stopped in reverse.

The roles share the store, the bus and the trust, and nothing else: each could be another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.core import Metric

from hub.access.accounts import ADMIN_NAME, Accounts
from hub.access.audit import Audit
from hub.access.passwords import generate_password
from hub.access.roles import BuiltInRoles
from hub.access.sessions import Sessions
from hub.config import Settings
from hub.datadir import own, write_private
from hub.domain.operation import OperationState
from hub.errors import HubError, StoreUnavailable
from hub.fleet.agreement import Agreement
from hub.fleet.desk import Desk
from hub.fleet.dispatch import Dispatcher
from hub.fleet.doorkeeper import Doorkeeper
from hub.fleet.gateway import Gateway
from hub.fleet.incidents import Incidents
from hub.fleet.listener import AgentListener, ServerIdentity
from hub.fleet.liveness import Liveness
from hub.fleet.post import Post
from hub.fleet.registry import Registry
from hub.fleet.reports import Reports
from hub.fleet.revocation import watch_revocations
from hub.fleet.settings import SettingsFeed
from hub.fleet.vouch import Voucher
from hub.keys import key_source
from hub.metrics import controller_metrics, gateway_metrics
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.contract import PkiSettings
from hub.pki.enrolment import Enrolments
from hub.pki.join import JoinTokens
from hub.pki.recover import Recovery
from hub.pki.refusals import DoorLog
from hub.pki.revocation import Revocations
from hub.pki.secretbox import SecretBox
from hub.pki.server_certificate import ServerCertificate
from hub.pki.verify import PeerVerifier
from hub.reconcile.assign import Assigner
from hub.reconcile.controller import Controller
from hub.reconcile.janitor import Janitor
from hub.reconcile.materialize import Materializer
from hub.reconcile.preview import Previewer
from hub.reconcile.watcher import Watcher
from hub.render.model import RenderLimits
from hub.render.renderer import Renderer, RendererSettings
from hub.source.charts import Charts
from hub.source.entries import RepositoryEntries
from hub.source.git import GitSource
from hub.source.policy import SourcePolicy
from hub.source.probe import Prober
from hub.source.repository import GitRequest
from hub.source.sources import Sources
from hub.source.tree import GitTree
from hub.store.bus import Bus
from hub.store.contract import Store
from hub.store.factory import open_store

log = logging.getLogger(__name__)

CONTROLLER_LEASE_SECONDS = 15.0
TURN_SECONDS = 10.0
STORE_RETRY_SECONDS = 5.0
MIB = 1024 * 1024


@dataclass(slots=True)
class Trust:
    """What the roles' trust rests on."""

    pki: PublicKeyInfrastructure
    revocations: Revocations
    enrolments: Enrolments
    join_tokens: JoinTokens
    certificate: ServerCertificate
    box: SecretBox


class Hub:
    """One hub process, of one role or more."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._replica = ""
        """The same after every start on this data directory."""
        self._holder = f"process {uuid.uuid4().hex}"
        """Of leases."""
        self.api_port = 0
        self.agent_port = 0
        self.store: Store
        self.bus: Bus
        self.trust: Trust
        self.registry = Registry()
        self.dispatcher: Dispatcher | None = None
        self.reports: Reports | None = None
        self.renderer: Renderer | None = None
        self.controller: Controller | None = None
        self._gateway: Gateway | None = None
        self._git_observer: Callable[[GitRequest], None] = lambda request: None
        self._operation_observer: Callable[[str, str, OperationState], None] = lambda *_: None

    async def start(self) -> None:
        """Open the store, then start every role of this process. Raises HubError; what was started is stopped."""
        try:
            await self._open()
            if "gateway" in self.settings.roles:
                await self._start_gateway()
            if "controller" in self.settings.roles:
                await self._start_controller()
            if "api" in self.settings.roles:
                await self._start_api()
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> None:
        """Return when a part has ended by itself, which none should. Raises what it raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Drain: no new work, finish what is under way, say goodbye to agents, close the store."""
        if self._gateway is not None:
            self._gateway.draining = True
            for session in self.registry:
                session.close("draining", "this hub is shutting down", retry_after=1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.reports is not None:
            await self.reports.flush()
        await self._stack.aclose()

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    # --- what all roles share

    async def _open(self) -> None:
        settings = self.settings
        place = self._stack.enter_context(own(settings.data_dir))
        self._replica = self._name()
        url = settings.database_url.get_secret_value()
        self.store, self.bus = await open_store(url, data_dir=settings.data_dir)
        self._stack.push_async_callback(self.store.close)
        self._stack.push_async_callback(self.bus.close)
        await self._take_over(place)
        self.trust = await self._open_trust()
        self._run(self.trust.certificate.run(), "certificate")
        self._run(self._watch_store(), "store")

    async def _watch_store(self) -> None:
        """While nothing can be stored, try to: a replica that only answers questions might not write for days, and say
        all that time that it cannot."""
        while True:
            await asyncio.sleep(STORE_RETRY_SECONDS)
            if self.store.trouble() is not None:
                with contextlib.suppress(HubError):
                    async with self.store.lease(f"store {self._replica}", self._replica, TURN_SECONDS):
                        log.info("the store can be written again")

    def _name(self) -> str:
        """Return the replica's name, the same after every start on this data directory: what a killed gateway left
        as connected is its own to correct."""
        path = self.settings.data_dir / "replica"
        name = path.read_text("utf-8").strip() if path.exists() else ""
        if not name:
            name = f"{socket.gethostname()}-{self.settings.port}-{uuid.uuid4().hex[:8]}"
            write_private(path, name)
        return name

    async def _take_over(self, place: str) -> None:
        """End the leases of the process that was killed on this data directory, instead of waiting for their time.

        The lock of the directory says that it is dead. The name alone would not: a copied directory has it, too.
        """
        if not place:
            return
        self._holder = f"{self._replica} at {place}"
        if ended := await self.store.end_leases(self._holder):
            log.info("%d leases of the process that ran here before are taken over", ended)

    async def _open_trust(self) -> Trust:
        settings = self.settings
        box = await asyncio.to_thread(SecretBox.of, key_source(settings))
        names = {host_of(settings.address), host_of(settings.agent_address), socket.gethostname(), "127.0.0.1"}
        pki_settings = PkiSettings(
            server_names=tuple(sorted({*settings.server_names, *names} - {""})),
            agent_validity=timedelta(hours=settings.agent_certificate_hours),
        )
        pki = PublicKeyInfrastructure(self.store, box, now, pki_settings)
        async with self._turn("pki"):
            await pki.start()
        door = DoorLog(self.store, now)

        async def announce(cluster: str) -> None:
            await self.bus.publish("revocations", cluster)

        revocations = Revocations(self.store, now, announce)
        await revocations.refresh()
        tokens = JoinTokens(self.store, door, now, pki_settings)
        enrolments = Enrolments(pki, tokens, Recovery(pki, self.store, now), revocations, door, now)
        certificate = ServerCertificate(pki, now)
        await certificate.refresh()
        return Trust(pki, revocations, enrolments, tokens, certificate, box)

    @contextlib.asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """Of replicas that start at once, one after the other: what only the first may make, the others find made."""
        while True:
            async with self.store.lease(name, self._holder, TURN_SECONDS) as held:
                if held:
                    yield
                    return
            await asyncio.sleep(0.2)

    # --- gateway

    async def _start_gateway(self) -> None:
        settings = self.settings
        dispatcher = self.dispatcher = Dispatcher(self.store, self.bus, self.registry, Voucher(self.trust.pki).vouch)
        incidents = Incidents(self.store, now)
        reports = self.reports = Reports(
            self.store, self.bus, incidents, lambda *ended: self._operation_observer(*ended)
        )
        liveness = Liveness(self.store, self.bus, self.registry, self._replica, settings.heartbeat_seconds)
        desk = Desk(self.store, self.bus, self.registry)
        agreement = Agreement(self.store, self.bus, dispatcher, incidents)
        verifier = PeerVerifier(self.trust.pki, self.trust.revocations)
        doorkeeper = Doorkeeper(self.trust.pki, verifier, self.trust.enrolments, now)
        await liveness.start()
        await dispatcher.start()
        feed = SettingsFeed(self.store, self.bus, self.registry)
        await feed.start()
        gateway = Gateway(
            self.store, doorkeeper, self.registry, agreement, dispatcher, reports, liveness, desk, incidents, feed
        )
        self._gateway = gateway
        self.trust.certificate.subscribe(lambda _: gateway.announce_trust())
        listener = AgentListener(gateway, self._agent_identity())
        self.agent_port = await listener.start(settings.host, settings.agent_port)
        self._stack.push_async_callback(liveness.flush)
        self._stack.push_async_callback(listener.stop, 1.0)
        self._run(dispatcher.run(), "dispatcher")
        self._run(reports.run(), "reports")
        self._run(liveness.run(), "liveness")
        self._run(desk.run(), "desk")
        self._run(feed.run(), "settings")
        self._run(watch_revocations(self.bus, self.trust.revocations, self.registry), "revocations")
        log.info("agents connect to port %d", self.agent_port)

    def _agent_identity(self) -> Any:
        current = [self._server_identity()]

        def renew(_: Any) -> None:
            current[0] = self._server_identity()

        self.trust.certificate.subscribe(renew)
        return lambda: current[0]

    def _server_identity(self) -> ServerIdentity:
        material = self.trust.certificate.current
        return ServerIdentity(material.private_key, material.certificate_chain, material.client_authorities)

    # --- controller

    async def _start_controller(self) -> None:
        settings = self.settings
        entries = RepositoryEntries(self.store, self.trust.box)
        policy = source_policy(settings)
        git = GitSource(
            settings.data_dir, policy=policy, observe=lambda r: self._git_observer(r), access=entries.access
        )
        sources = Sources(git, Charts(settings.data_dir, entries.access, policy), entries.named)
        self._stack.push_async_callback(sources.close)
        limits = RenderLimits(seconds=settings.render_timeout_seconds, memory_bytes=settings.render_memory_mb * MIB)
        renderer_settings = RendererSettings(
            workers=settings.render_workers,
            limits=limits,
            kustomize=settings.kustomize_binary,
            helm=settings.helm_binary,
            preload=(GitTree,),
            hidden=tuple(p for p in (settings.data_dir, settings.ssh_directory) if p is not None),
            readable=(settings.data_dir / "repositories", settings.data_dir / "archives"),
        )
        renderer = self.renderer = Renderer(settings.data_dir / "render", renderer_settings)
        await renderer.start()
        self._stack.push_async_callback(renderer.close)
        materializer = Materializer(self.store, sources, renderer, self.trust.pki.sign)
        watcher = Watcher(sources, settings.poll_seconds, settings.poll_jitter_seconds, entries)
        previewer = Previewer(self.store, self.bus, materializer)
        self.controller = Controller(self.store, self.bus, watcher, Assigner(self.store, materializer))
        self._run(self._control(self.controller, Janitor(self.store, sources), previewer), "controller")

    async def _control(self, controller: Controller, janitor: Janitor, previewer: Previewer) -> None:
        """Be the controller while the lease is held; wait for it while another replica is."""
        while True:
            try:
                async with self.store.lease("controller", self._holder, CONTROLLER_LEASE_SECONDS) as held:
                    if held:
                        await asyncio.gather(controller.run(), janitor.run(), previewer.run())
            except StoreUnavailable as error:
                log.error("the controller's lease: %s; tried again", error.message)
            await asyncio.sleep(CONTROLLER_LEASE_SECONDS / 3)

    # --- api

    async def _start_api(self) -> None:
        # A replica that is no API has no use for the web framework, 25 MB of memory.
        from hub.api.app import create_app
        from hub.api.listener import HttpsListener
        from hub.api.metrics import Telemetry
        from hub.api.services import ApiSettings, Services

        settings = self.settings
        telemetry = Telemetry()
        self._git_observer = telemetry.git_request
        self._operation_observer = telemetry.operation_finished
        audit = Audit(self.store, now)
        accounts = Accounts(self.store, audit, now)
        async with self._turn("first-account"):
            await self._first_password(accounts)
        listener = HttpsListener(self.trust.certificate)
        self.api_port = await listener.bind(settings.host, settings.port)
        self._stack.push_async_callback(listener.stop, settings.drain_seconds)
        api_settings = ApiSettings(
            hub_address=settings.address or f"{socket.gethostname()}:{self.api_port}",
            gateway_address=self._gateway_address(),
            file_prefixes=settings.allow_file_repositories,
        )
        services = Services(
            store=self.store,
            bus=self.bus,
            desk=Desk(self.store, self.bus, None),
            post=Post(self.store, self.bus),
            accounts=accounts,
            sessions=Sessions(self.store, now),
            authorizer=BuiltInRoles(),
            audit=audit,
            pki=self.trust.pki,
            enrolments=self.trust.enrolments,
            join_tokens=self.trust.join_tokens,
            revocations=self.trust.revocations,
            settings=api_settings,
            clock=now,
            sealer=self.trust.box,
            prober=Prober(settings.data_dir / "probe", source_policy(settings)),
            metric_sources=(self._metrics,),
            telemetry=telemetry,
        )
        await listener.serve(create_app(services))
        log.info(
            "the API is at https://%s; agents and people know it by the pin %s",
            api_settings.hub_address,
            self.trust.pki.pin,
        )

    def _metrics(self) -> Iterator[Metric]:
        if self.dispatcher is not None and self.reports is not None:
            yield from gateway_metrics(self.registry, self.dispatcher, self.reports)
        if self.controller is not None and self.renderer is not None:
            yield from controller_metrics(self.controller, self.renderer)

    def _gateway_address(self) -> str:
        settings = self.settings
        if settings.agent_address:
            return settings.agent_address
        host = host_of(settings.address) or socket.gethostname()
        return f"{host}:{self.agent_port or settings.agent_port}"

    async def _first_password(self, accounts: Accounts) -> None:
        """Make the first account. Its password is told before: a hub that is killed in between makes another at its
        next start, and what was told last counts; the other way round, nobody would ever know it."""
        if await self.store.get_account(ADMIN_NAME) is not None:
            return
        password = generate_password()
        path = self.settings.initial_password_file
        if path is not None:
            write_private(path, password + "\n")
        else:
            banner = f"\nThe account admin is made, with the password\n\n    {password}\n\nIt is shown this once.\n\n"
            os.write(2, banner.encode())
        await accounts.ensure_admin(password)
        if path is not None:
            log.info("the account admin was made; its password is in %s", path)


def source_policy(settings: Settings) -> SourcePolicy:
    return SourcePolicy(
        file_prefixes=settings.allow_file_repositories,
        ssh_directory=settings.ssh_directory,
        ssh_auth_socket=settings.ssh_auth_socket,
        ca_file=settings.git_ca_file,
    )


def host_of(address: str) -> str:
    """Return the host of host:port, [IPv6]:port, or of a host alone."""
    host, _, port = address.rpartition(":")
    alone = not port.isdigit() or (":" in host and not host.endswith("]"))
    return (address if alone else host).strip("[]")


def now() -> datetime:
    return datetime.now(UTC)
