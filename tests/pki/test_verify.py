from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from hub.errors import Invalid, StoreUnavailable, Unauthenticated
from hub.pki.certificates import (
    Issuer,
    Validity,
    build_agent,
    build_authority,
    build_cross,
    build_server,
    cluster_of,
    to_pem,
)
from tests.pki.memory_store import MemoryStore
from tests.pki.support import AgentKey, Clock, HubTrust


def code(hub: HubTrust, pem: bytes, by: timedelta = timedelta(0)) -> str:
    with pytest.raises(Unauthenticated) as refused:
        hub.verifier.peer_cluster(pem, hub.clock() + by)
    return refused.value.code


async def test_cluster_serial_and_end_are_told_from_the_certificate(hub: HubTrust) -> None:
    issued = await hub.join("c-1", AgentKey())
    peer = hub.peer(issued.pem)
    assert (peer.cluster, peer.serial, peer.not_after) == ("c-1", issued.record.serial, issued.record.not_after)
    assert hub.verifier.peer_cluster(issued.der, hub.clock()) == peer


async def test_time_decides_by_the_clock_given(hub: HubTrust) -> None:
    pem = (await hub.join("c-1", AgentKey())).pem
    assert code(hub, pem, timedelta(hours=24)) == "certificate-expired"
    assert code(hub, pem, -timedelta(minutes=5, seconds=5)) == "certificate-not-yet-valid"
    # A peer or a hub whose clock is four minutes behind is served.
    assert hub.verifier.peer_cluster(pem, hub.clock() - timedelta(minutes=4)).cluster == "c-1"


async def test_certificate_of_another_hub_is_refused_though_its_authority_takes_our_name(hub: HubTrust) -> None:
    foreign_hub = await HubTrust(MemoryStore(hub.clock), hub.clock).start()
    foreign = await foreign_hub.join("c-1", AgentKey())
    assert code(hub, foreign.pem) == "unknown-authority"
    ours, thief, now = hub.pki.keyring.active.certificate, AgentKey(), hub.clock()
    impostor = (
        x509.CertificateBuilder()
        .subject_name(ours.subject)
        .issuer_name(ours.subject)
        .public_key(thief.private.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(thief.private, hashes.SHA256())
    )
    validity = Validity(now - timedelta(hours=1), now + timedelta(hours=1))
    forged = build_agent(AgentKey().private.public_key(), "c-1", Issuer(impostor, thief.private), validity)
    assert code(hub, to_pem(forged)) == "unknown-authority"


async def test_what_the_authority_signed_for_other_ends_speaks_for_no_cluster(hub: HubTrust) -> None:
    issuer, now = hub.pki.keyring.active.issuer, hub.clock()
    validity = Validity(now - timedelta(hours=1), now + timedelta(hours=1))
    public = AgentKey().private.public_key()
    server = build_server(public, ("localhost",), issuer, validity)
    other = build_authority(AgentKey().private, validity)
    for certificate in (server, build_cross(other, issuer, validity), issuer.certificate):
        assert code(hub, to_pem(certificate)) == "bad-certificate"


@pytest.mark.parametrize("tag", [0x02, 0x03, 0x30, 0xFF])
async def test_certificate_whose_names_are_damaged_is_refused(hub: HubTrust, tag: int) -> None:
    der = (await hub.join("c-1", AgentKey())).der
    issuer, subject = b"\x0c\x07Escadre", b"\x0c\x03c-1"
    assert der.count(issuer) == der.count(subject) == 1
    for name in (issuer, subject):
        assert code(hub, der.replace(name, bytes([tag]) + name[1:])) in ("unknown-authority", "bad-certificate")


@pytest.mark.parametrize(
    ("common", "names"),
    [
        ("a", ["escadre://cluster/b"]),
        ("a", ["escadre://cluster/a", "escadre://cluster/b"]),
        ("a", ["https://cluster/a"]),
        ("a", ["escadre://cluster/a/b"]),
        ("a", ["escadre://cluster/"]),
        ("", ["escadre://cluster/a"]),
    ],
)
async def test_certificate_that_names_no_cluster_or_two_is_refused(
    hub: HubTrust, common: str, names: list[str]
) -> None:
    issuer, now = hub.pki.keyring.active.issuer, hub.clock()
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(issuer.certificate.subject)
        .public_key(AgentKey().private.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), critical=False
        )
        .sign(issuer.private_key, hashes.SHA256())
    )
    with pytest.raises(Invalid):
        cluster_of(certificate)
    assert code(hub, to_pem(certificate)) == "bad-certificate"


async def test_revoked_certificate_is_refused_at_once_and_after_a_restart_and_by_other_replicas(
    hub: HubTrust, store: MemoryStore, clock: Clock
) -> None:
    other = await HubTrust(store, clock).start()
    issued, bystander = await hub.join("c-1", AgentKey()), await hub.join("c-2", AgentKey())
    assert await hub.revocations.revoke("c-1") == 1
    assert hub.announced == ["c-1"]
    assert code(hub, issued.pem) == "certificate-revoked"
    assert await other.revocations.refresh() == {issued.record.serial}
    assert await other.revocations.refresh() == frozenset()
    assert code(other, issued.pem) == "certificate-revoked"
    assert code(await HubTrust(store, clock).start(), issued.pem) == "certificate-revoked"
    assert hub.peer(bystander.pem).cluster == "c-2"
    assert await hub.revocations.revoke("c-1") == 0 and hub.announced == ["c-1"]


async def test_revocations_known_stay_known_while_the_store_is_away(hub: HubTrust, store: MemoryStore) -> None:
    issued = await hub.join("c-1", AgentKey())
    await hub.revocations.revoke("c-1")
    store.failing = {"revoked_serials"}
    with pytest.raises(StoreUnavailable):
        await hub.revocations.refresh()
    assert code(hub, issued.pem) == "certificate-revoked"


async def test_renewal_that_runs_while_its_certificate_is_revoked_yields_nothing(
    hub: HubTrust, store: MemoryStore, clock: Clock
) -> None:
    key = AgentKey()
    peer = hub.peer((await hub.join("c-1", key)).pem)
    # Another replica revokes; this one has not heard of it.
    await store.revoke_certificates("c-1", clock())
    with pytest.raises(Unauthenticated, match="revoked"):
        await hub.enrolments.renew(peer, key.request())
    assert all(record.revoked_at is not None for record in store.certificates.values())
