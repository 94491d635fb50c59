"""When two assignments are the same to an agent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.domain import assignment
from hub.domain.application import Retry, SyncPolicy
from hub.domain.assignment import AssignmentContent
from hub.domain.manifest import ManifestSetRef
from hub.domain.project import OrphanRules
from hub.domain.revision import Revision
from hub.domain.sources import SourceChoice
from hub.domain.window import SyncWindow
from tests.store.builders import content, request

CONTENT = AssignmentContent("argocd/web", "u", "default", "", ManifestSetRef("ab", 1), Revision(), SyncPolicy())


def test_what_something_was_made_from_is_no_part_of_what_is_to_be_done() -> None:
    plain = content(operation=request("r"))
    choice = SourceChoice(0, "v2", "https://git.example/shop.git")
    for asked in ({"target_revision": "v2"}, {"revisions": (choice,)}):
        told = replace(plain, sources="x", operation=replace(request("r"), sources="y", **asked))
        assert told.digest() == plain.digest()


def test_how_an_operation_is_tried_again_is() -> None:
    digests = {
        content(operation=replace(request("r"), retry=retry)).digest()
        for retry in (None, Retry(), Retry(limit=1), Retry(refresh=True))
    }
    assert len(digests) == 4


def test_a_hub_that_knows_more_assigns_nothing_anew() -> None:
    """These are the digests that a hub gave before it knew of any retry but the policy's."""
    assert content().digest() == "4803c232a7b1a84213a0837914e29a6f4444e48e3e3251b596f4b2ee0e9d686f"
    assert (
        content(policy=SyncPolicy(retry=Retry()), operation=request("r")).digest()
        == "720331892ba45f254cee1f251a12a87c8d6edd059cd551c81bdc013b34a29529"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("windows", (SyncWindow("deny", "@daily", 60.0),)), ("orphans", OrphanRules(True, (), None, ()))],
)
def test_what_has_nothing_of_the_project_keeps_its_digest(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    """It is the one it had before there were any: an upgrade assigns nothing anew."""
    hashed: list[bytes] = []

    def hash(content: bytes) -> str:
        hashed.append(content)
        return ""

    monkeypatch.setattr(assignment, "digest_of", hash)
    for one in (CONTENT, replace(CONTENT, **{name: value})):
        one.digest()
    assert [f'"{name}"'.encode() in text for text in hashed] == [False, True]
