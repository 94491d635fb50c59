"""What a question needs and the disk does not hold: fetched for as long as it is answered, and kept nowhere.

A question may be about manifests that were never assigned: another revision, a history entry, files on somebody's
machine. They are vouched for like assigned ones, and bounded, for they are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import orjson

from agent.engine.assignment import ManifestSetRef
from agent.engine.manifest_set import IncompleteSet, read_manifest_set
from agent.errors import LinkError
from agent.hubclient.blobs import BlobGone, fetch
from agent.hubclient.intake import Voucher

FETCHED_LIMIT = 16 * 1024 * 1024
"""Bytes of manifests that are fetched for one question."""


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    application: str
    kind: str
    parameters: bytes
    seconds: float


class QuestionFailed(Exception):
    """A question that has no answer: a code, and words for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Shelf(Protocol):
    """Who knows what is on the disk."""

    def lacking(self, ref: ManifestSetRef, offered: Mapping[str, bytes]) -> list[str]: ...


def read_parameters(question: Question) -> dict[str, Any]:
    """Raises QuestionFailed."""
    try:
        value = orjson.loads(question.parameters or b"{}")
    except ValueError as error:
        raise QuestionFailed("bad-question", f"the question's parameters are not JSON: {error}") from error
    if not isinstance(value, dict):
        raise QuestionFailed("bad-question", "the question's parameters are not a mapping")
    return value


def read_set(parameters: Mapping[str, Any]) -> ManifestSetRef | None:
    """Return the manifest set that a question is about; None for what is assigned. Raises QuestionFailed."""
    digest, resources = parameters.get("manifest_set", ""), parameters.get("resources", 0)
    signature, key_id = parameters.get("signature", ""), parameters.get("key_id", "")
    texts = all(isinstance(text, str) for text in (digest, signature, key_id))
    if not texts or not isinstance(resources, int):
        raise QuestionFailed("bad-question", "manifest_set is a digest, and resources the number of its entries")
    return ManifestSetRef(digest, signature, key_id, resources) if digest else None


async def fetch_for(
    question: Question, trust: Voucher, shelf: Shelf, stub: Any, heard: Callable[[], None]
) -> dict[str, bytes]:
    """Return the blobs that a question needs and the disk lacks. Raises QuestionFailed."""
    ref = read_set(read_parameters(question))
    blobs: dict[str, bytes] = {}
    if ref is None or not (missing := shelf.lacking(ref, blobs)):
        return blobs
    if not trust.verify(ref.digest, ref.signature, ref.key_id):
        message = "the hub's signature over the manifest set does not hold: nothing of it was looked at"
        raise QuestionFailed("bad-signature", message)
    try:
        while missing:
            await fetch(stub, missing, blobs, heard)
            missing = shelf.lacking(ref, blobs)
            _check_size(blobs.get(ref.digest), ref, missing)
    except (BlobGone, IncompleteSet) as error:
        raise QuestionFailed("manifests-gone", f"the hub no longer has all of these manifests: {error}") from error
    except (LinkError, grpc.aio.AioRpcError) as error:
        words = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.aio.AioRpcError) else str(error)
        raise QuestionFailed("manifests-gone", f"the manifests could not be fetched from the hub: {words}") from error
    return blobs


def _check_size(set_: bytes | None, ref: ManifestSetRef, missing: list[str]) -> None:
    if set_ is None:
        return
    lacking = set(missing)
    size = sum(entry.size for entry in read_manifest_set(set_, resources=ref.resources) if entry.digest in lacking)
    if size > FETCHED_LIMIT:
        message = f"{size:,} bytes of manifests would have to be fetched for this; {FETCHED_LIMIT:,} are"
        raise QuestionFailed("too-large", message)
