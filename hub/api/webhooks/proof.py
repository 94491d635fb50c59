"""Whether an event is believed: by a signature over its body, or by a secret that it shows.

Every comparison takes the same time however much of it is right, and comes before anything is made of the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from hub.domain.webhook_secrets import WebhookSecrets
from hub.errors import HubError

_MOST_HEADER = 8192


class WebhookRefused(HubError):
    """What the event is signed with, or the secret it shows, is not the one that is set."""

    code = "webhook-refused"
    status = 403


class Proof(ABC):
    """What one provider's events have to show."""

    @abstractmethod
    def is_set(self, secrets: WebhookSecrets) -> bool:
        """Tell whether anything is to be shown at all."""

    @abstractmethod
    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        """Look at what comes before the body. Returns what the body has to be given to, and `Signature.check`ed by,
        if it counts too. Raises WebhookRefused."""


@dataclass(frozen=True, slots=True)
class Signature(Proof):
    """HMAC-SHA256 of the body, in hexadecimal."""

    key: str
    headers: tuple[str, ...]
    """The first of them that is there counts."""

    def is_set(self, secrets: WebhookSecrets) -> bool:
        return bool(secrets.get(self.key))

    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        if not self._given(headers):
            raise WebhookRefused(
                f"the event is not signed: {self.headers[0]} is missing, and the hub's {self.key} is set. "
                "Give the webhook the same secret"
            )
        return hmac.new(secrets.get(self.key), digestmod=hashlib.sha256)

    def check(self, headers: Mapping[str, str], made: hmac.HMAC) -> None:
        """Raises WebhookRefused."""
        given = self._given(headers).removeprefix("sha256=").lower()
        if not same(given.encode(), made.hexdigest().encode()):
            raise WebhookRefused(f"the event is signed with another secret than the hub's {self.key}")

    def _given(self, headers: Mapping[str, str]) -> str:
        return next((headers[name] for name in self.headers if headers.get(name)), "")[:_MOST_HEADER]


@dataclass(frozen=True, slots=True)
class Shown(Proof):
    """A header that is the secret itself."""

    key: str
    header: str

    def is_set(self, secrets: WebhookSecrets) -> bool:
        return bool(secrets.get(self.key))

    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        if not same(_bytes(headers.get(self.header, "")), secrets.get(self.key)):
            raise WebhookRefused(f"{self.header} of the event is not the hub's {self.key}")
        return None


@dataclass(frozen=True, slots=True)
class Hook(Proof):
    """The id of the webhook, with or without braces. It is no secret in the narrow sense."""

    key: str
    header: str

    def is_set(self, secrets: WebhookSecrets) -> bool:
        return bool(secrets.get(self.key))

    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        given, wanted = _bytes(headers.get(self.header, "")), secrets.get(self.key)
        if not same(given.strip(b"{}").lower(), wanted.strip(b"{}").lower()):
            raise WebhookRefused(f"{self.header} of the event is not the hub's {self.key}")
        return None


@dataclass(frozen=True, slots=True)
class Basic(Proof):
    """User and password."""

    user: str
    password: str

    def is_set(self, secrets: WebhookSecrets) -> bool:
        return bool(secrets.get(self.user) or secrets.get(self.password))

    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        wanted = secrets.get(self.user) + b":" + secrets.get(self.password)
        if not same(_basic(headers.get("authorization", "")), wanted):
            raise WebhookRefused(f"user and password of the event are not the hub's {self.user} and {self.password}")
        return None


@dataclass(frozen=True, slots=True)
class Bearer(Proof):
    """A secret in Authorization, alone, behind `Bearer`, or as a password; or `secret` of the address, for registries
    that send no headers."""

    key: str

    def is_set(self, secrets: WebhookSecrets) -> bool:
        return bool(secrets.get(self.key))

    def begin(self, headers: Mapping[str, str], query: Mapping[str, str], secrets: WebhookSecrets) -> hmac.HMAC | None:
        wanted = secrets.get(self.key)
        given = headers.get("authorization", "")[:_MOST_HEADER]
        kind, _, rest = given.partition(" ")
        shown = [_bytes(given), _bytes(query.get("secret", ""))]
        if kind.lower() == "bearer":
            shown.append(_bytes(rest.strip()))
        if kind.lower() == "basic":
            shown.append(_basic(given).partition(b":")[2])
        # All of them are compared: which one is right is nobody's affair.
        if not sum(same(value, wanted) for value in shown):
            raise WebhookRefused(f"neither Authorization nor `secret` of the address is the hub's {self.key}")
        return None


def same(given: bytes, wanted: bytes) -> bool:
    """Compare in a time that tells nothing of where they differ, nor how long the wanted one is."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())


def _bytes(text: str) -> bytes:
    """Headers come as Latin-1, whatever they were written in."""
    return text[:_MOST_HEADER].encode("latin-1", "replace")


def _basic(authorization: str) -> bytes:
    kind, _, encoded = authorization[:_MOST_HEADER].partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
