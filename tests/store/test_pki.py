from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.domain.pki import Authority, CertificateRecord, JoinToken
from hub.errors import Conflict
from hub.store.sql import SqlStore
from tests.store.builders import START, Clock

HOUR = timedelta(hours=1)


async def test_authorities(store: SqlStore) -> None:
    first = Authority("a1", "ca", b"\x30\x00", b"\xffsealed", "active", START)
    second = Authority("a0", "manifest-signing", b"public", b"", "next", START + HOUR)
    for authority in (second, first):
        await store.put_authority(authority)
    assert await store.list_authorities() == [first, second]
    retired = replace(first, state="retired", private_key=b"")
    await store.put_authority(retired)
    assert await store.list_authorities() == [retired, second]


async def test_a_token_is_used_once(store: SqlStore) -> None:
    token = JoinToken("hash", "u1", START + HOUR)
    await store.put_join_token(token)
    assert await store.get_join_token("hash") == token
    used = replace(token, used_at=START, used_by="key")
    assert await store.use_join_token("hash", START, "key") == used
    assert await store.use_join_token("hash", START, "key") is None
    assert await store.get_join_token("hash") == used


async def test_unknown_and_expired_tokens(store: SqlStore) -> None:
    await store.put_join_token(JoinToken("hash", "u1", START + HOUR))
    assert await store.use_join_token("other", START) is None
    assert await store.use_join_token("hash", START + HOUR) is None
    assert await store.get_join_token("other") is None


async def test_of_concurrent_uses_one_wins(store: SqlStore) -> None:
    await store.put_join_token(JoinToken("hash", "u1", START + HOUR))
    outcomes = await asyncio.gather(*(store.use_join_token("hash", START, f"key-{n}") for n in range(16)))
    winners = [outcome for outcome in outcomes if outcome is not None]
    assert len(winners) == 1
    assert await store.get_join_token("hash") == winners[0]


async def test_a_new_token_replaces_unused_ones_of_its_cluster(store: SqlStore) -> None:
    await store.put_join_token(JoinToken("used", "u1", START + HOUR))
    await store.use_join_token("used", START)
    for hash, cluster in (("old", "u1"), ("elsewhere", "u2"), ("new", "u1"), ("new", "u1")):
        await store.put_join_token(JoinToken(hash, cluster, START + HOUR))
    left = {hash for hash in ("used", "old", "elsewhere", "new") if await store.get_join_token(hash)}
    assert left == {"used", "elsewhere", "new"}


async def test_of_tokens_made_at_once_one_is_valid(store: SqlStore) -> None:
    await asyncio.gather(*(store.put_join_token(JoinToken(f"t{n}", "u1", START + HOUR)) for n in range(8)))
    used = [await store.use_join_token(f"t{n}", START) for n in range(8)]
    assert sum(token is not None for token in used) == 1


async def test_certificates(store: SqlStore, clock: Clock) -> None:
    record = CertificateRecord("01ab", "u1", START, START + HOUR, authority="a1", key_pin="f" * 64)
    await store.add_certificate(record)
    await store.add_certificate(record)
    with pytest.raises(Conflict, match="01ab"):
        await store.add_certificate(replace(record, cluster="u2"))
    await store.add_certificate(replace(record, serial="02", not_after=START + 2 * HOUR))
    await store.add_certificate(replace(record, serial="03", cluster="u2", not_after=START + 3 * HOUR))
    assert await store.get_certificate("01ab") == record
    assert await store.get_certificate("ff") is None
    assert [c.serial for c in await store.list_certificates(not_after=START + HOUR)] == ["02", "03"]
    assert await store.revoked_serials() == set()
    assert await store.revoke_certificates("u1", START + timedelta(minutes=1)) == 2
    assert await store.revoke_certificates("u1", START + timedelta(minutes=2)) == 0
    revoked = await store.get_certificate("01ab")
    assert revoked == replace(record, revoked_at=START + timedelta(minutes=1))
    assert len(await store.list_certificates(not_after=START)) == 3
    assert await store.revoked_serials() == {"01ab", "02"}
    clock.advance(hours=1.5)
    assert await store.revoked_serials() == {"02"}
