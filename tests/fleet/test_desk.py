"""Questions find the gateway that holds the agent; answers find who asked; what nobody asked for is dropped."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from escadre.v1 import agent_pb2 as pb
from hub.errors import NotFound, StoreUnavailable, TooLarge, Unavailable
from hub.fleet import desk as module
from hub.fleet.desk import Desk, Question
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.fleet.parts import running, sent, session, watched


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    yield store
    await store.close()


class Narrow(InProcessBus):
    """Refuses what PostgreSQL's would."""

    async def publish(self, topic: Any, payload: str = "") -> None:
        assert len(payload.encode()) <= 7000 and "\0" not in payload
        await super().publish(topic, payload)


class Hall:
    """An API replica that asks, and a gateway with two agents."""

    def __init__(self, store: SqlStore) -> None:
        self.bus = Narrow()
        self.watched = watched(store)
        self.registry = Registry()
        self.agents = {uid: session(uid) for uid in ("u1", "u2")}
        for agent in self.agents.values():
            self.registry.add(agent)
        self.asking = Desk(store, self.bus, None)
        self.gateway = Desk(self.watched, self.bus, self.registry)

    async def asked(self, cluster: str = "u1") -> pb.Query:
        (message,) = await sent(self.agents[cluster])
        return message.query


@pytest.fixture
async def hall(store: SqlStore) -> AsyncIterator[Hall]:
    hall = Hall(store)
    async with running(hall.gateway.run()):
        await asyncio.sleep(0)
        yield hall


def question(**values: Any) -> Question:
    given: dict[str, Any] = {"cluster": "u1", "application": "argocd/shop", "kind": "diff", "parameters": {"max": 3}}
    return Question(**(given | values))


async def chunks(*parts: pb.AnswerChunk) -> AsyncIterator[pb.AnswerChunk]:
    for part in parts:
        yield part


def words(id: str, *contents: bytes) -> AsyncIterator[pb.AnswerChunk]:
    return chunks(*(pb.AnswerChunk(id=id, content=content) for content in contents))


async def test_a_question_reaches_its_agent_and_the_answer_who_asked(hall: Hall) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    assert (query.application, query.kind, json.loads(query.parameters)) == ("argocd/shop", "diff", {"max": 3})
    assert query.timeout_seconds == 30.0
    await hall.gateway.take_answer("u1", words(query.id, b'{"a":', b"1}"))
    assert await asking == b'{"a":1}'
    assert not hall.registry.of_cluster("u2")._control  # type: ignore[union-attr]


async def test_a_question_that_was_not_taken_in_its_time_is_taken_back(hall: Hall) -> None:
    """An agent whose connection stands still does not do later what it was asked for now."""
    with pytest.raises(Unavailable, match="it was not asked") as caught:
        await hall.asking.ask(question(kind="run-action", seconds=0.05))
    assert caught.value.code == "cluster-unreachable"
    assert not hall.agents["u1"]._control


async def test_many_questions_at_once_get_each_their_own_answer(hall: Hall) -> None:
    asking = [asyncio.create_task(hall.asking.ask(question(application=f"argocd/a{n}"))) for n in range(20)]
    queries: list[pb.Query] = []
    while len(queries) < 20:
        queries += [m.query for m in await sent(hall.agents["u1"])]
    for query in reversed(queries):
        await hall.gateway.take_answer("u1", words(query.id, query.application.encode()))
    assert await asyncio.gather(*asking) == [f"argocd/a{n}".encode() for n in range(20)]


async def test_an_answer_of_another_cluster_is_dropped(hall: Hall) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    await hall.gateway.take_answer("u2", words(query.id, b"forged"))
    assert not hall.watched.calls["put_blobs"]
    await hall.gateway.take_answer("u1", words(query.id, b"true"))
    assert await asking == b"true"


async def test_an_answer_nobody_asked_for_is_not_even_read(hall: Hall) -> None:
    async def endless() -> AsyncIterator[pb.AnswerChunk]:
        for _ in range(3):
            yield pb.AnswerChunk(id="made up", content=b"x" * 1024)
        raise AssertionError("it was read to the end")

    await hall.gateway.take_answer("u1", endless())
    await hall.gateway.take_answer("u1", chunks())
    assert not hall.watched.calls["put_blobs"]


async def test_an_answer_counts_once(hall: Hall) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    await hall.gateway.take_answer("u1", words(query.id, b"first"))
    await hall.gateway.take_answer("u1", words(query.id, b"second"))
    assert await asking == b"first" and hall.watched.calls["put_blobs"] == 1


async def test_a_large_answer_arrives_whole(hall: Hall) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    parts = [bytes([n]) * 512 * 1024 for n in range(20)]
    await hall.gateway.take_answer("u1", words(query.id, *parts))
    assert await asking == b"".join(parts)


async def test_an_answer_beyond_the_limit_is_refused(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_LIMIT", 10)
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    with pytest.raises(TooLarge):
        await hall.gateway.take_answer("u1", words(query.id, b"12345", b"67890", b"1"))
    asking.cancel()


async def test_an_agent_that_says_nothing_is_given_up(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.01)
    asking = asyncio.create_task(hall.asking.ask(question(seconds=0.05)))
    query = await hall.asked()
    for silent in (asking, hall.asking.ask(question(cluster="nobody's", seconds=0.05))):
        with pytest.raises(Unavailable, match="did not answer") as caught:
            await silent
        assert caught.value.code == "cluster-silent"
    await asyncio.sleep(0.1)
    await hall.gateway.take_answer("u1", words(query.id, b"late"))
    assert not hall.watched.calls["put_blobs"]


@pytest.mark.parametrize(
    ("code", "kind"), [("not-assigned", NotFound), ("timeout", Unavailable), ("cluster", Unavailable)]
)
async def test_an_agent_that_has_no_answer_says_why(hall: Hall, code: str, kind: type[Exception]) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    await hall.gateway.take_answer("u1", chunks(pb.AnswerChunk(id=query.id, error=code, message="the words")))
    with pytest.raises(kind, match="the words") as caught:
        await asking
    assert caught.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["\U0001f600" * 5000, "\0" * 5000, '"' * 5000, "\x1b[31m" * 2000])
async def test_an_agents_words_fit_the_bus_whatever_they_are(hall: Hall, text: str) -> None:
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    await hall.gateway.take_answer("u1", chunks(pb.AnswerChunk(id=query.id, error=text, message=text)))
    with pytest.raises(Unavailable) as caught:
        await asking
    assert len(caught.value.message) <= 1000 and not re.search(r"[\0-\x1f]", caught.value.message)


async def test_a_question_too_long_for_the_bus_is_refused(hall: Hall) -> None:
    with pytest.raises(TooLarge):
        await hall.asking.ask(question(parameters={"name": "x" * 8000}))


async def test_a_store_that_cannot_keep_the_answer_leaves_the_asker_to_ask_again(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)
    hall.watched.failures = {"put_blobs": [StoreUnavailable("full")]}
    asking = asyncio.create_task(hall.asking.ask(question(seconds=0.5)))
    query = await hall.asked()
    await hall.gateway.take_answer("u1", words(query.id, b"1"))
    with pytest.raises(Unavailable):
        await asking


async def test_questions_that_could_not_be_told_apart_are_passed_over(hall: Hall) -> None:
    await hall.bus.publish("queries")
    asking = asyncio.create_task(hall.asking.ask(question()))
    query = await hall.asked()
    await hall.gateway.take_answer("u1", words(query.id, b"1"))
    assert await asking == b"1"


def test_sessions_are_compared_by_identity() -> None:
    one, other = session(), session()
    assert isinstance(one, Session) and one != other and len({one, other}) == 2
