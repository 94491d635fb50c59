from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from hub.access.accounts import Accounts
from hub.access.audit import Audit
from hub.access.passwords import Passwords, generate_password
from hub.access.roles import ADMIN, READ_ONLY
from hub.access.sessions import Sessions
from hub.errors import Conflict, Invalid, NotFound, StoreUnavailable, TooManyRequests, Unauthenticated
from tests.access.conftest import quick_hasher
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock
from tests.search import examples

PASSWORD = "correct horse battery"
HERE = "192.0.2.1"


async def test_first_start_makes_an_administrator(accounts: Accounts, store: MemoryStore) -> None:
    generated = generate_password()
    assert len(generated) == 24
    await accounts.ensure_admin(generated)
    assert (await accounts.authenticate("admin", generated, HERE)).role == ADMIN
    assert generated not in repr(store.accounts) + repr(store.events)
    assert store.accounts["admin"].password_hash.startswith("$argon2id$")


async def test_an_administrator_that_is_there_stays_as_he_is(accounts: Accounts, store: MemoryStore) -> None:
    await accounts.ensure_admin(PASSWORD)
    before = store.accounts["admin"]
    await accounts.ensure_admin("another password")
    assert store.accounts["admin"] == before


async def test_failures_are_told_alike_and_recorded(accounts: Accounts, store: MemoryStore) -> None:
    await accounts.ensure_admin(PASSWORD)
    await accounts.create("ann", PASSWORD, actor="admin")
    await accounts.set_enabled("ann", False, actor="admin")
    messages = set()
    for name, password in (("admin", "wrong"), ("nobody", PASSWORD), ("ann", PASSWORD), ("../etc", ""), ("admin", "")):
        with pytest.raises(Unauthenticated) as refused:
            await accounts.authenticate(name, password, HERE)
        messages.add((refused.value.code, refused.value.message))
    assert messages == {("bad-credentials", "the account's name or the password is wrong")}
    assert [e.reason for e in store.events[-5:]] == ["LoginFailed"] * 5
    assert store.events[-1].message == "login as admin from 192.0.2.1 failed"


async def test_unknown_account_costs_a_hash_as_a_known_one_does(
    store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = Passwords(quick_hasher())
    accounts = Accounts(store, Audit(store, clock), clock, passwords)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("nobody", "warm the decoy up", HERE)
    verified: list[str] = []
    original = passwords._hasher.verify_and_update

    def counted(password: str, hash: str) -> tuple[bool, str | None]:
        verified.append(hash)
        return original(password, hash)

    monkeypatch.setattr(passwords._hasher, "verify_and_update", counted)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("nobody", PASSWORD, HERE)
    assert len(verified) == 1


async def test_guessing_is_slowed_for_that_account_and_address_only(
    accounts: Accounts, clock: Clock, store: MemoryStore
) -> None:
    await accounts.ensure_admin(PASSWORD)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await accounts.authenticate("admin", "guess", HERE)
    recorded = len(store.events)
    with pytest.raises(TooManyRequests, match="try again in 1 s") as limited:
        await accounts.authenticate("admin", PASSWORD, HERE)
    assert limited.value.status == 429 and limited.value.retry_after >= 1
    assert len(store.events) == recorded
    assert await accounts.authenticate("admin", PASSWORD, "192.0.2.2")
    clock.advance(seconds=2)
    assert await accounts.authenticate("admin", PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("admin", "typo", HERE)
    assert await accounts.authenticate("admin", PASSWORD, HERE)


async def test_guesses_sent_at_once_are_counted_each(accounts: Accounts) -> None:
    await accounts.ensure_admin(PASSWORD)
    outcomes = await asyncio.gather(
        *(accounts.authenticate("admin", f"guess {n}", HERE) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, TooManyRequests) for outcome in outcomes) == 15


async def test_outage_of_the_store_counts_as_no_failure(accounts: Accounts, store: MemoryStore) -> None:
    await accounts.ensure_admin(PASSWORD)
    store.failing = {"get_account"}
    for _ in range(8):
        with pytest.raises(StoreUnavailable):
            await accounts.authenticate("admin", PASSWORD, HERE)
    store.failing = {"add_events"}
    assert await accounts.authenticate("admin", PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("admin", "wrong", HERE)


async def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(
    accounts: Accounts, sessions: Sessions
) -> None:
    await accounts.ensure_admin(PASSWORD)
    admin = await accounts.get("admin")
    (mine, session), (other, _) = await sessions.open(admin), await sessions.open(admin)
    with pytest.raises(Unauthenticated):
        await accounts.change_password("admin", "wrong", "another good one", address=HERE)
    await accounts.change_password("admin", PASSWORD, "another good one", address=HERE, keep=session.hash)
    assert (await sessions.resolve(mine)).account.name == "admin"
    with pytest.raises(Unauthenticated):
        await sessions.resolve(other)
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("admin", PASSWORD, HERE)
    assert await accounts.authenticate("admin", "another good one", HERE)


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 129, "aaaaaaaaaa", "abcabcabcabc", "with\nnewline", "Administrator", PASSWORD]
)
async def test_passwords_that_will_not_do(accounts: Accounts, password: str) -> None:
    await accounts.ensure_admin(PASSWORD)
    await accounts.create("administrator", PASSWORD, actor="admin")
    with pytest.raises(Invalid) as refused:
        await accounts.change_password("administrator", PASSWORD, password, address=HERE)
    assert password not in refused.value.message or not password
    assert await accounts.authenticate("administrator", PASSWORD, HERE)


async def test_password_is_the_same_however_its_letters_were_composed(accounts: Accounts) -> None:
    await accounts.ensure_admin("pa\u0308ssword\u00e9")
    assert await accounts.authenticate("admin", "p\u00e4sswor\u0064e\u0301", HERE)


async def test_administrator_manages_accounts(accounts: Accounts, store: MemoryStore, sessions: Sessions) -> None:
    await accounts.ensure_admin(PASSWORD)
    ann = await accounts.create("ann", PASSWORD, actor="admin")
    assert ann.role == READ_ONLY and ann.created_at is not None
    with pytest.raises(Conflict):
        await accounts.create("ann", PASSWORD, actor="admin")
    token, _ = await sessions.open(ann)
    await accounts.set_password("ann", "given by admin", actor="admin")
    with pytest.raises(Unauthenticated):
        await sessions.resolve(token)
    assert await accounts.authenticate("ann", "given by admin", HERE)
    await accounts.set_role("ann", ADMIN, actor="admin")
    assert [account.name for account in await accounts.list()] == ["admin", "ann"]
    assert [(e.reason, e.actor) for e in store.events][-2:] == [
        ("PasswordChanged", "admin"),
        ("AccountChanged", "admin"),
    ]
    for unknown in (accounts.get("bob"), accounts.set_enabled("bob", True, actor="admin")):
        with pytest.raises(NotFound):
            await unknown


async def test_last_administrator_stays(accounts: Accounts) -> None:
    await accounts.ensure_admin(PASSWORD)
    await accounts.create("ann", PASSWORD, role=ADMIN, actor="admin")
    await accounts.set_enabled("admin", False, actor="ann")
    with pytest.raises(Conflict, match="last administrator"):
        await accounts.set_enabled("ann", False, actor="ann")
    with pytest.raises(Conflict, match="last administrator"):
        await accounts.set_role("ann", READ_ONLY, actor="ann")
    await accounts.set_enabled("admin", True, actor="ann")
    await accounts.set_role("ann", READ_ONLY, actor="admin")


async def test_disabled_account_is_signed_out_at_once(accounts: Accounts, sessions: Sessions) -> None:
    await accounts.ensure_admin(PASSWORD)
    token, _ = await sessions.open(await accounts.create("ann", PASSWORD, actor="admin"))
    await accounts.set_enabled("ann", False, actor="admin")
    with pytest.raises(Unauthenticated):
        await sessions.resolve(token)


@pytest.mark.parametrize("name", ["", "Ann", "a b", "-a", "a/b", "x" * 64, "ann\n", "ü"])
async def test_names_that_will_not_do(accounts: Accounts, name: str) -> None:
    with pytest.raises(Invalid):
        await accounts.create(name, PASSWORD, actor="admin")


async def test_role_that_does_not_exist_is_refused(accounts: Accounts) -> None:
    with pytest.raises(Invalid, match="role:admin, role:readonly"):
        await accounts.create("ann", PASSWORD, role="role:god", actor="admin")


async def test_hash_made_with_older_parameters_is_replaced_at_login(store: MemoryStore, clock: Clock) -> None:
    audit = Audit(store, clock)
    await Accounts(store, audit, clock, Passwords(quick_hasher(1))).ensure_admin(PASSWORD)
    before = store.accounts["admin"].password_hash
    newer = Accounts(store, audit, clock, Passwords(quick_hasher(2)))
    await newer.authenticate("admin", PASSWORD, HERE)
    assert store.accounts["admin"].password_hash != before
    assert await newer.authenticate("admin", PASSWORD, HERE)


async def test_account_whose_stored_hash_is_unreadable_cannot_log_in(accounts: Accounts, store: MemoryStore) -> None:
    await accounts.ensure_admin(PASSWORD)
    store.accounts["admin"] = replace(store.accounts["admin"], password_hash="!")
    with pytest.raises(Unauthenticated):
        await accounts.authenticate("admin", PASSWORD, HERE)


async def test_flood_of_logins_is_turned_away_not_queued(store: MemoryStore, clock: Clock) -> None:
    accounts = Accounts(store, Audit(store, clock), clock, Passwords(quick_hasher()))
    outcomes = await asyncio.gather(
        *(accounts.authenticate("nobody", "guess", f"10.0.{n}.1") for n in range(100)), return_exceptions=True
    )
    turned_away = [o for o in outcomes if isinstance(o, TooManyRequests)]
    assert len(turned_away) >= 60 and {o.code for o in turned_away} == {"busy"}


@given(name=st.text(max_size=80), password=st.text(max_size=200), address=st.text(max_size=60))
@examples(60, HealthCheck.function_scoped_fixture)
def test_whatever_is_sent_the_documented_errors(name: str, password: str, address: str) -> None:
    async def attempt() -> None:
        clock = Clock()
        store = MemoryStore(clock)
        await Accounts(store, Audit(store, clock), clock, Passwords(quick_hasher())).authenticate(
            name, password, address
        )

    with pytest.raises(Unauthenticated):
        asyncio.run(attempt())
