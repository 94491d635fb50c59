from __future__ import annotations

import pytest

from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock, HubTrust


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def hub(store: MemoryStore, clock: Clock) -> HubTrust:
    return await HubTrust(store, clock).start()
