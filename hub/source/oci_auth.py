"""Who the hub is at an OCI registry: what a registry that refuses asks for, and tokens from where it sends for them.

A registry names the place that gives its tokens, and that gets the registry's user and password, as with docker and
helm; so it has to be spoken to with TLS wherever the registry is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import orjson

from hub.domain.repository import Credentials
from hub.source.errors import RepositoryDenied
from hub.source.link import Link, basic_authorization

_NOBODY = Credentials()
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_SHORTEST = 60.0
_LONGEST = 3600.0
_MARGIN = 10.0
_MOST_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for."""

    scheme: str
    """basic | bearer | …"""
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge:
    """Read a WWW-Authenticate header; of several challenges the first that is understood."""
    for match in re.finditer(r"(?i)(?:^|,\s*)(bearer|basic)(?=\s|,|$)", header):
        rest = header[match.end() :]
        following = re.search(r"(?i),\s*(?:bearer|basic|negotiate|digest)\s", rest)
        found = _PARAMETER.finditer(rest[: following.start()] if following else rest)
        parameters = {m[1].lower(): re.sub(r"\\(.)", r"\1", m[2]) if m[2] is not None else m[3] for m in found}
        return Challenge(match[1].lower(), parameters)
    return Challenge("", {})


class Tokens:
    """What one repository of a registry is asked with."""

    def __init__(self, link: Link, scope: str) -> None:
        """`scope` is what is asked for where the registry does not say."""
        self._link = link
        self._scope = scope
        self._basic = False
        self._token = ""
        self._until = 0.0
        self._of = ""

    def given(self) -> tuple[Mapping[str, str], Credentials | None]:
        """Return headers and credentials for the next request. Before the registry has asked, nothing is told."""
        access = self._link.access
        if self._of != access.digest:
            self._of, self._token, self._basic = access.digest, "", access.force_basic_auth
        if access.credentials.bearer_token or self._basic:
            return {}, None
        if self._token and time.monotonic() < self._until:
            return {"Authorization": f"Bearer {self._token}"}, _NOBODY
        return {}, _NOBODY

    async def answer(self, header: str) -> None:
        """Do as a refusal asks. Raises SourceError."""
        challenge = parse_challenge(header)
        known = self._link.access.credentials
        match challenge.scheme:
            case "bearer" if not known.bearer_token:
                await self._get_token(challenge.parameters)
            case "basic" if (known.username or known.password) and not self._basic:
                self._basic = True
            case _:
                raise self._denied()

    async def _get_token(self, parameters: Mapping[str, str]) -> None:
        realm = parameters.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not self._link.access.plain_http):
            raise RepositoryDenied(
                f"{self._link.name} cannot be read: its registry sends for tokens to {realm[:100]!r}, which is no "
                "https address."
            )
        query = {"service": parameters.get("service", ""), "scope": parameters.get("scope") or self._scope}
        url = f"{realm}{'&' if parts.query else '?'}{urlencode({k: v for k, v in query.items() if v})}"
        headers = basic_authorization(self._link.access.credentials)
        answer = await self._link.ask(url, headers=headers, credentials=_NOBODY, most=_MOST_TOKEN)
        if answer.status in (400, 401, 403):
            raise self._denied()
        if answer.status != 200:
            raise self._link.refused(answer)
        try:
            said = orjson.loads(answer.content)
            token = said.get("token") or said["access_token"]
            seconds = float(said.get("expires_in") or _SHORTEST)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._denied() from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._denied()
        self._token = token
        self._until = time.monotonic() + min(max(seconds, _SHORTEST), _LONGEST) - _MARGIN

    def _denied(self) -> RepositoryDenied:
        return RepositoryDenied(
            f"{self._link.name} cannot be read: the registry refuses the hub's credentials, or asks for some: check "
            "the address, and give credentials with `escadre repo add`."
        )
