from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hub.domain.access import Account, Event, Session
from hub.store.sql import SqlStore
from tests.store.builders import START, Clock

HOUR = timedelta(hours=1)


async def test_accounts(store: SqlStore, clock: Clock) -> None:
    await store.put_account(Account("bob", "$argon2id$1"))
    await store.put_account(Account("alice", "$argon2id$2", role="role:admin", created_at=START - HOUR))
    bob = Account("bob", "$argon2id$1", created_at=clock.now)
    assert await store.get_account("bob") == bob
    assert await store.get_account("eve") is None
    assert [a.name for a in await store.list_accounts()] == ["alice", "bob"]
    clock.advance(days=1)
    changed = replace(bob, enabled=False, password_hash="$argon2id$3")
    await store.put_account(replace(changed, created_at=None))
    assert await store.get_account("bob") == changed


async def test_sessions_end(store: SqlStore, clock: Clock) -> None:
    session = Session("hash", "alice", START + HOUR, START)
    await store.put_session(session)
    assert await store.get_session("hash") == session
    assert await store.get_session("other") is None
    clock.advance(hours=1)
    assert await store.get_session("hash") is None


async def test_logging_out(store: SqlStore) -> None:
    session = Session("hash", "alice", START + HOUR, START)
    await store.put_session(session)
    await store.put_session(replace(session, expires_at=START))
    assert await store.get_session("hash") is None


async def test_all_sessions_of_an_account_but_one(store: SqlStore) -> None:
    for hash, account in (("a1", "alice"), ("a2", "alice"), ("b1", "bob")):
        await store.put_session(Session(hash, account, START + HOUR, START))
    await store.remove_sessions("alice", keep="a2")
    assert [await store.get_session(hash) is not None for hash in ("a1", "a2", "b1")] == [False, True, True]
    await store.remove_sessions("alice")
    assert [await store.get_session(hash) is not None for hash in ("a2", "b1")] == [False, True]


async def test_events_newest_first(store: SqlStore) -> None:
    events = [
        Event(START, "info", "Synced", "one\0two", "u1", "argocd/shop", "alice"),
        Event(START + HOUR, "warning", "Refused", "no", "u2", "argocd/shop"),
        Event(START + HOUR, "info", "Synced", "later of two at once", "u1", "argocd/other"),
    ]
    await store.add_events(events)
    await store.add_events([])
    cleaned = replace(events[0], message="one\ufffdtwo")
    assert await store.list_events() == [events[2], events[1], cleaned]
    assert await store.list_events(application="argocd/shop") == [events[1], cleaned]
    assert await store.list_events(cluster="u1") == [events[2], cleaned]
    assert await store.list_events(application="argocd/shop", cluster="u1") == [cleaned]
    assert await store.list_events(limit=1) == [events[2]]
