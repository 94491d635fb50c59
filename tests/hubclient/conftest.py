from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent.hubclient.enrol import Enroller
from agent.hubclient.keys import LocalKeys
from tests.hubclient.https_hub import HttpsHub, https_hub
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock, HubTrust


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def hub(clock: Clock) -> HubTrust:
    return await HubTrust(MemoryStore(clock), clock).start()


@pytest.fixture
async def served(hub: HubTrust) -> AsyncIterator[HttpsHub]:
    async with https_hub(hub) as served:
        yield served


@pytest.fixture
def enroller() -> Enroller:
    """With keys made in this process, which is quicker than a child."""
    return Enroller("0.1.0", keys=LocalKeys(), timeout=20.0)
