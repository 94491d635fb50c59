from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.domain.pki import SigningKey, TrustBundle
from hub.errors import HubError, Invalid, StoreUnavailable
from hub.pki.authority import SIGNING_CONTEXT, PublicKeyInfrastructure
from hub.pki.certificates import MAX_REQUEST, cluster_of, issued_by, read_certificate
from hub.pki.contract import PkiSettings
from hub.pki.keyring import AuthorityDamaged
from hub.pki.secretbox import KeyFileError, SecretBox
from tests.pki.memory_store import MemoryStore
from tests.pki.support import AgentKey, Clock, HubTrust


async def test_first_start_makes_one_authority_and_one_signing_key_and_later_starts_load_them(
    store: MemoryStore, clock: Clock
) -> None:
    first = await HubTrust(store, clock).start()
    second = await HubTrust(store, clock).start()
    assert first.pki.pin == second.pki.pin
    assert first.pki.trust_bundle() == second.pki.trust_bundle()
    assert sorted(a.kind for a in store.authorities.values()) == ["ca", "manifest-signing"]


async def test_no_private_key_is_stored_in_the_clear(hub: HubTrust, store: MemoryStore) -> None:
    for record in store.authorities.values():
        private = SecretBox(b"k" * 32).unseal(record.private_key, f"authority/{record.id}")
        assert private not in record.private_key and record.private_key[:40].find(b"0\x81") < 0
    with pytest.raises(KeyFileError, match="put the right key file back"):
        await PublicKeyInfrastructure(store, SecretBox(b"x" * 32), hub.clock, PkiSettings()).start()


async def test_replicas_that_start_at_once_end_with_the_same_authority(store: MemoryStore, clock: Clock) -> None:
    one, two = HubTrust(store, clock), HubTrust(store, clock)
    store.authorities.clear()
    made_by_one, made_by_two = one.pki._make_missing(), two.pki._make_missing()
    for record in (*made_by_one, *made_by_two):
        await store.put_authority(record)
    await one.start()
    await two.start()
    assert one.pki.pin == two.pki.pin
    assert one.pki.sign(b"d" * 32)[1] == two.pki.sign(b"d" * 32)[1]
    assert len(one.pki.trust_bundle().authorities) == 2


async def test_certificate_carries_the_cluster_and_nothing_of_the_request_but_its_key(hub: HubTrust) -> None:
    key = AgentKey()
    issued = await hub.pki.issue_from_csr("c-1", key.request(name="another-cluster"))
    certificate = read_certificate(issued.pem)
    assert cluster_of(certificate) == "c-1"
    assert certificate.public_key() == key.private.public_key()
    assert "another-cluster" not in certificate.subject.rfc4514_string()
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert issued_by(certificate, hub.pki.keyring.active.certificate)


async def test_certificate_lives_a_day_and_began_five_minutes_ago_and_is_recorded(
    hub: HubTrust, store: MemoryStore
) -> None:
    issued = await hub.pki.issue_from_csr("c-1", AgentKey().request())
    assert issued.record.not_after - issued.record.not_before == timedelta(hours=24, minutes=5)
    assert abs(hub.clock() - issued.record.not_before - timedelta(minutes=5)) < timedelta(seconds=5)
    assert store.certificates == {issued.record.serial: issued.record}
    assert issued.record.authority == hub.pki.keyring.active.record.id
    assert len(issued.record.serial) == 32


async def test_a_certificate_that_could_not_be_recorded_is_not_given_out(hub: HubTrust, store: MemoryStore) -> None:
    store.failing = {"add_certificate"}
    with pytest.raises(StoreUnavailable):
        await hub.pki.issue_from_csr("c-1", AgentKey().request())


async def test_no_certificate_outlives_its_authority(store: MemoryStore, clock: Clock) -> None:
    hub = await HubTrust(store, clock, PkiSettings(authority_validity=timedelta(days=1))).start()
    clock.advance(hours=20)
    issued = await hub.pki.issue_from_csr("c-1", AgentKey().request())
    assert issued.record.not_after == hub.pki.keyring.active.certificate.not_valid_after_utc
    clock.advance(hours=5)
    with pytest.raises(HubError, match="authority has expired"):
        await hub.pki.issue_from_csr("c-1", AgentKey().request())
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    assert (await hub.pki.issue_from_csr("c-1", AgentKey().request())).record.not_after > clock()


@pytest.mark.parametrize("uid", ["", "a/b", "a b", "-a", "x" * 64, "ü", "a\n", "../a"])
async def test_uid_that_a_certificate_cannot_carry_is_refused(hub: HubTrust, uid: str) -> None:
    with pytest.raises(Invalid):
        await hub.pki.issue_from_csr(uid, AgentKey().request())


async def test_oversized_request_is_refused_unread(hub: HubTrust) -> None:
    with pytest.raises(Invalid, match="larger than"):
        await hub.pki.issue_from_csr("c-1", AgentKey().request() + b"\n" * MAX_REQUEST)


async def test_signature_holds_for_the_digest_in_its_context_only(hub: HubTrust) -> None:
    signature, key_id = hub.pki.sign(b"d" * 32)
    keys = {key.id: key.public_key for key in hub.pki.trust_bundle().signing_keys}
    public = ed25519.Ed25519PublicKey.from_public_bytes(keys[key_id])
    public.verify(signature, SIGNING_CONTEXT + b"d" * 32)
    assert SIGNING_CONTEXT == b"escadre/v1/manifest-set\x00"
    with pytest.raises(ValueError, match="32 bytes"):
        hub.pki.sign(b"short")


def test_trust_digest_depends_on_what_is_trusted_and_not_on_its_order() -> None:
    keys = (SigningKey("a", b"1" * 32), SigningKey("b", b"2" * 32))
    digest = TrustBundle((b"x", b"y"), keys).digest()
    assert digest == TrustBundle((b"y", b"x"), keys[::-1]).digest()
    assert digest != TrustBundle((b"x",), keys).digest()
    assert digest != TrustBundle((b"x", b"y"), (SigningKey("a", b"2" * 32), keys[1])).digest()


async def test_records_that_do_not_belong_together_are_told(store: MemoryStore, clock: Clock) -> None:
    await HubTrust(store, clock).start()
    other = MemoryStore(clock)
    await HubTrust(other, clock).start()
    mine = next(a for a in store.authorities.values() if a.kind == "ca")
    theirs = next(a for a in other.authorities.values() if a.kind == "ca")
    box = SecretBox(b"k" * 32)
    stolen = box.seal(box.unseal(theirs.private_key, f"authority/{theirs.id}"), f"authority/{mine.id}")
    for broken in (
        replace(mine, private_key=stolen),
        replace(mine, private_key=box.seal(b"junk", f"authority/{mine.id}")),
        replace(mine, certificate=b"junk"),
    ):
        store.authorities[mine.id] = broken
        with pytest.raises(AuthorityDamaged):
            await HubTrust(store, clock).start()


@pytest.mark.parametrize(
    "change",
    [
        {"agent_validity": timedelta(0)},
        {"server_validity": timedelta(days=500)},
        {"recovery": timedelta(days=91)},
        {"backdating": timedelta(hours=2)},
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=f"{next(iter(change))} must be between"):
        PkiSettings(**change)


@pytest.mark.parametrize("name", ["", "a b", "http://hub", "hub:443", "-hub", "ü.example", "a..b", "x" * 254])
async def test_server_name_that_is_none_is_refused(store: MemoryStore, clock: Clock, name: str) -> None:
    with pytest.raises(Invalid, match="neither a host name nor an IP address"):
        await HubTrust(store, clock, PkiSettings(server_names=(name,))).start()
