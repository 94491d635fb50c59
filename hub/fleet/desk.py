"""Questions to agents and their answers, wherever the asking role runs.

A question goes over the bus to whichever gateway holds the agent's stream; `hub.fleet.post` carries it, and its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from escadre.v1 import agent_pb2 as pb
from hub.errors import HubError, NotFound, TooLarge, Unavailable
from hub.fleet.post import Post
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

ANSWER_LIMIT = 32 * 1024 * 1024
GRACE_SECONDS = 2.0
TAKE_SECONDS = 180.0
"""How long an agent may take to give an answer it has begun with."""


@dataclass(frozen=True, slots=True)
class Question:
    cluster: str
    """The cluster's uid."""
    application: str
    kind: str
    """diff | live | orphans | tree | actions | run-action"""
    parameters: Mapping[str, Any]
    seconds: float = 30.0


@dataclass(slots=True)
class _Answer:
    """What has come of one."""

    content: bytearray = field(default_factory=bytearray)
    error: str = ""
    message: str = ""

    def take(self, chunk: pb.AnswerChunk) -> None:
        self.error, self.message = chunk.error or self.error, chunk.message or self.message
        self.content += chunk.content
        if len(self.content) > ANSWER_LIMIT:
            raise TooLarge(f"an answer of more than {ANSWER_LIMIT} bytes")


class Desk:
    """`ask` is for any role; `run` and `take_answer` for gateways."""

    def __init__(self, store: Store, bus: Bus, registry: Registry | None) -> None:
        self._bus = bus
        self._post = Post(store, bus)
        self._registry = registry
        self._put: dict[str, str] = {}
        self._taking: set[str] = set()
        """Questions whose answers are being taken: of each there is one, so that its size is the bound."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> bytes:
        """Return the answer (JSON). Raises Unavailable when the cluster is away or does not answer in time, HubError
        with the agent's own code when it has no answer, TooLarge for parameters beyond all measure."""
        words = f"the cluster did not answer within {question.seconds:.0f} s; is its agent connected?"
        return await self._post.ask(
            "queries",
            {
                "cluster": question.cluster,
                "application": question.application,
                "kind": question.kind,
                "parameters": dict(question.parameters),
                "seconds": question.seconds,
            },
            question.seconds + GRACE_SECONDS,
            Unavailable(words, code="cluster-silent"),
            _refusal,
        )

    # --- the gateway's side

    async def run(self) -> None:
        """Pass questions on to the agents connected here, until cancelled."""
        assert self._registry is not None
        async with self._bus.subscribe("queries") as subscription:
            while True:
                for _, payload in await subscription.next():
                    if payload:
                        self._pass_on(json.loads(payload))

    def _pass_on(self, question: dict[str, object]) -> None:
        assert self._registry is not None
        session = self._registry.of_cluster(str(question["cluster"]))
        if session is None:
            return
        id = str(question["id"])
        seconds = float(str(question["seconds"]))
        query = pb.Query(
            id=id,
            application=str(question["application"]),
            kind=str(question["kind"]),
            parameters=json.dumps(question["parameters"]).encode(),
            timeout_seconds=seconds,
        )
        self._put[id] = session.cluster
        loop = asyncio.get_running_loop()
        loop.call_later(seconds + GRACE_SECONDS, self._put.pop, id, None)
        loop.call_later(seconds, self._withdraw, session, id)
        session.put_control(f"query {id}", pb.HubMessage(query=query))

    def _withdraw(self, session: Session, id: str) -> None:
        """Take back a question that an agent has not taken in its time: it may ask for something to be done, and is not
        to come when nobody waits for it any more."""
        if session.take_back(f"query {id}"):
            refusal = asyncio.create_task(self._not_asked(id))
            self._tasks.add(refusal)
            refusal.add_done_callback(self._tasks.discard)

    async def _not_asked(self, id: str) -> None:
        message = "the connection to the cluster's agent stands still: it was not asked"
        # Who asked gives up by itself, too.
        with contextlib.suppress(HubError):
            await self._post.refuse(id, "cluster-unreachable", message)

    async def take_answer(self, cluster: str, chunks: AsyncIterator[pb.AnswerChunk]) -> None:
        """Take an agent's answer. One to a question that was not put to this cluster is dropped. Raises TooLarge;
        Unavailable when it takes too long."""
        id = ""
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                async for chunk in chunks:
                    if not id and self._put.get(chunk.id) == cluster and chunk.id not in self._taking:
                        id = chunk.id
                        self._taking.add(id)
                        answer = _Answer()
                    if not id or chunk.id != id:
                        log.warning("an answer nobody asked cluster %s for was dropped", cluster)
                        return
                    answer.take(chunk)
        except TimeoutError as late:
            raise Unavailable(f"the answer was not complete after {TAKE_SECONDS:.0f} s") from late
        finally:
            self._taking.discard(id)
        # Its time may have been over before the last chunk, or there was none.
        if self._put.pop(id, None) is not None:
            await self._pass_back(id, answer)

    async def _pass_back(self, id: str, answer: _Answer) -> None:
        if answer.error:
            await self._post.refuse(id, answer.error, answer.message)
        else:
            await self._post.answer(id, bytes(answer.content))


def _refusal(code: str, message: str) -> HubError:
    if code == "not-assigned":
        return NotFound(message, code=code)
    return Unavailable(message, code=code)
