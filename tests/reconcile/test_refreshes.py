"""Refreshes that are taken and finished at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.reconcile.refreshes import Refreshes
from hub.store.sql import SqlStore
from tests.faults.waiting import answered
from tests.store.builders import application

SHOP = "argocd/shop"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await store.put_application(application("shop"))
    yield store
    await store.close()


async def test_one_asked_for_anew_is_not_finished_with_the_one_before(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look for the first ends while the second is being taken."""
    under_way: set[str] = set()
    refreshes = Refreshes(store, under_way.__contains__)
    await store.request_refresh([SHOP], "normal")
    under_way.update(await refreshes.take())
    await store.request_refresh([SHOP], "normal")
    take = store.take_refresh_requests

    async def slow(**named: Any) -> dict[str, str]:
        """Meanwhile the look ends, and all that is free to run runs."""
        asked = await take(**named)
        under_way.clear()
        refreshes.settle()
        for _ in range(5):
            await asyncio.sleep(0)
        return asked

    monkeypatch.setattr(store, "take_refresh_requests", slow)
    under_way.update(await refreshes.take())
    assert under_way == {SHOP}
    # Whatever was begun has come to its end when another write has.
    await store.put_setting("a", "b")
    assert (await store.get_refresh_states())[SHOP].requested == "normal"
    under_way.clear()
    refreshes.settle()

    async def done() -> bool:
        return SHOP not in await store.get_refresh_states()

    await answered(done, "the second to be done")
    await refreshes.stop()
