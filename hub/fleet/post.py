"""Questions between roles and their answers, whichever processes they run in.

A question goes over the bus. Its answer, which may be large, is kept in the store as a blob for a while, and its digest
goes back over the bus.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from hub.domain.manifest import digest_of
from hub.errors import HubError, TooLarge, Unavailable
from hub.store.bus import Bus, Topic
from hub.store.contract import Store

log = logging.getLogger(__name__)

QUESTION_LIMIT = 6000
"""Bytes, as JSON: it goes over the bus."""
REFUSAL_LIMIT = 1000
"""Characters of a refusal's words that go over the bus."""

Refusal = Callable[[str, str], HubError]
"""Code and words → what is raised."""


class Post:
    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus

    async def ask(
        self, topic: Topic, question: Mapping[str, Any], seconds: float, silence: Unavailable, refusal: Refusal
    ) -> bytes:
        """Return the answer. Raises `silence` when none has come after so many seconds, what `refusal` makes of a
        refusal, and TooLarge for a question beyond all measure."""
        id = str(uuid.uuid4())
        payload = json.dumps({"id": id, **question})
        if len(payload) > QUESTION_LIMIT:
            raise TooLarge(f"a question of {len(payload)} bytes is too long: {QUESTION_LIMIT} are taken")
        async with self._bus.subscribe("answers") as subscription:
            await self._bus.publish(topic, payload)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        for _, text in await subscription.next():
                            answer_id, _, rest = text.partition(" ")
                            if answer_id == id:
                                return await self._read(rest, refusal)
            except TimeoutError as error:
                raise silence from error

    async def _read(self, text: str, refusal: Refusal) -> bytes:
        if text.startswith("!"):
            value = json.loads(base64.b64decode(text[1:]))
            raise refusal(value["code"], value["message"])
        blobs = await self._store.get_blobs([text])
        if text not in blobs:
            raise Unavailable("the answer is gone; ask again", code="cluster-silent")
        return blobs[text]

    async def answer(self, id: str, content: bytes) -> None:
        """Answer a question. What cannot be kept is logged: whoever asked hears nothing, and gives up."""
        digest = digest_of(content)
        try:
            await self._store.put_blobs({digest: content})
        except HubError as failure:
            log.error("an answer could not be kept: %s", failure.message)
            return
        await self._bus.publish("answers", f"{id} {digest}")

    async def refuse(self, id: str, code: str, message: str) -> None:
        words = {"code": printable(code)[:32], "message": printable(message)[:REFUSAL_LIMIT]}
        value = json.dumps(words, ensure_ascii=False).encode()
        await self._bus.publish("answers", f"{id} !{base64.b64encode(value).decode()}")


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[: REFUSAL_LIMIT * 2])
