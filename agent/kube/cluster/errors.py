"""Every way in which an API server says no, turned once into the type that says what to do about it.

HTTP codes alone do not: 403 is RBAC, or a quota, or Pod Security, or a namespace on its way out; 500 is a crash, or a
manifest with an unknown field; 409 is a lost race, or another field manager. What tells them apart is the Status
object's reason and causes and, where Kubernetes puts it nowhere else, the wording of its message, which is stable since
many releases. An answer nobody foresaw falls into its class: 4xx is permanent, the rest is worth another try.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from agent.engine.resource import Object, ResourceKey
from agent.kube.client import Kind
from agent.kube.cluster.lean import aiohttp
from agent.kube.errors import (
    Conflict,
    FieldConflict,
    Forbidden,
    Gone,
    KindUnknown,
    KubeError,
    NamespaceMissing,
    NamespaceTerminating,
    NotFound,
    Rejected,
    Throttled,
    Unreachable,
    WebhookUnreachable,
)

MAX_MESSAGE = 1200
"""Characters kept of a server's message; an admission webhook may send any number."""
CUT = " … "
"""Stands for what is left out in the middle."""
MAX_FIELDS = 50
MAX_RETRY_AFTER = 300.0


class Target(NamedTuple):
    """What a request was about, for messages."""

    verb: str
    kind: Kind | None = None
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.kind is None:
            return self.verb
        if self.name:
            return f"{self.verb} {ResourceKey(self.kind.group, self.kind.kind, self.namespace, self.name)}"
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.kind}{where}"


class Cause(NamedTuple):
    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A Status object, or whatever came in its place, reduced to what decides."""

    code: int
    reason: str = ""
    message: str = ""
    causes: tuple[Cause, ...] = ()
    about_kind: str = ""
    """The plural, or the kind, that the server says the failure is about."""
    about_name: str = ""
    retry_after: float | None = None

    def caused_by(self, reason: str) -> bool:
        return any(cause.reason == reason for cause in self.causes)


def from_reply(target: Target, status: int, headers: Mapping[str, str], body: bytes) -> KubeError:
    """Return the error for an HTTP answer that is no success."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    failure = read_failure(status, document, headers.get("Retry-After", ""))
    if not failure.message:
        text = body[:200].decode("utf-8", "replace").strip()
        failure = Failure(status, message=text or f"HTTP {status}", retry_after=failure.retry_after)
    return classify(target, failure)


def from_status(target: Target, document: object) -> KubeError:
    """Return the error for a Status object in the ERROR event of a watch."""
    code = document.get("code") if isinstance(document, dict) else None
    return classify(target, read_failure(code if isinstance(code, int) else 500, document, ""))


def read_failure(code: int, document: object, retry_after: str) -> Failure:
    """Read a Status object. Whatever has another form than it should is left out."""
    if not isinstance(document, dict) or document.get("kind") != "Status":
        return Failure(code, retry_after=_seconds(retry_after))
    details = document.get("details")
    details = details if isinstance(details, dict) else {}
    raw_causes = details.get("causes")
    causes = raw_causes[:MAX_FIELDS] if isinstance(raw_causes, list) else []
    return Failure(
        code=code,
        reason=_text(document, "reason"),
        message=_text(document, "message"),
        causes=tuple(
            Cause(_text(c, "reason"), _text(c, "message"), _text(c, "field")) for c in causes if isinstance(c, dict)
        ),
        about_kind=_text(details, "kind"),
        about_name=_text(details, "name"),
        retry_after=_seconds(retry_after) or _seconds(details.get("retryAfterSeconds")),
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return _shortened(value) if isinstance(value, str) else ""


def _shortened(text: str) -> str:
    """Cut a long text in its middle: a server that quotes a whole pod says only behind it what is wrong with it."""
    if len(text) <= MAX_MESSAGE:
        return text
    tail = MAX_MESSAGE // 3
    return text[: MAX_MESSAGE - tail] + CUT + text[-tail:]


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        # The other form HTTP allows, a date, is used by no part of Kubernetes.
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else 0
    if not isinstance(value, int) or value <= 0:
        return None
    return min(float(value), MAX_RETRY_AFTER)


def classify(target: Target, failure: Failure) -> KubeError:
    """Decide what kind of error a failure is."""
    text = f"{target}: {failure.message or failure.reason or f'HTTP {failure.code}'}"
    if _DENIED.search(failure.message):
        return Rejected(text, _fields(failure))
    decide = _BY_CODE.get(failure.code)
    if decide is None:
        decide = _rejected if 400 <= failure.code < 500 else _unreachable
    return decide(target, failure, text)


# A webhook chooses its own code, even 500; an expired policy, 422 or 403. The wording is the API server's own.
_DENIED = re.compile(
    r"admission webhook \"[^\"]*\" denied the request"
    r"|ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request"
)
# Authorizers say `User "x" cannot ...`; the RBAC escalation check says `user "x" (groups=...) is attempting to grant`.
_UNAUTHORIZED = re.compile(r"\bUser \"[^\"]*\" cannot |is attempting to grant RBAC permissions|^[Ff]orbidden\b")
# What is refused only because the server, or a controller, has not got to it yet.
_NOT_YET = re.compile(
    r"not yet ready to handle request|status unknown for quota|error looking up service account .* not found"
)
# Answers of code 500 that are about the manifest: server-side apply could not fit it into the schema, or it is too big.
_UNFIT = re.compile(
    r"failed to create typed (patch|live) object|failed to convert .* to .*version"
    r"|field not declared in schema|etcdserver: request is too large|trying to send message larger than max"
)
_MANAGER = re.compile(r'conflict with "((?:[^"\\]|\\.)*)"')
_QUOTED_FIELD = re.compile(r'(?:unknown|duplicate) field "([^"]{1,200})"')
_SCHEMA_FIELD = re.compile(r"(?:^|[:\s])\.([\w.\-\[\]\"=/]{1,200}): (?:field not declared|expected)")


def _fields(failure: Failure) -> tuple[str, ...]:
    named = [cause.field for cause in failure.causes if cause.field and cause.field != "<nil>"]
    named += _QUOTED_FIELD.findall(failure.message) + _SCHEMA_FIELD.findall(failure.message)
    return tuple(dict.fromkeys(named))[:MAX_FIELDS]


def _rejected(_: Target, failure: Failure, text: str) -> KubeError:
    return Rejected(text, _fields(failure))


def _unreachable(_: Target, failure: Failure, text: str) -> KubeError:
    if failure.code >= 500 and _UNFIT.search(failure.message):
        return Rejected(text, _fields(failure))
    if failure.caused_by("ResourceVersionTooLarge") or "Too large resource version" in failure.message:
        # The server's history ends before ours: it was restored from a backup. Waiting would not bring it back.
        return Gone(text)
    if failure.code >= 500 and failure.retry_after is not None:
        return Throttled(text, failure.retry_after)
    if "failed calling webhook" in failure.message:
        return WebhookUnreachable(text)
    return Unreachable(text)


def _unauthenticated(_: Target, failure: Failure, text: str) -> KubeError:
    return Forbidden(f"{text}: the API server does not accept the agent's credentials")


def _forbidden(_: Target, failure: Failure, text: str) -> KubeError:
    if failure.caused_by("NamespaceTerminating") or "because it is being terminated" in failure.message:
        return NamespaceTerminating(text)
    if _NOT_YET.search(failure.message):
        return Throttled(text)
    if " is forbidden: " in failure.message and not _UNAUTHORIZED.search(failure.message):
        # Admission: quota, limit range, Pod Security. More rights would not help.
        return Rejected(text, _fields(failure))
    return Forbidden(text)


def _not_found(target: Target, failure: Failure, text: str) -> KubeError:
    if failure.about_kind == "namespaces" and target.kind is not None and target.kind.kind != "Namespace":
        return NamespaceMissing(f"{target}: namespace {failure.about_name or target.namespace} does not exist")
    if failure.about_name:
        return NotFound(text)
    if target.kind is None:
        return NotFound(text)
    return KindUnknown(f"{target}: the API server serves no {target.kind}; is its CustomResourceDefinition installed?")


def _conflict(_: Target, failure: Failure, text: str) -> KubeError:
    managers = [m for cause in failure.causes if cause.reason == "FieldManagerConflict" for m in _managers(cause)]
    if managers or failure.caused_by("FieldManagerConflict"):
        return FieldConflict(text, tuple(dict.fromkeys(managers)))
    return Conflict(text)


def _managers(cause: Cause) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", name) for name in _MANAGER.findall(cause.message)]


def _gone(_: Target, failure: Failure, text: str) -> KubeError:
    return Gone(text)


def _throttled(_: Target, failure: Failure, text: str) -> KubeError:
    return Throttled(text, failure.retry_after or 1.0)


_BY_CODE: dict[int, Callable[[Target, Failure, str], KubeError]] = {
    401: _unauthenticated,
    403: _forbidden,
    404: _not_found,
    408: _unreachable,
    409: _conflict,
    410: _gone,
    429: _throttled,
}


def from_exception(target: Target, error: BaseException, seconds: float) -> KubeError:
    """Return the error for a request that got no whole answer. `seconds` is the limit it ran under."""
    return Unreachable(f"{target}: {_describe(error, seconds)}")


def _describe(error: BaseException, seconds: float) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            reason = getattr(error, "certificate_error", error)
            return f"the API server's certificate is not trusted: {getattr(reason, 'verify_message', reason)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused with status {error.status}"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot reach the proxy: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case asyncio.TimeoutError():
            return f"no answer within {seconds:g} s"
        case aiohttp.ServerDisconnectedError():
            return "the API server closed the connection"
        case aiohttp.ClientPayloadError():
            return "the answer was cut off"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case _:
            return f"the connection failed: {error or type(error).__name__}"[:MAX_MESSAGE]


def redact(error: KubeError, manifest: Object) -> KubeError:
    """Take the values of a Secret out of an error's text; the server quotes what it could not read."""
    if manifest.get("kind") != "Secret":
        return error
    message = error.message
    values = _secret_values(manifest)
    for value in sorted(values, key=len, reverse=True):
        message = message.replace(value, "***")
    message = _without_halves(message, values)
    error.message = message
    error.args = (message,)
    return error


def _without_halves(message: str, values: set[str]) -> str:
    """Take out what is left of a secret value that the cut went through."""
    head, cut, tail = message.partition(CUT)
    if not cut:
        return message
    for value in values:
        beginning = ending = 0
        if head[-3:] in value:
            beginning = next((n for n in range(min(len(value), len(head)), 2, -1) if head.endswith(value[:n])), 0)
        if tail[:3] in value:
            ending = next((n for n in range(min(len(value), len(tail)), 2, -1) if tail.startswith(value[-n:])), 0)
        head = head[: len(head) - beginning] + ("***" if beginning else "")
        tail = ("***" if ending else "") + tail[ending:]
    return head + CUT + tail


def _secret_values(manifest: Object) -> set[str]:
    values: set[str] = set()
    pending: list[object] = [manifest.get("data"), manifest.get("stringData")]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        else:
            values.add(str(value))
    for text in list(values):
        with contextlib.suppress(binascii.Error, ValueError):
            values.add(base64.b64decode(text, validate=True).decode())
    # Shorter ones are words of the message more often than secrets.
    return {value for value in values if len(value) > 2}
