from __future__ import annotations

from dataclasses import replace

import pytest

from hub.errors import Invalid, Unauthenticated
from hub.pki.certificates import Issuer, Validity, build_agent, to_pem
from tests.pki.memory_store import MemoryStore
from tests.pki.support import CALLER, AgentKey, Clock, HubTrust


async def refusal(hub: HubTrust, certificate: bytes, request: bytes, advice: str = "rotate-token") -> str:
    with pytest.raises(Unauthenticated) as refused:
        await hub.enrolments.recover(certificate, request, CALLER)
    assert refused.value.code == "recovery-refused" and advice in refused.value.message
    assert hub.reasons()[-1] == "RecoveryRefused"
    return refused.value.message


@pytest.mark.parametrize("days", [0, 1.5, 30.9])
async def test_expired_certificate_is_a_way_back_for_thirty_days(hub: HubTrust, clock: Clock, days: float) -> None:
    key = AgentKey()
    old = await hub.join("c-1", key)
    clock.advance(days=days)
    new = await hub.enrolments.recover(old.pem, key.request(), CALLER)
    assert hub.peer(new.pem).cluster == "c-1"
    assert hub.reasons()[-1] == "AgentRecovered"


async def test_not_after_thirty_days(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    old = await hub.join("c-1", key)
    clock.advance(days=31, minutes=1)
    assert "more than 30 days ago" in await refusal(hub, old.pem, key.request())


async def test_not_with_another_key(hub: HubTrust, clock: Clock) -> None:
    old = await hub.join("c-1", AgentKey())
    clock.advance(days=2)
    assert "not signed by the certificate's key" in await refusal(hub, old.pem, AgentKey().request())


async def test_not_when_revoked_even_long_after_expiry(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    old = await hub.join("c-1", key)
    await hub.revocations.revoke("c-1")
    clock.advance(days=20)
    assert "was revoked" in await refusal(hub, old.pem, key.request())


async def test_not_without_the_hubs_own_record(hub: HubTrust, store: MemoryStore, clock: Clock) -> None:
    key = AgentKey()
    old = await hub.join("c-1", key)
    clock.advance(days=2)
    record = store.certificates.pop(old.record.serial)
    assert "no record" in await refusal(hub, old.pem, key.request())
    for changed in (replace(record, cluster="c-2"), replace(record, key_pin="0" * 64)):
        store.certificates[record.serial] = changed
        assert "no record" in await refusal(hub, old.pem, key.request())


async def test_leaked_authority_key_opens_nothing(hub: HubTrust, clock: Clock) -> None:
    genuine = await hub.join("c-1", AgentKey())
    thief, active = AgentKey(), hub.pki.keyring.active
    validity = Validity(genuine.record.not_before, genuine.record.not_after)
    forged = build_agent(thief.private.public_key(), "c-1", active.issuer, validity)
    assert "no record" in await refusal(hub, to_pem(forged), thief.request())


async def test_not_with_a_certificate_of_somebody_else(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    now = clock()
    issuer = Issuer((await HubTrust(MemoryStore(clock), clock).start()).pki.keyring.active.certificate, key.private)
    forged = build_agent(key.private.public_key(), "c-1", issuer, Validity(now, now.replace(year=now.year + 1)))
    assert "not issued by this hub" in await refusal(hub, to_pem(forged), key.request())


async def test_not_before_it_is_valid_by_the_hubs_clock(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    issued = await hub.join("c-1", key)
    clock.advance(hours=-1)
    assert "not valid yet" in await refusal(hub, issued.pem, key.request(), "set the clocks")


async def test_the_hubs_own_certificates_are_no_way_in(hub: HubTrust) -> None:
    with pytest.raises(Invalid):
        await hub.enrolments.recover(hub.server.current.certificate_chain, AgentKey().request(), CALLER)


async def test_junk_is_refused(hub: HubTrust) -> None:
    issued = await hub.join("c-1", AgentKey())
    for certificate, request in ((b"junk", AgentKey().request()), (issued.pem, b"junk"), (b"", b"")):
        with pytest.raises(Invalid):
            await hub.enrolments.recover(certificate, request, CALLER)
