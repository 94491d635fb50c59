"""The same trust over the real store: what the one in memory assumes of it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.errors import Unauthenticated
from hub.pki.join import JoinRefused
from hub.store.contract import Store
from hub.store.factory import open_store
from tests.pki.support import CALLER, AgentKey, Clock, HubTrust


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Store]:
    store, bus = await open_store(data_dir=tmp_path)
    yield store
    await bus.close()
    await store.close()


async def test_join_restart_rotate_recover_revoke(stored: Store, clock: Clock) -> None:
    hub = await HubTrust(stored, clock).start()
    key, token = AgentKey(), await hub.tokens.issue("c-1")
    issued = await hub.enrolments.enrol(token, key.request(), CALLER)
    assert (await hub.enrolments.enrol(token, key.request(), CALLER)).record.cluster == "c-1"
    with pytest.raises(JoinRefused):
        await hub.enrolments.enrol(token, AgentKey().request(), CALLER)
    assert await stored.get_certificate(issued.record.serial) == issued.record

    again = await HubTrust(stored, clock).start()
    assert again.pki.pin == hub.pki.pin and again.peer(issued.pem).cluster == "c-1"

    await again.pki.prepare_rotation()
    await again.pki.activate_rotation(force=True)
    assert await hub.pki.reload() and hub.pki.pin == again.pki.pin
    recovered = await hub.enrolments.recover(issued.pem, key.request(), CALLER)
    await hub.pki.retire(force=True)
    assert [info.state for info in hub.pki.describe()] == ["active", "active"]

    assert await hub.revocations.revoke("c-1") == 3
    restarted = await HubTrust(stored, clock).start()
    with pytest.raises(Unauthenticated, match="revoked"):
        restarted.peer(recovered.pem)
    assert {event.reason for event in await stored.list_events()} == {
        "AgentJoined",
        "JoinTokenReused",
        "AgentRecovered",
    }
