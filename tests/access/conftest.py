from __future__ import annotations

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from hub.access.accounts import Accounts
from hub.access.audit import Audit
from hub.access.passwords import Passwords
from hub.access.sessions import Sessions
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock


def quick_hasher(rounds: int = 1) -> PasswordHash:
    return PasswordHash((Argon2Hasher(time_cost=rounds, memory_cost=64, parallelism=1),))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def accounts(store: MemoryStore, clock: Clock) -> Accounts:
    return Accounts(store, Audit(store, clock), clock, Passwords(quick_hasher()))


@pytest.fixture
def sessions(store: MemoryStore, clock: Clock) -> Sessions:
    return Sessions(store, clock)
