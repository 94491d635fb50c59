"""Questions to agents and their answers, wherever the asking role runs.

A question goes over the bus to whichever gateway holds the agent's stream. The answer, which may be large, is kept in
the store as a blob for a while, and its digest goes back over the bus.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from escadre.v1 import agent_pb2 as pb
from hub.domain.manifest import digest_of
from hub.errors import HubError, NotFound, TooLarge, Unavailable
from hub.fleet.registry import Registry
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

QUESTION_LIMIT = 6000
"""Bytes, as JSON: it goes over the bus."""
REFUSAL_LIMIT = 1000
"""Characters of an agent's own words that go over the bus."""
ANSWER_LIMIT = 32 * 1024 * 1024
POLL_SECONDS = 0.25
GRACE_SECONDS = 2.0
TAKE_SECONDS = 180.0
"""How long an agent may take to give an answer it has begun with."""


@dataclass(frozen=True, slots=True)
class Question:
    cluster: str
    """The cluster's uid."""
    application: str
    kind: str
    """diff | live | tree"""
    parameters: dict[str, str | int]
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
        self._store = store
        self._bus = bus
        self._registry = registry
        self._put: dict[str, str] = {}
        self._taking: set[str] = set()
        """Questions whose answers are being taken: of each there is one, so that its size is the bound."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> bytes:
        """Return the answer (JSON). Raises Unavailable when the cluster is away or does not answer in time, HubError
        with the agent's own code when it has no answer, TooLarge for parameters beyond all measure."""
        id = str(uuid.uuid4())
        payload = json.dumps(
            {
                "id": id,
                "cluster": question.cluster,
                "application": question.application,
                "kind": question.kind,
                "parameters": question.parameters,
                "seconds": question.seconds,
            }
        )
        if len(payload) > QUESTION_LIMIT:
            raise TooLarge(f"a question of {len(payload)} bytes is too long for a cluster: {QUESTION_LIMIT} are taken")
        async with self._bus.subscribe("answers") as subscription:
            await self._bus.publish("queries", payload)
            try:
                async with asyncio.timeout(question.seconds + GRACE_SECONDS):
                    while True:
                        for _, text in await subscription.next():
                            answer_id, _, rest = text.partition(" ")
                            if answer_id == id:
                                return await self._read_answer(rest)
            except TimeoutError as error:
                message = f"the cluster did not answer within {question.seconds:.0f} s; is its agent connected?"
                raise Unavailable(message, code="cluster-silent") from error

    async def _read_answer(self, text: str) -> bytes:
        if text.startswith("!"):
            value = json.loads(base64.b64decode(text[1:]))
            raise _refusal(value["code"], value["message"])
        blobs = await self._store.get_blobs([text])
        if text not in blobs:
            raise Unavailable("the answer is gone; ask again", code="cluster-silent")
        return blobs[text]

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
        asyncio.get_running_loop().call_later(seconds + GRACE_SECONDS, self._put.pop, id, None)
        session.put_control(f"query {id}", pb.HubMessage(query=query))

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
        error, message, content = answer.error, answer.message, answer.content
        if error:
            words = {"code": _printable(error)[:32], "message": _printable(message)[:REFUSAL_LIMIT]}
            value = json.dumps(words, ensure_ascii=False).encode()
            await self._bus.publish("answers", f"{id} !{base64.b64encode(value).decode()}")
            return
        digest = digest_of(bytes(content))
        try:
            await self._store.put_blobs({digest: bytes(content)})
        except HubError as failure:
            log.error("an answer could not be kept: %s", failure.message)
            return
        await self._bus.publish("answers", f"{id} {digest}")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[: REFUSAL_LIMIT * 2])


def _refusal(code: str, message: str) -> HubError:
    if code == "not-assigned":
        return NotFound(message, code=code)
    return Unavailable(message, code=code)
