"""Certificates renewed, expired, revoked and rotated while the fleet runs."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.errors import EnrolmentError
from agent.hubclient.enrol import Enroller
from agent.hubclient.identity import Identity
from hub.errors import Conflict
from tests.faults.clock import Clock
from tests.faults.scene import Scene, has
from tests.faults.waiting import answered, until
from tests.fleet.kit import Fleet, application
from tests.pki.support import AgentKey
from tests.pki.tls import served_leaf


@pytest.fixture
def fleet(renewing_fleet: Fleet) -> Fleet:
    return renewing_fleet


def certificate_of(fleet: Fleet, name: str = "c0") -> x509.Certificate:
    """What an agent has on disk."""
    return x509.load_pem_x509_certificate((fleet.root / name / "certificate.pem").read_bytes())


def serial(fleet: Fleet, name: str = "c0") -> str:
    return f"{certificate_of(fleet, name).serial_number:x}"


async def session_serial(scene: Scene, number: int = 0) -> str:
    session = scene.fleet.hub.registry.of_cluster((await scene.cluster(number)).uid)
    return session.serial.lstrip("0") if session is not None else ""


async def make_due(fleet: Fleet, name: str = "c0") -> None:
    """Start an agent again that believes its certificate to be in its last third."""
    await fleet.stop_agent(name)
    identity = Identity.load(fleet.root / name)
    assert identity is not None
    now = datetime.now(UTC)
    # So long ago that hardly any of its last third, in which the moment is drawn, is still to come.
    link = replace(identity.link, valid_from=now - timedelta(days=100), valid_until=now + timedelta(seconds=100))
    trust, certificate = identity.trust, identity.certificate()
    Identity.install(fleet.root / name, link, certificate, trust)
    fleet.start_agent(name)


async def test_a_certificate_is_renewed_in_its_last_third_and_the_stream_uses_it(scene: Scene) -> None:
    await scene.open("", "")
    before = serial(scene.fleet)
    await make_due(scene.fleet)
    await until(lambda: serial(scene.fleet) != before, "the certificate to be renewed")
    await answered(lambda: uses_its_certificate(scene), "a stream with the new certificate")
    identity = Identity.load(scene.fleet.root / "c0")
    assert identity is not None
    left = identity.link.valid_until - datetime.now(UTC)
    assert timedelta(minutes=55) < left < timedelta(minutes=61)
    # The key has not changed hands, nor the other agent its certificate; and the fleet works.
    assert [r.cluster for r in await scene.fleet.hub.store.list_certificates(not_after=datetime.now(UTC))].count(
        (await scene.cluster()).uid
    ) == 2
    await scene.arrived(await scene.commit(settings="2"))


async def uses_its_certificate(scene: Scene, number: int = 0) -> bool:
    return await session_serial(scene, number) == serial(scene.fleet, f"c{number}")


async def test_the_hubs_own_certificate_is_replaced_while_it_serves(scene: Scene) -> None:
    await scene.open()
    fleet, uid = scene.fleet, (await scene.cluster()).uid
    session = fleet.hub.registry.of_cluster(uid)
    before = await served(fleet)
    material = fleet.hub.trust.certificate.current
    # As if two thirds of its life were over.
    aged = replace(material, not_before=material.not_before - timedelta(days=100))
    fleet.hub.trust.certificate._current = aged
    assert await fleet.hub.trust.certificate.refresh()
    after = await served(fleet)
    assert not before & after
    assert fleet.hub.registry.of_cluster(uid) is session, "the open stream stays"
    await scene.arrived(await scene.commit(settings="2"))


async def served(fleet: Fleet) -> set[int]:
    """Return the serials of what the hub serves on its two ports."""
    directory = fleet.root / "c0"
    loaded = serialization.load_pem_private_key((directory / "key.pem").read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    trusted, mine = (directory / "authorities.pem").read_bytes(), (directory / "certificate.pem").read_bytes()
    link = await asyncio.to_thread(served_leaf, fleet.hub.agent_port, trusted, fleet.root, AgentKey(loaded), mine)
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", fleet.hub.api_port), timeout=10)
    return {link.serial_number, x509.load_pem_x509_certificate(pem.encode()).serial_number}


async def test_an_agent_off_until_its_certificate_expired_comes_back(scene: Scene, clock: Clock) -> None:
    await scene.open()
    revision = await scene.commit(settings="2")
    await scene.arrived(revision)
    await scene.fleet.stop_agent("c0")
    with clock.at(minutes=-70):
        await scene.fleet.enrol(await scene.cluster(), scene.fleet.root / "c0")
    assert certificate_of(scene.fleet).not_valid_after_utc < datetime.now(UTC)
    revision = await scene.commit(settings="3")
    scene.fleet.start_agent("c0")
    await scene.arrived(revision)
    (event,) = await scene.fleet.events("AgentRecovered")
    assert event.cluster == (await scene.cluster()).uid
    assert certificate_of(scene.fleet).not_valid_after_utc > datetime.now(UTC)


async def test_an_agent_whose_certificate_expired_works_alone_until_the_hub_is_back(scene: Scene, clock: Clock) -> None:
    cluster = await scene.open()
    await scene.fleet.stop_agent("c0")
    with clock.at(minutes=-70):
        await scene.fleet.enrol(await scene.cluster(), scene.fleet.root / "c0")
    await scene.fleet.stop_hub()
    scene.fleet.start_agent("c0")
    await scene.hack()
    await until(lambda: cluster.data("settings") == {"k": "1"}, "the healing")
    await scene.fleet.start()
    (drift,) = await scene.healed_drifts(1)
    assert drift.hub_away
    assert await uses_its_certificate(scene)


async def test_a_revoked_agent_is_dropped_at_once_and_stays_out(scene: Scene) -> None:
    cluster = await scene.open("", "")
    fleet, uid = scene.fleet, (await scene.cluster()).uid
    await fleet.hub.trust.revocations.revoke(uid)
    await until(lambda: fleet.hub.registry.of_cluster(uid) is None, "the stream to be dropped")
    refused = await answered(lambda: fleet.events("ConnectionRefused"), "the refusal")
    assert "revoked" in refused[0].message
    await fleet.restart_hub()
    await answered(lambda: scene.connected(1), "the other agent to be back")
    await answered(lambda: more_refusals(fleet, len(refused)), "the refusal after the restart")
    assert fleet.hub.registry.of_cluster(uid) is None
    # It is not let in by another door either.
    identity = Identity.load(fleet.root / "c0")
    assert identity is not None
    with pytest.raises(EnrolmentError, match="revoked"):
        await Enroller("test").recover(identity)
    assert await fleet.events("RecoveryRefused")
    # What it looks after goes on, and the others do.
    revision = await scene.commit(settings="2")
    await fleet.wait("web", lambda found: has(found, "c1", revision))
    await scene.hack()
    await until(lambda: cluster.data("settings") == {"k": "1"}, "the healing")


async def more_refusals(fleet: Fleet, than: int) -> bool:
    return len(await fleet.events("ConnectionRefused")) > than


# --- the authority, replaced in three steps


def trusted(fleet: Fleet, name: str) -> int:
    """How many authorities an agent trusts, as it is on its disk."""
    return (fleet.root / name / "authorities.pem").read_bytes().count(b"BEGIN CERTIFICATE")


async def all_trust(scene: Scene, count: int, *names: str) -> None:
    await until(lambda: {trusted(scene.fleet, name) for name in names} == {count}, f"{names} to trust {count}")


async def all_renewed(scene: Scene, authority: x509.Certificate) -> bool:
    names = [f"c{number}" for number in range(len(scene.clusters))]
    ours = [certificate_of(scene.fleet, name).issuer == authority.subject for name in names]
    fresh = [certificate_of(scene.fleet, name) for name in names]
    return all(ours) and all(c.not_valid_after_utc > datetime.now(UTC) + timedelta(minutes=30) for c in fresh)


async def test_the_authority_is_replaced_without_a_gap(scene: Scene, clock: Clock) -> None:
    fleet = scene.fleet
    fleet.renewing = False
    with clock.at(minutes=-57):
        await scene.open("", "", "")
    old = Scene(fleet, scene.repository, "old", scene.clusters)
    old.write(kept="1")
    old.repository.commit("old")
    await fleet.apply(application("old", scene.repository.url, "old"))
    await fleet.synced("old", 3)
    pki, certificate = fleet.hub.trust.pki, fleet.hub.trust.certificate
    before = pki.keyring.active.certificate

    # Made known: to those that are connected at once, to one that is away when it comes back.
    await fleet.stop_agent("c2")
    await pki.prepare_rotation()
    assert await certificate.refresh()
    await all_trust(scene, 2, "c0", "c1")
    with pytest.raises(Conflict):
        await pki.activate_rotation()

    # Signing: the fleet goes on, whether connected throughout, connecting anew, or having missed the first step.
    await pki.activate_rotation(force=True)
    assert await certificate.refresh()
    assert pki.keyring.active.certificate != before
    await fleet.stop_agent("c1")
    fleet.start_agent("c1")
    fleet.start_agent("c2")
    revision = await scene.commit(settings="2")
    await scene.arrived(revision)
    await all_trust(scene, 2, "c2")
    with pytest.raises(Conflict, match="still needed"):
        await pki.retire()

    # Renewed: every agent has a certificate of the new authority.
    fleet.renewing = True
    for name in ("c0", "c1", "c2"):
        await fleet.stop_agent(name)
        fleet.start_agent(name)
    await answered(lambda: all_renewed(scene, pki.keyring.active.certificate), "the renewals")

    # Retired: the old one counts no more, and nobody is left behind.
    with clock.at(minutes=5):
        await pki.retire()
    assert await certificate.refresh()
    await all_trust(scene, 1, "c0", "c1", "c2")
    await scene.arrived(await scene.commit(settings="3"))

    # What was signed before the rotation can still be given to an agent that lost its disk.
    await fleet.stop_agent("c0")
    (fleet.root / "c0" / "agent.db").unlink()
    fleet.start_agent("c0")
    agent = fleet.agents["c0"][0]
    await until(lambda: agent.syncer.assignment("argocd/old"), "the old assignment")
    await fleet.synced("old", 3)
    await scene.arrived(await scene.commit(settings="4"))
    assert all(cluster.deleted == [] for cluster in scene.clusters)


async def test_a_rotation_survives_a_restart_of_the_hub_at_each_step(scene: Scene, clock: Clock) -> None:
    fleet = scene.fleet
    fleet.renewing = False
    with clock.at(minutes=-57):
        await scene.open()
    await fleet.hub.trust.pki.prepare_rotation()
    await fleet.restart_hub()
    await all_trust(scene, 2, "c0")
    await fleet.hub.trust.pki.activate_rotation(force=True)
    await fleet.restart_hub()
    await scene.arrived(await scene.commit(settings="2"))
    fleet.renewing = True
    await fleet.stop_agent("c0")
    fleet.start_agent("c0")
    await answered(lambda: all_renewed(scene, fleet.hub.trust.pki.keyring.active.certificate), "the renewal")
    with clock.at(minutes=5):
        await fleet.hub.trust.pki.retire()
    await fleet.restart_hub()
    await all_trust(scene, 1, "c0")
    await scene.arrived(await scene.commit(settings="3"))
