"""Whoever is not what they claim: refused with words that help, recorded where operators look, and no harm to the
honest agents, of the same cluster or of others."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.hubclient.identity import Identity as AgentIdentity
from escadre.v1 import agent_pb2 as pb
from hub.api.guard import AGENT_LIMIT
from hub.pki.certificates import cluster_of
from tests.faults.clock import Clock
from tests.faults.town import Town, flooding
from tests.faults.waiting import answered, until
from tests.fleet.handmade import Identity
from tests.fleet.kit import Fleet
from tests.pki.support import AgentKey

REFUSED = grpc.StatusCode.UNAUTHENTICATED
AWAY = grpc.StatusCode.UNAVAILABLE


# --- join tokens


async def test_a_token_opens_the_door_once(town: Town) -> None:
    token, key = await town.token("c0"), AgentKey()
    honest = AgentKey()
    assert (await town.enrol(token, honest)).status_code == 200
    thief = await town.enrol(token, key)
    assert thief.status_code == 401 and "rotate-token" in thief.json()["error"]["message"]
    assert thief.json()["error"]["code"] == "join-token-refused"
    await town.recorded("JoinTokenReused", "c0")
    await town.goes_on("c1")


SPOILT: dict[str, Callable[[str], str]] = {
    "JoinTokenForAnotherCluster": lambda token: "esc1.00000000." + token.split(".")[2],
    "JoinTokenUnknown": lambda token: token[:-43] + "x" * 43,
    "JoinTokenMalformed": lambda token: token + "'; DROP TABLE clusters",
}


async def test_a_token_that_is_not_good_is_refused(town: Town, clock: Clock) -> None:
    token = await town.token("c0")
    replies = [await town.enrol(spoil(token)) for spoil in SPOILT.values()]
    with clock.at(hours=25):
        replies.append(await town.enrol(token))
    for reply in replies:
        assert reply.status_code == 401 and "rotate-token" in reply.json()["error"]["message"]
    await town.recorded("JoinTokenExpired", "c0")
    await town.recorded("JoinTokenForAnotherCluster", "c0")
    await town.recorded("JoinTokenUnknown")
    await town.recorded("JoinTokenMalformed")
    await town.goes_on()
    assert (await town.enrol("x" * AGENT_LIMIT)).status_code == 413
    assert (await town.enrol(token)).status_code == 200, "the good one is not used up by what was made of it"


async def test_wrong_tokens_by_the_hundred_are_written_down_within_bounds_and_hide_nothing(town: Town) -> None:
    stolen = await town.token("c1")
    assert (await town.enrol(stolen)).status_code == 200

    async def guess() -> None:
        assert (await town.enrol(f"esc1.00000000.{secrets.token_urlsafe(32)}")).status_code == 401

    async with flooding(guess):
        await town.goes_on("c0")
    await asyncio.gather(*(guess() for _ in range(150)))
    assert len(await town.events("JoinTokenUnknown")) == 120
    # Strangers cannot use up what is written down of those who have something of a cluster's.
    for _ in range(25):
        assert (await town.enrol(stolen)).status_code == 401
    await town.recorded("JoinTokenReused", "c1")
    assert len(await town.events("JoinTokenReused")) == 20


async def test_what_a_request_says_of_its_sender_counts_for_nothing(town: Town) -> None:
    other = await town.uid("c1")
    body = {"token": await town.token("c0"), "csr": AgentKey().request(other).decode()}
    reply = await town.web.post("/agent/v1/enrol", json=body)
    assert reply.json()["cluster"] == "c0"
    assert cluster_of(x509.load_pem_x509_certificate(reply.json()["certificate"].encode())) == await town.uid("c0")
    await town.fleet.add_cluster("c9")
    liar = town.clients.dial(await town.certificate("c9"))
    request = x509.load_pem_x509_csr(AgentKey().request(other)).public_bytes(Encoding.DER)
    renewed = await liar.stub.Renew(pb.RenewRequest(csr=request), timeout=10)
    assert cluster_of(x509.load_der_x509_certificate(renewed.certificate)) == await town.uid("c9")


# --- certificates


async def test_a_revoked_certificate_is_refused_with_the_way_out(town: Town) -> None:
    stolen = await town.certificate("c0")
    await town.fleet.hub.trust.revocations.revoke(stolen.cluster.uid)
    code, words = await town.turned_away(stolen)
    assert code is REFUSED and "revoked" in words and "rotate-token" in words
    assert "revoked" in (await town.recorded("ConnectionRefused", "c0"))["message"]
    for _ in range(40):
        await town.turned_away(stolen)
    assert len(await town.events("ConnectionRefused")) <= 20
    await town.goes_on("c1")


async def other_authoritys(town: Town, clock: Clock) -> Identity:
    """A certificate that names c0, of another hub's authority."""
    root = town.fleet.root / "elsewhere"
    elsewhere = Fleet(root, roles=("gateway",))
    await elsewhere.start()
    try:
        cluster = await elsewhere.add_cluster("c0")
        key = AgentKey()
        issued = await elsewhere.hub.trust.pki.issue_from_csr(cluster.uid, key.request())
    finally:
        await elsewhere.stop()
    return replace(await town.certificate("c0"), key=key, issued=issued)


async def expired(town: Town, clock: Clock) -> Identity:
    with clock.at(hours=-3):
        return await town.certificate("c0")


async def not_yet_valid(town: Town, clock: Clock) -> Identity:
    with clock.at(hours=3):
        return await town.certificate("c0")


async def test_a_certificate_that_tls_refuses_reaches_nothing(town: Town, clock: Clock) -> None:
    """gRPC refuses these in the handshake, and tells nobody who it was; its own log says why."""
    identities = [await make(town, clock) for make in (other_authoritys, expired, not_yet_valid)]
    before = len(await town.fleet.hub.store.list_events())
    for identity in identities * 3:
        assert (await town.turned_away(identity))[0] is AWAY
    assert len(await town.fleet.hub.store.list_events()) == before
    await town.goes_on()


def install(town: Town, identity: Identity, name: str) -> None:
    """Have an agent's disk hold this certificate, and it believe that all is well."""
    directory = town.fleet.root / name
    held = AgentIdentity.load(directory)
    assert held is not None
    (directory / "key.pem").write_bytes(identity.key.pem)
    (directory / "certificate.pem").write_bytes(identity.issued.pem)


async def test_an_honest_agent_whose_certificate_tls_refuses_is_told_why(
    town: Town, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cases = ((not_yet_valid, "set the clocks", "c0"), (other_authoritys, "not issued by this hub", ""))
    for make, words, cluster in cases:
        await town.fleet.stop_agent("c0")
        install(town, await make(town, clock), "c0")
        town.fleet.start_agent("c0")
        assert words in (await town.recorded("RecoveryRefused", cluster))["message"]
        await until(lambda: words in caplog.text, "the agent's log to say so")  # noqa: B023
    await town.goes_on("c1")


async def test_an_honest_agent_whose_certificate_expired_by_the_hubs_clock_alone_comes_back(
    town: Town, clock: Clock
) -> None:
    await town.fleet.stop_agent("c0")
    install(town, await expired(town, clock), "c0")
    town.fleet.start_agent("c0")
    await answered(lambda: town.events("AgentRecovered", "c0"), "its recovery")
    await town.goes_on()


async def test_anothers_expired_certificate_is_no_way_in(town: Town, clock: Clock) -> None:
    theirs = await expired(town, clock)
    body = {"certificate": theirs.issued.pem.decode(), "csr": AgentKey().request().decode()}
    for _ in range(30):
        reply = await town.web.post("/agent/v1/recover", json=body)
        assert reply.status_code == 401 and "not signed by the certificate's key" in reply.json()["error"]["message"]
    await town.recorded("RecoveryRefused", "c0")
    assert len(await town.events("RecoveryRefused")) <= 20
    await town.goes_on()


# --- an agent that speaks for others


async def test_an_agent_that_reports_anothers_application_is_not_believed(town: Town) -> None:
    await town.fleet.add_cluster("c9")
    liar = town.clients.dial(await town.certificate("c9"))
    await liar.hello(agent_version="9.9", capabilities=pb.Capabilities(server="https://c0.example"))
    before = await town.fleet.statuses("web")
    for sequence in range(1, 60):
        await liar.say(status=lie(sequence))
        assert (await liar.until("status_receipt")).sequence == sequence
    event = await town.recorded("ForeignReport", "c9")
    assert "argocd/web" in event["message"] and "not assigned to it" in event["message"]
    assert len(await town.events("ForeignReport")) <= 20
    assert await town.fleet.statuses("web") == before
    assert not await town.fleet.hub.store.drifts_of_application("argocd/web")
    assert {entry.cluster for entry in await town.scene.history(2)} == {await town.uid("c0"), await town.uid("c1")}
    await town.goes_on()


def lie(sequence: int) -> pb.StatusReport:
    """All that can be said of an application."""
    name, uid = "argocd/web", "whatever"
    key = pb.ResourceKey(kind="ConfigMap", name="settings")
    status = pb.ApplicationStatus(application=name, uid=uid, generation=1, sync="OutOfSync", health="Degraded")
    gone = pb.ApplicationStatus(application=name, uid=uid, generation=1, deleted=True)
    drift = pb.DriftReport(id=f"d{sequence}", application=name, key=key, kind="deleted", seen_ms=1)
    done = pb.OperationState(id="o", application=name, kind="sync", phase="Succeeded", manifest_set=b"\1" * 32)
    return pb.StatusReport(sequence=sequence, applications=[status, gone], drifts=[drift], finished_operations=[done])
