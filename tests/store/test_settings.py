from __future__ import annotations

import asyncio

from hub.store.sql import SqlStore


async def test_settings(store: SqlStore) -> None:
    assert await store.get_setting("a") is None
    assert await store.put_setting("a", "1") == "1"
    assert await store.put_setting("a", "2") == "2"
    assert await store.put_setting("a", "3", only_if_absent=True) == "2"
    assert await store.put_setting("b", "", only_if_absent=True) == ""
    assert await store.get_setting("a") == "2"
    assert await store.get_setting("b") == ""


async def test_of_concurrent_first_writers_all_see_one_value(store: SqlStore) -> None:
    values = await asyncio.gather(*(store.put_setting("id", f"{n}", only_if_absent=True) for n in range(12)))
    assert len(set(values)) == 1
    assert await store.get_setting("id") == values[0]


async def test_ping(store: SqlStore) -> None:
    await store.ping()
