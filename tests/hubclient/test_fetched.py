"""What a question needs beyond the disk: vouched for, bounded, fetched, and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from agent.engine.assignment import ManifestSetRef
from agent.engine.manifest_set import read_manifest_set
from agent.hubclient import fetched as module
from agent.hubclient.fetched import Question, QuestionFailed, fetch_for
from tests.hubclient.test_link import Stub
from tests.syncer.harness import config_map, manifest_set

REF, BLOBS = manifest_set([config_map("a"), config_map("b")])


@dataclass
class Disk:
    held: set[str] = field(default_factory=set)

    def lacking(self, ref: ManifestSetRef, offered: Mapping[str, bytes]) -> list[str]:
        content = offered.get(ref.digest)
        wanted = [ref.digest]
        if content is not None:
            wanted += [entry.digest for entry in read_manifest_set(content, resources=ref.resources)]
        return [digest for digest in wanted if digest not in self.held and digest not in offered]


@dataclass
class Trust:
    key: str = "k"

    def verify(self, digest: str, signature: str, key_id: str) -> bool:
        return key_id == self.key


def question(**parameters: Any) -> Question:
    return Question("q", "argocd/web", "diff", orjson.dumps(parameters), 5)


def about_set(**more: Any) -> Question:
    given = {"manifest_set": REF.digest, "resources": REF.resources, "signature": "00", "key_id": "k"}
    return question(**(given | more))


async def fetched(asked: Question, stub: Stub, disk: Disk | None = None) -> dict[str, bytes]:
    return await fetch_for(asked, Trust(), disk or Disk(), stub, lambda: None)


async def test_the_set_and_then_its_manifests_are_fetched() -> None:
    stub = Stub(*BLOBS.values())
    assert await fetched(about_set(), stub) == BLOBS
    assert stub.asked == [1, 2]


async def test_what_is_on_the_disk_is_not_fetched() -> None:
    stub = Stub(*BLOBS.values())
    assert await fetched(question(), stub) == {}
    assert await fetched(about_set(key_id="unknown"), stub, Disk({REF.digest})) == {}
    assert stub.asked == []


async def test_what_the_hub_does_not_vouch_for_is_not_fetched() -> None:
    stub = Stub(*BLOBS.values())
    with pytest.raises(QuestionFailed) as failed:
        await fetched(about_set(key_id="unknown"), stub)
    assert (failed.value.code, stub.asked) == ("bad-signature", [])


async def test_more_than_is_held_in_memory_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCHED_LIMIT", 100)
    stub = Stub(*BLOBS.values())
    with pytest.raises(QuestionFailed) as failed:
        await fetched(about_set(), stub)
    assert (failed.value.code, stub.asked) == ("too-large", [1])


@pytest.mark.parametrize("contents", [[], [BLOBS[REF.digest]]])
async def test_manifests_that_the_hub_has_no_more(contents: list[bytes]) -> None:
    with pytest.raises(QuestionFailed) as failed:
        await fetched(about_set(), Stub(*contents))
    assert failed.value.code == "manifests-gone"


async def test_a_set_of_another_number_is_no_answer() -> None:
    with pytest.raises(QuestionFailed) as failed:
        await fetched(about_set(resources=3), Stub(*BLOBS.values()))
    assert failed.value.code == "manifests-gone"


@pytest.mark.parametrize("parameters", [{"manifest_set": 5}, {"resources": "many"}, {"signature": []}, {"key_id": {}}])
async def test_parameters_that_make_no_sense(parameters: dict[str, Any]) -> None:
    with pytest.raises(QuestionFailed) as failed:
        await fetched(question(**parameters), Stub())
    assert failed.value.code == "bad-question"
