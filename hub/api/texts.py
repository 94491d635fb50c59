"""Reading the texts that people apply: as what, and how large, they may be."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from hub.api.errors import UnsupportedMediaType
from hub.errors import Invalid
from hub.formats.limits import Document, Limits
from hub.formats.yaml import load_documents

LIMITS = Limits(bytes=16 * 1024 * 1024, documents=10_000, depth=100, nodes=500_000)
"""A value takes some hundred bytes once it is read: what one request may hold is a few dozen megabytes."""

_MEDIA_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "application/json"})


def described(what: str) -> dict[str, Any]:
    """Return the OpenAPI description of a body that is such a text."""
    content = {kind: {"schema": {"type": "string"}} for kind in ("application/yaml", "application/json")}
    return {"requestBody": {"required": True, "description": what, "content": content}}


async def read_text(request: Request) -> bytes:
    """Raises UnsupportedMediaType."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _MEDIA_TYPES:
        raise UnsupportedMediaType("objects are sent as application/yaml or application/json")
    return await request.body()


async def read_document(request: Request) -> Document:
    """Return the one document of the body. Raises FormatError, Invalid, UnsupportedMediaType."""
    content = await read_text(request)
    documents = await asyncio.to_thread(load_documents, content, name="", limits=LIMITS)
    if len(documents) != 1:
        raise Invalid(f"one object is wanted here, and there are {len(documents)}")
    return documents[0]
