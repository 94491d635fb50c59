from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection

from hub.errors import StoreUnavailable
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


async def test_trouble_stands_until_something_was_stored(store: SqlStore) -> None:
    def refused(_: Connection) -> None:
        raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable):
        await store._database.write(refused)
    trouble = store.trouble()
    assert trouble is not None and trouble.message == "the disk is full"
    # As the controller asks every few seconds: there is nothing to change, so nothing is put to the test.
    assert await store.take_refresh_requests() == {}
    assert store.trouble() == trouble
    await store.put_setting("small", "fits")
    assert store.trouble() is None
