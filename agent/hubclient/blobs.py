"""Blobs as they come from the hub: none is taken for what it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent.engine.manifest_set import digest_of
from agent.errors import LinkError
from escadre.v1 import agent_pb2 as pb

BLOB_LIMIT = 8 * 1024 * 1024
FETCH_DIGESTS = 5000
FETCH_SECONDS = 300.0


class BlobGone(Exception):
    """The hub has a blob no more."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"blob {digest[:12]} is gone from the hub")
        self.digest = digest


def checked(blobs: Iterable[pb.Blob]) -> dict[str, bytes]:
    """Return blobs by their digests. Raises LinkError when one is not what it claims to be."""
    result = {}
    for blob in blobs:
        digest = blob.digest.hex()
        _check(digest, blob.content)
        result[digest] = blob.content
    return result


async def fetch(stub: Any, digests: Sequence[str], into: dict[str, bytes], heard: Callable[[], None]) -> None:
    """Fetch blobs, each kept as it comes; `heard` is called for every part of one.

    Raises BlobGone, what came before it being kept; LinkError; AioRpcError.
    """
    for start in range(0, len(digests), FETCH_DIGESTS):
        chunk = digests[start : start + FETCH_DIGESTS]
        request = pb.FetchBlobsRequest(digests=[bytes.fromhex(d) for d in chunk])
        parts: list[bytes] = []
        async for part in stub.FetchBlobs(request, timeout=FETCH_SECONDS):
            heard()
            if part.missing:
                raise BlobGone(part.digest.hex())
            parts.append(part.content)
            if sum(map(len, parts)) > BLOB_LIMIT:
                raise LinkError(f"blob {part.digest.hex()[:12]} is larger than {BLOB_LIMIT} bytes")
            if part.last:
                content, digest = b"".join(parts), part.digest.hex()
                parts = []
                _check(digest, content)
                into[digest] = content
        if lacking := set(chunk) - into.keys():
            raise LinkError(f"the hub sent {len(lacking)} blobs fewer than asked for")


def _check(digest: str, content: bytes) -> None:
    if digest_of(content) != digest:
        raise LinkError(f"the hub sent a blob that is not {digest[:12]}")
