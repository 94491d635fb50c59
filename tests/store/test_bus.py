from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import psycopg
import pytest
from sqlalchemy import make_url

from hub.errors import StoreUnavailable
from hub.store import postgres_bus
from hub.store.bus import Bus, InProcessBus, Subscription, Topic
from hub.store.postgres_bus import PostgresBus
from tests.postgres.server import PostgresServer

PATIENCE = 20.0
EVERYTHING = {(topic, "") for topic in get_args(Topic)}


@pytest.fixture(params=["in-process", pytest.param("postgres", marks=pytest.mark.postgres)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "in-process":
        yield InProcessBus()
        return
    bus = PostgresBus(make_url(request.getfixturevalue("postgres_url")))
    await bus.open()
    yield bus
    await bus.close()


async def gather_messages(subscription: Subscription, count: int) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    while len(found) < count:
        messages = await subscription.next(PATIENCE)
        assert messages, f"only {found}"
        found.update(messages)
    return found


async def test_every_subscriber_hears_its_topics(bus: Bus) -> None:
    async with bus.subscribe("refresh", "clusters") as one, bus.subscribe("clusters") as other:
        await bus.publish("refresh", "argocd/shop")
        await bus.publish("statuses", "nobody listens")
        await bus.publish("clusters")
        assert await gather_messages(one, 2) == {("refresh", "argocd/shop"), ("clusters", "")}
        assert await gather_messages(other, 1) == {("clusters", "")}


async def test_nothing_is_heard_after_leaving(bus: Bus) -> None:
    async with bus.subscribe("clusters") as subscription:
        pass
    async with bus.subscribe("clusters") as other:
        await bus.publish("clusters", "u1")
        await gather_messages(other, 1)
    assert await subscription.next(0.01) == []


async def test_odd_payloads_arrive_whole(bus: Bus) -> None:
    payloads = ["é☃'\"\\\n;--", "x" * 7000, " "]
    async with bus.subscribe("queries") as subscription:
        for payload in payloads:
            await bus.publish("queries", payload)
        assert await gather_messages(subscription, 3) == {("queries", payload) for payload in payloads}


async def test_many_publishers_at_once(bus: Bus) -> None:
    async with bus.subscribe("answers") as subscription:
        await asyncio.gather(*(bus.publish("answers", f"{n}") for n in range(200)))
        assert await gather_messages(subscription, 200) == {("answers", f"{n}") for n in range(200)}


async def test_a_slow_reader_holds_a_bounded_set() -> None:
    subscription = Subscription(frozenset({"clusters"}))
    for number in range(Subscription.LIMIT + 500):
        subscription.offer("clusters", f"{number}")
        subscription.offer("clusters", "again")
    messages = await subscription.next(0)
    assert len(messages) <= Subscription.LIMIT + 1
    assert ("clusters", "") in messages


# PostgreSQL's own


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_bus, "RETRY_SECONDS", (0.02, 0.1))


@pytest.mark.postgres
async def test_replicas_wake_one_another(postgres_url: str) -> None:
    buses = [PostgresBus(make_url(postgres_url)) for _ in range(3)]
    for bus in buses:
        await bus.open()
    async with buses[1].subscribe("assignments") as one, buses[2].subscribe("assignments") as other:
        await buses[0].publish("assignments", "u1")
        assert await one.next(PATIENCE) == await other.next(PATIENCE) == [("assignments", "u1")]
    for bus in buses:
        await bus.close()


@pytest.mark.postgres
@pytest.mark.usefixtures("quick_retries")
async def test_after_losing_its_connection_anything_may_have_changed(postgres_url: str) -> None:
    bus = PostgresBus(make_url(postgres_url))
    await bus.open()
    async with bus.subscribe(*get_args(Topic)) as subscription:
        await bus.publish("clusters", "before")
        assert await gather_messages(subscription, 1) == {("clusters", "before")}
        await asyncio.to_thread(end_sessions, postgres_url)
        assert await gather_messages(subscription, len(EVERYTHING)) == EVERYTHING
        await bus.publish("clusters", "after")
        assert await gather_messages(subscription, 1) == {("clusters", "after")}
    await bus.close()


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


@pytest.mark.postgres
@pytest.mark.usefixtures("quick_retries")
async def test_a_server_that_is_killed_and_comes_back() -> None:
    server = await asyncio.to_thread(PostgresServer)
    try:
        await asyncio.to_thread(server.start)
        bus = PostgresBus(make_url(server.url()))
        await bus.open()
        async with bus.subscribe(*get_args(Topic)) as subscription:
            await asyncio.to_thread(server.kill)
            # Those of this replica are told all the same; publishing is never what fails.
            await bus.publish("clusters", "u1")
            assert ("clusters", "u1") in await gather_messages(subscription, 1)
            await asyncio.to_thread(server.start)
            assert await gather_messages(subscription, len(EVERYTHING)) >= EVERYTHING
            await bus.publish("clusters", "u2")
            assert await gather_messages(subscription, 1) == {("clusters", "u2")}
        await bus.close()
    finally:
        await asyncio.to_thread(server.remove)


@pytest.mark.postgres
async def test_signs_of_life_lose_no_message(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_bus, "SIGN_OF_LIFE_SECONDS", 0.0)
    bus = PostgresBus(make_url(postgres_url))
    await bus.open()
    async with bus.subscribe("answers") as subscription:
        for number in range(300):
            await bus.publish("answers", f"{number}")
        assert await gather_messages(subscription, 300) == {("answers", f"{n}") for n in range(300)}
    await bus.close()


@pytest.mark.postgres
async def test_a_silent_server_is_noticed(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is cut without a word looks like silence, so the listener asks."""
    monkeypatch.setattr(postgres_bus, "SIGN_OF_LIFE_SECONDS", 0.05)
    monkeypatch.setattr(postgres_bus, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(postgres_bus, "RETRY_SECONDS", (0.02, 0.1))
    proxy = await Proxy.start(make_url(postgres_url).port or 0)
    bus = PostgresBus(make_url(postgres_url).set(port=proxy.port))
    await bus.open()
    async with bus.subscribe("clusters") as subscription:
        proxy.fall_silent()
        assert await gather_messages(subscription, 1) == {("clusters", "")}
    await bus.close()
    await proxy.stop()


class Proxy:
    """Passes bytes on until it is told to swallow those of its connections, as a firewall that forgot them does."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self._dialled = 0
        self._silent = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, port: int) -> Proxy:
        proxy = cls(port)
        proxy._server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = proxy._server.sockets[0].getsockname()[1]
        return proxy

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def fall_silent(self) -> None:
        self._silent = self._dialled

    _server: asyncio.Server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._dialled += 1
        number = self._dialled
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(number, source, target))
            self._tasks.add(task)

    async def _pass_on(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if number > self._silent:
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


@pytest.mark.postgres
async def test_what_does_not_fit_is_refused(postgres_url: str) -> None:
    bus = PostgresBus(make_url(postgres_url))
    await bus.open()
    for payload in ("x" * 7001, "é" * 3501, "a\0b"):
        with pytest.raises(ValueError, match="queries"):
            await bus.publish("queries", payload)
    await bus.close()


@pytest.mark.postgres
async def test_a_server_that_is_not_there(postgres_server: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable):
        await PostgresBus(make_url(postgres_server.url("nowhere"))).open()


@pytest.mark.postgres
async def test_closing_twice_and_before_opening(postgres_url: str) -> None:
    bus = PostgresBus(make_url(postgres_url))
    await bus.close()
    await bus.open()
    await bus.close()
    await bus.close()
