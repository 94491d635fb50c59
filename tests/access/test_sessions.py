from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.access.accounts import Accounts
from hub.access.sessions import Sessions
from hub.domain.access import Account
from hub.errors import Invalid, Unauthenticated
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock


@pytest.fixture
async def ann(accounts: Accounts) -> Account:
    return await accounts.create("ann", "correct horse battery", actor="test")


async def test_token_stands_for_its_account_and_is_not_stored(
    sessions: Sessions, store: MemoryStore, ann: Account
) -> None:
    token, session = await sessions.open(ann)
    assert re.fullmatch(r"esc_[A-Za-z0-9_-]{43}", token)
    assert token not in repr(store.sessions) and token[4:] not in repr(store.sessions)
    signed_in = await sessions.resolve(token)
    assert (signed_in.account, signed_in.session) == (ann, session)


async def test_session_ends_after_a_day_by_the_hubs_clock(sessions: Sessions, ann: Account, clock: Clock) -> None:
    token, _ = await sessions.open(ann)
    clock.advance(hours=23, minutes=59)
    assert await sessions.resolve(token)
    clock.advance(minutes=1)
    with pytest.raises(Unauthenticated, match="escadre login"):
        await sessions.resolve(token)


async def test_logging_out_ends_one_session(sessions: Sessions, ann: Account) -> None:
    (first, session), (second, _) = await sessions.open(ann), await sessions.open(ann)
    await sessions.close(session)
    with pytest.raises(Unauthenticated):
        await sessions.resolve(first)
    assert await sessions.resolve(second)


async def test_session_of_an_account_that_is_gone_is_over(sessions: Sessions, ann: Account, store: MemoryStore) -> None:
    token, _ = await sessions.open(ann)
    del store.accounts["ann"]
    with pytest.raises(Unauthenticated):
        await sessions.resolve(token)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=31)])
def test_lifetime_is_bounded(store: MemoryStore, clock: Clock, lifetime: timedelta) -> None:
    with pytest.raises(Invalid):
        Sessions(store, clock, lifetime)


@given(st.one_of(st.text(max_size=100), st.from_regex(r"esc_[A-Za-z0-9_-]{43}", fullmatch=True)))
def test_whatever_is_sent_is_no_session(token: str) -> None:
    clock = Clock()
    with pytest.raises(Unauthenticated):
        asyncio.run(Sessions(MemoryStore(clock), clock).resolve(token))
