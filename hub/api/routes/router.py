"""How routers are made: below one prefix, for callers with a session, with the errors any of their routes may give."""

from __future__ import annotations

from fastapi import APIRouter, Security

from hub.api.context import BEARER
from hub.api.errors import documented
from hub.api.guard import PREFIX

_COMMON = ("bad-request", "too-large", "request-timeout", "bad-body", "store-unavailable")


def public_router(tag: str, prefix: str = PREFIX) -> APIRouter:
    return APIRouter(prefix=prefix, tags=[tag], responses=documented(*_COMMON))


def private_router(tag: str) -> APIRouter:
    """For routes that `hub.api.guard` lets only those with a session come to."""
    responses = documented("unauthenticated", "session-ended", "permission-denied", *_COMMON)
    return APIRouter(prefix=PREFIX, tags=[tag], responses=responses, dependencies=[Security(BEARER)])
