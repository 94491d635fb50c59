"""What callers are told when something goes wrong: one form for every error, and one catalogue of their codes.

A code is a promise to clients; its status and meaning stand here and nowhere else. An error of the hub whose code is
not in the catalogue goes out under the code of its class, and anything that is no `HubError` as `internal`: what it
says stays in the log.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub.api.models.error import ErrorBody, ErrorReply
from hub.errors import HubError, TooManyRequests, Unauthenticated, Unavailable

_MOST_DETAILS = 100
_LONGEST_MESSAGE = 16_384
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Meaning:
    status: int
    meaning: str
    advice: str


CATALOGUE: Mapping[str, Meaning] = {
    "bad-request": Meaning(400, "the request is not HTTP as it should be", "correct the client"),
    "webhook-unknown": Meaning(
        400, "the event is of no provider that is known here", "see webhooks.md on how each is set up"
    ),
    "webhook-unreadable": Meaning(
        400, "the event's body is not what its provider sends", "choose application/json for the webhook"
    ),
    "bad-credentials": Meaning(401, "the account's name or the password is wrong", "log in with the right ones"),
    "certificate-revoked": Meaning(
        401, "the agent's certificate was revoked", "join again with `escadre cluster rotate-token`"
    ),
    "join-token-refused": Meaning(
        401, "the join token is unknown, expired or used", "make a new one with `escadre cluster rotate-token`"
    ),
    "recovery-refused": Meaning(
        401, "the expired certificate is no way back in", "join again with `escadre cluster rotate-token`"
    ),
    "session-ended": Meaning(401, "the session has expired or was ended", "log in again with `escadre login`"),
    "unauthenticated": Meaning(401, "the request names no session", "log in with `escadre login`"),
    "permission-denied": Meaning(403, "the account may not do this", "ask an administrator"),
    "webhook-refused": Meaning(
        403, "the event's signature or secret is not the one that is set", "give the webhook the hub's secret"
    ),
    "not-found": Meaning(404, "there is no such object or path", "check the name; list what there is"),
    "method-not-allowed": Meaning(405, "the path does not take this method", "see /api/v1/openapi.json"),
    "request-timeout": Meaning(408, "the request's body did not arrive in time", "send it again"),
    "agent-too-old": Meaning(409, "the cluster's agent does not know how to do this", "upgrade the agent"),
    "conflict": Meaning(409, "it contradicts what there is now", "look at the object, then decide"),
    "too-large": Meaning(413, "the body is larger than is taken here", "split it"),
    "unsupported-media-type": Meaning(
        415,
        "the body's Content-Type is not taken here",
        "send application/json, application/yaml or application/gzip, as the path says",
    ),
    "action-refused": Meaning(
        422, "the action does not exist, cannot be run on the object, or was refused", "see the message"
    ),
    "bad-body": Meaning(422, "the body or a parameter is not what the path takes", "correct what the message names"),
    "bad-certificate": Meaning(422, "the certificate sent cannot be read", "send the one the hub issued, as PEM"),
    "bad-csr": Meaning(422, "the certificate request cannot be read or is not signed by its key", "make it anew"),
    "bad-key": Meaning(422, "the public key is of a kind that is not taken", "use ECDSA on P-256"),
    "bad-password": Meaning(422, "the new password will not do", "choose another one"),
    "invalid": Meaning(422, "what was sent is wrong", "correct what the message names"),
    "unclear-source": Meaning(
        422,
        "it is not clear which of the application's sources is meant, or there is no such source",
        "name each source that is meant once, by one of the positions or names that the message lists",
    ),
    "repository-denied": Meaning(
        422, "the repository's server refuses the hub's credentials, or has no such repository", "see the message"
    ),
    "repository-refused": Meaning(422, "the address is none that the hub reads from", "see the message"),
    "repository-too-large": Meaning(422, "the repository goes beyond what the hub takes", "see the message"),
    "repository-unreachable": Meaning(
        422, "the repository's server gives no good answer, or is not believed", "see the message"
    ),
    "too-many-clusters": Meaning(422, "the question concerns more clusters than are asked at once", "name a cluster"),
    "busy": Meaning(429, "more of this is under way than the hub does at once", "try again after Retry-After seconds"),
    "too-many-certificates": Meaning(
        429, "a cluster was issued too many certificates within the hour", "look why its agent keeps asking"
    ),
    "too-many-logins": Meaning(429, "too many failed logins", "try again after Retry-After seconds"),
    "too-many-requests": Meaning(429, "this address asks too often", "try again after Retry-After seconds"),
    "authority-expired": Meaning(500, "the fleet's authority has expired", "rotate it: `escadre-hub ca prepare`"),
    "internal": Meaning(500, "an error inside the hub", "look for the request's id in the hub's log"),
    "unsupported": Meaning(501, "the hub does not do this", "see the message"),
    "cluster-unreachable": Meaning(
        503,
        "the cluster's agent is not connected, or takes nothing; nothing was done",
        "look why: `escadre cluster get`",
    ),
    "store-unavailable": Meaning(503, "the database does not answer, or its disk is full", "try again later"),
    "unavailable": Meaning(503, "something the answer needs is away", "try again later"),
    "outcome-unknown": Meaning(
        504, "the cluster did not say in time whether it has done it", "look at the object before you ask again"
    ),
}
"""Code → HTTP status, what it means, what to do."""

IN_ANSWERS: Mapping[str, str] = {
    "cluster-unreachable": "the cluster's agent is not connected, or takes nothing",
    "cluster-silent": "the cluster's agent did not answer in time",
    "not-assigned": "the agent has no such application (yet)",
    "not-here": "the agent does not have all of the manifests yet",
    "not-looked-for": "the application's project does not ask for orphaned resources",
    "not-listed": "the agent has not seen all of the objects yet: ask again in a moment",
    "not-rendered": "the revision or the files cannot be rendered for the cluster",
    "not-permitted": "the application's project does not let this onto the cluster",
    "not-deployed": "the cluster's history has no such entry",
    "manifests-gone": "the manifests are not kept any more, or could not be fetched",
    "bad-signature": "the agent does not believe the hub's signature: its trust is out of date",
    "cluster": "the cluster's API server refused or failed",
    "too-large": "there are more objects than an answer holds",
    "malformed-answer": "the agent's answer is not understood: it may be newer than the hub",
    "unknown-question": "the agent is older than the hub and does not know the question",
}
"""Codes inside an answer that many clusters gave: one that fails does not take the others with it."""

_BY_STATUS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


class RequestTimeout(HubError):
    code = "request-timeout"
    status = 408


class UnsupportedMediaType(HubError):
    code = "unsupported-media-type"
    status = 415


def public_code(error: HubError) -> str:
    """Return the code that goes out: the error's own, or the nearest of its classes' in the catalogue."""
    candidates = [error.code, *(getattr(kind, "code", "") for kind in type(error).__mro__)]
    return next((code for code in candidates if code in CATALOGUE), "internal")


def error_response(
    code: str, message: str, request_id: str, *, details: Iterable[str] = (), retry_after: float = 0.0
) -> Response:
    body = ErrorBody(
        code=code,
        message=_clipped(message),
        request_id=request_id,
        details=[_clipped(detail) for detail in list(details)[:_MOST_DETAILS]],
    )
    headers = {}
    status = CATALOGUE[code].status
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="escadre"'
    if retry_after:
        headers["Retry-After"] = str(math.ceil(retry_after))
    content = ErrorReply(error=body).model_dump_json()
    return Response(content, status, headers, media_type="application/json")


def response_of(error: Exception, request_id: str) -> Response:
    """Return what the caller is told of any exception."""
    match error:
        case HubError():
            code = public_code(error)
            if code == "internal":
                return _internal(request_id)
            details = error.message.splitlines()
            return error_response(
                code,
                error.message,
                request_id,
                details=details if len(details) > 1 else (),
                retry_after=_retry_after(error),
            )
        case RequestValidationError():
            details = [_worded(problem) for problem in error.errors()]
            return error_response("bad-body", "; ".join(details), request_id, details=details)
        case HTTPException():
            code = _BY_STATUS.get(error.status_code, "internal")
            return error_response(code, CATALOGUE[code].meaning, request_id)
        case _:
            return _internal(request_id)


def is_internal(error: Exception) -> bool:
    """Tell whether the log has to say what the caller is not told."""
    if isinstance(error, HubError):
        return public_code(error) == "internal"
    return not isinstance(error, RequestValidationError | HTTPException)


def session_missing() -> Unauthenticated:
    return Unauthenticated("this needs a session: log in with `escadre login` and send Authorization: Bearer <token>")


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may end with these codes, for the OpenAPI document."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, "internal")):
        entry = CATALOGUE[code]
        by_status.setdefault(entry.status, []).append(f"`{code}`: {entry.meaning}; {entry.advice}.")
    return {
        status: {"model": ErrorReply, "description": "\n\n".join(texts)} for status, texts in sorted(by_status.items())
    }


def _internal(request_id: str) -> Response:
    message = f"an error inside the hub; its log tells more about request {request_id}"
    return error_response("internal", message, request_id)


def _retry_after(error: HubError) -> float:
    if isinstance(error, TooManyRequests):
        return error.retry_after
    return _RETRY_SECONDS if isinstance(error, Unavailable) else 0.0


def _worded(problem: Mapping[str, Any]) -> str:
    """Say what is wrong and where, without repeating what was sent: it may be a password."""
    where = [str(part) for part in problem.get("loc", ())]
    if problem.get("type") == "json_invalid":
        return f"the body is not JSON: {problem.get('ctx', {}).get('error', 'it cannot be read')}"
    if where[:1] in (["body"], ["query"], ["path"], ["header"]):
        where = [f"{where[0]} {'.'.join(where[1:])}".rstrip()]
    return f"{'.'.join(where)}: {problem.get('msg', 'is wrong')}"


def _clipped(text: str) -> str:
    """Return what fits a reply: of a bounded length, and without what has no place in UTF-8."""
    shown = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    return shown.encode("utf-8", "replace").decode()
