"""What the link makes of what a hub says: one assignment's trouble is no other's, and nothing ends the link."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.engine.assignment import Assignment, Held, ManifestSetRef
from agent.errors import LinkError, StorageError
from agent.hubclient import intake as intake_module
from agent.hubclient import link as link_module
from agent.hubclient.fetched import Question, QuestionFailed
from agent.hubclient.intake import Arrival
from agent.hubclient.link import Link, LinkOptions, _Session
from agent.hubclient.outbox import Outbox
from agent.storage import Storage
from escadre.v1 import agent_pb2 as pb
from tests.faults.waiting import until

TOMBSTONE = pb.Deletion(cascade=True, propagation="background")


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class Trust:
    def gateway(self) -> str:
        return "hub.example:8444"

    def trust_digest(self) -> str:
        return ""

    def verify(self, digest: str, signature: str, key_id: str) -> bool:
        return True


@dataclass
class Receiver:
    """Needs, of each assignment, the blob that its manifest set is called after."""

    taken: list[str] = field(default_factory=list)
    answers: Exception | None = None
    settings: list[tuple[bytes, list[str]]] = field(default_factory=list)
    full: bool = False
    """Whether its disk is."""

    def inventory(self) -> list[Held]:
        return []

    def inventory_digest(self) -> str:
        return ""

    def settings_digest(self) -> str:
        return "ab" * 32

    def take_settings(self, content: bytes, cluster_names: Sequence[str]) -> None:
        if self.full:
            raise StorageError("the disk is full")
        self.settings.append((content, list(cluster_names)))

    def missing(self, assignments: Iterable[Assignment], offered: Mapping[str, bytes]) -> list[str]:
        return [a.manifest_set.digest for a in assignments if a.manifest_set.digest not in offered]

    def accept(self, assignments: Iterable[Assignment], blobs: Mapping[str, bytes]) -> Sequence[Arrival]:
        if self.full:
            raise StorageError("the disk is full")
        taken = list(assignments)
        self.taken += [a.application for a in taken]
        return [Arrival(a.application, a.uid, a.generation) for a in taken]

    def lacking(self, ref: ManifestSetRef, offered: Mapping[str, bytes]) -> list[str]:
        return []

    async def answer(self, query: Question, blobs: Mapping[str, bytes]) -> bytes:
        if self.answers is not None:
            raise self.answers
        return b"{}"


class Stub:
    """A hub that has some blobs, and lets time pass between two of them."""

    def __init__(self, *contents: bytes, pause: float = 0.0) -> None:
        self.blobs = {sha(c): c for c in contents}
        self.pause = pause
        self.asked: list[int] = []
        self.answered: list[pb.AnswerChunk] = []

    async def FetchBlobs(self, request: pb.FetchBlobsRequest, timeout: float) -> AsyncIterator[pb.BlobChunk]:
        self.asked.append(len(request.digests))
        for digest in request.digests:
            await asyncio.sleep(self.pause)
            if digest not in self.blobs:
                yield pb.BlobChunk(digest=digest, missing=True)
                return
            yield pb.BlobChunk(digest=digest, content=self.blobs[digest], last=True)

    async def Answer(self, chunks: AsyncIterator[pb.AnswerChunk], timeout: float) -> None:
        self.answered += [chunk async for chunk in chunks]


@dataclass
class Desk:
    link: Link
    receiver: Receiver
    session: _Session

    async def take(self, stub: Stub, **assigned: pb.Assignment | bytes) -> list[pb.Refusal]:
        """Have assignments come, given as they are or by the content of their sets. Returns what is refused."""
        items = [v if isinstance(v, pb.Assignment) else assignment(k, v) for k, v in assigned.items()]
        await self.link._intake(stub, self.session).take(pb.Assignments(items=items))
        if self.session.outgoing.empty():
            return []
        return list(self.session.outgoing.get_nowait().refusals.items)


def assignment(name: str, content: bytes, **values: Any) -> pb.Assignment:
    ref = pb.ManifestSetRef(digest=sha(content), signature=b"s", key_id="k", resources=1)
    return pb.Assignment(application=f"argocd/{name}", uid=name, generation=2, manifest_set=ref, **values)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    storage, receiver = Storage(tmp_path / "agent.db"), Receiver()

    async def capabilities() -> pb.Capabilities:
        return pb.Capabilities()

    options = LinkOptions(backoff_first_seconds=0.001, backoff_cap_seconds=0.001)
    trust: Any = Trust()
    yield Desk(Link(trust, receiver, Outbox(storage), capabilities, "boot", options), receiver, _Session())
    storage.close()


async def test_a_blob_that_is_gone_keeps_back_only_what_needs_it(desk: Desk) -> None:
    stub = Stub(b"one", b"three")
    refused = await desk.take(stub, one=b"one", two=b"two", three=b"three")
    assert desk.receiver.taken == ["argocd/one", "argocd/three"]
    assert [(r.application, r.generation, r.code) for r in refused] == [("argocd/two", 2, "manifests-gone")]
    assert stub.asked == [3, 1], "what had come is not fetched again"


async def test_what_the_disk_has_no_room_for_is_refused_and_taken_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "STORE_FIRST_SECONDS", 0.01)
    desk.receiver.full = True
    intake = desk.link._intake(Stub(b"one"), desk.session)
    trying = asyncio.create_task(intake.run())
    await intake.take(pb.Assignments(items=[assignment("one", b"one")]))
    for _ in range(2):
        (refusal,) = (await asyncio.wait_for(desk.session.outgoing.get(), 5)).refusals.items
        assert (refusal.code, refusal.message) == ("not-stored", "the disk is full")
    desk.receiver.full = False
    async with asyncio.timeout(5):
        while not desk.receiver.taken:
            await asyncio.sleep(0.01)
    trying.cancel()
    assert desk.receiver.taken == ["argocd/one"] and not intake._unstored


async def test_a_tombstone_whose_blob_is_gone_is_carried_out(desk: Desk) -> None:
    refused = await desk.take(Stub(b"one"), gone=assignment("gone", b"gone", deletion=TOMBSTONE), one=b"one")
    assert sorted(desk.receiver.taken) == ["argocd/gone", "argocd/one"] and not refused


async def test_a_blob_that_is_not_what_it_is_called_ends_the_stream(desk: Desk) -> None:
    stub = Stub(b"one")
    stub.blobs[sha(b"one")] = b"another"
    with pytest.raises(LinkError, match="is not"):
        await desk.take(stub, one=b"one")
    assert desk.receiver.taken == []


async def test_a_hub_whose_blobs_come_slowly_is_not_silent(desk: Desk) -> None:
    """Three heartbeats pass while the stream is not read, and blobs come."""
    desk.session.heartbeat_seconds = 0.5
    desk.session.welcomed.set()
    contents = [str(n).encode() for n in range(10)]
    beating = asyncio.create_task(desk.link._beat(desk.session))
    try:
        await desk.take(Stub(*contents, pause=0.2), **{f"a{c.decode()}": c for c in contents})
        assert not beating.done()
    finally:
        beating.cancel()
        (outcome,) = await asyncio.gather(beating, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert len(desk.receiver.taken) == 10


async def test_what_is_not_understood_has_the_hub_dialled_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled = asyncio.Semaphore(0)

    async def session(self: Link) -> None:
        dialled.release()
        raise ValueError("a field this agent cannot read")

    monkeypatch.setattr(link_module.Link, "_session", session)
    running = asyncio.create_task(desk.link.run())
    try:
        async with asyncio.timeout(10):
            for _ in range(3):
                await dialled.acquire()
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("error", "code"), [(QuestionFailed("not-here", "gone"), "not-here"), (KeyError("uid"), "internal")]
)
async def test_every_question_is_answered(desk: Desk, error: Exception, code: str) -> None:
    desk.receiver.answers = error
    stub = Stub()
    query = pb.Query(id="q", application="argocd/web", kind="diff", timeout_seconds=5)
    await desk.link._answer(stub, query, desk.session)
    assert [(c.id, c.error) for c in stub.answered] == [("q", code)]
    assert "uid" not in stub.answered[0].message


async def test_settings_are_taken_if_they_are_what_they_claim_to_be(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    content = b'{"resource.exclusions":"[]"}'
    intake = desk.link._intake(Stub(), desk.session)
    await intake.take_settings(pb.Settings(content=content, digest=sha(b"other"), cluster_names=["paris"]))
    assert desk.receiver.settings == [] and "not what their digest says" in caplog.text
    message = pb.HubMessage(settings=pb.Settings(content=content, digest=sha(content), cluster_names=["paris"]))
    await desk.link._handle("settings", message, intake, desk.session)
    assert desk.receiver.settings == [(content, ["paris"])]
    assert (await desk.link._hello()).settings_digest == b"\xab" * 32


async def test_settings_that_the_disk_has_no_room_for_are_taken_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "STORE_FIRST_SECONDS", 0.01)
    desk.receiver.full = True
    intake = desk.link._intake(Stub(), desk.session)
    trying = asyncio.create_task(intake.run())
    for content in (b"{}", b'{"a":"b"}'):
        await intake.take_settings(pb.Settings(content=content, digest=sha(content)))
    assert desk.receiver.settings == []
    desk.receiver.full = False
    await until(lambda: desk.receiver.settings, "the settings")
    trying.cancel()
    assert desk.receiver.settings == [(b'{"a":"b"}', [])], "the newest"
