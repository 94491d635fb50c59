from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.api.overview import Overview, Overviews
from hub.errors import StoreUnavailable
from tests.api.kit import World


async def made(overviews: Overviews, **cost: float) -> Overview:
    overview = await overviews.get()
    overviews._cost = cost.get("cost", 0.0)
    return overview


async def test_a_cheap_overview_is_always_the_present(world: World) -> None:
    overviews = Overviews(world.store)
    assert not (await made(overviews)).summaries
    await world.application()
    assert list((await made(overviews)).summaries) == ["argocd/shop"]


async def test_a_costly_overview_is_kept_until_something_is_written_here(world: World) -> None:
    overviews = Overviews(world.store)
    first = await made(overviews, cost=0.9)
    await world.application()
    assert await overviews.get() is first
    overviews.invalidate()
    assert (await overviews.get()).summaries


async def test_a_metric_may_be_some_seconds_old(world: World) -> None:
    overviews = Overviews(world.store)
    first = await made(overviews)
    assert await overviews.get(max_age=60) is first
    assert await overviews.get() is not first


async def test_a_watcher_sees_what_it_was_woken_for(world: World) -> None:
    overviews = Overviews(world.store)
    await made(overviews, cost=0.005)
    await world.application()
    moment = asyncio.get_running_loop().time()
    assert (await overviews.since(moment)).summaries


async def test_many_who_ask_at_once_share_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    overviews = Overviews(world.store)
    await made(overviews, cost=0.05)
    overviews.invalidate()
    found = await asyncio.gather(*(overviews.get(max_age=1.0) for _ in range(20)))
    assert len({id(overview) for overview in found}) == 1


async def test_a_summary_that_says_the_same_stays_the_same_object(world: World) -> None:
    await world.shop()
    overviews = Overviews(world.store)
    first = await made(overviews)
    second = await made(overviews)
    assert first is not second
    assert first.summaries["argocd/shop"] is second.summaries["argocd/shop"]


async def test_a_store_that_is_away_spoils_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    overviews = Overviews(world.store)

    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "status_summaries", away)
        with pytest.raises(StoreUnavailable):
            await overviews.get()
    await world.application()
    assert (await overviews.get()).summaries
