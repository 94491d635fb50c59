"""HTTP to one place, with the access it has at the moment, and not more often than its server likes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from hub.domain.repository import Access, Credentials
from hub.source.errors import RepositoryUnreachable, SourceError
from hub.source.failures import storage_errors
from hub.source.http import Answer, HttpLimits, Origin, SourceClient
from hub.source.http_failures import refused_by
from hub.source.lanes import Lanes, Work
from hub.source.policy import SourcePolicy

_LONGEST_QUIET = 3600.0
_MAX_TEXT = 4 * 1024 * 1024
_GATHERED = 1024 * 1024


class Link:
    def __init__(
        self, name: str, url: Callable[[Access], str], access: Callable[[], Access], policy: SourcePolicy, lanes: Lanes
    ) -> None:
        """`name` is how the place is called in messages; `url` gives its address, whose origin gets the credentials."""
        self.name = name
        self._lanes = lanes
        self._url = url
        self._access = access
        self._policy = policy
        self._clients: dict[Work, tuple[str, SourceClient]] = {}
        self._quiet_until = 0.0
        self._proven = False

    @property
    def access(self) -> Access:
        return self._access()

    @property
    def url(self) -> str:
        return self._url(self.access)

    async def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        most: int = _MAX_TEXT,
    ) -> Answer:
        """Return whatever is answered; who is asked too often is left alone for as long as he says. Raises
        SourceError."""
        async with self._slot(Work.POLL) as client:
            answer = await client.request(method, url, headers=headers, credentials=credentials, most=most)
        self._note(answer)
        return answer

    async def download(
        self,
        url: str,
        target: Path,
        *,
        most: int,
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
    ) -> tuple[Answer, str]:
        """Write a good answer's body into a file; return its head and the body's SHA-256. Raises SourceError."""
        digest = hashlib.sha256()
        given = {"Accept-Encoding": "identity", **(headers or {})}
        async with (
            self._slot(Work.FETCH) as client,
            client.stream("GET", url, most=most, headers=given, credentials=credentials) as (answer, chunks),
        ):
            self._note(answer)
            if answer.status == 200:
                gathered = bytearray()
                with storage_errors(target.parent), target.open("wb") as file:
                    async for chunk in chunks:
                        digest.update(chunk)
                        gathered += chunk
                        if len(gathered) >= _GATHERED:
                            await asyncio.to_thread(file.write, bytes(gathered))
                            gathered.clear()
                    file.write(gathered)
        return answer, digest.hexdigest()

    def refused(self, answer: Answer) -> SourceError:
        return refused_by(self.name, answer.status, answer.headers)

    def elsewhere(self, url: str) -> bool:
        """Whether an address is another origin than the place's own."""
        return Origin.of(url) != Origin.of(self.url)

    async def close(self) -> None:
        for _, client in self._clients.values():
            await client.close()
        self._clients.clear()

    @contextlib.asynccontextmanager
    async def _slot(self, work: Work) -> AsyncIterator[SourceClient]:
        """Hold a slot for one request; give what makes it."""
        self._mind_quiet()
        async with self._lanes.slot(work, Origin.of(self.url).host, proven=self._proven):
            self._proven = False
            yield await self._client(work)
            self._proven = True

    async def _client(self, work: Work) -> SourceClient:
        access = self.access
        known = self._clients.get(work)
        if known is not None and known[0] == access.digest:
            return known[1]
        if known is not None:
            await known[1].close()
        policy = self._policy
        seconds = policy.fetch_seconds if work is Work.FETCH else policy.poll_seconds
        limits = HttpLimits(whole=seconds, silence=min(seconds, policy.silence_seconds))
        client = SourceClient(access, self._url(access), ca_file=policy.ca_file, limits=limits)
        self._clients[work] = (access.digest, client)
        return client

    def _mind_quiet(self) -> None:
        left = self._quiet_until - time.monotonic()
        if left > 0:
            error = RepositoryUnreachable(
                f"{self.name} cannot be read: its server wants to be left alone for {left:.0f} s more; the hub asks "
                "again after that."
            )
            error.retry_after = left
            raise error

    def _note(self, answer: Answer) -> None:
        if answer.status in (429, 503):
            after = answer.headers.get("retry-after", "")
            if after.isdecimal() and len(after) < 6:
                self._quiet_until = time.monotonic() + min(float(after), _LONGEST_QUIET)


def basic_authorization(credentials: Credentials) -> dict[str, str]:
    """Return the header that says who the hub is, for where it is not sent by itself."""
    if not credentials.username and not credentials.password:
        return {}
    pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def with_user(access: Access, username: str, password: str) -> Access:
    """Return an access with the user and password that an address holds, where it has none of its own."""
    if access.credentials or not (username or password):
        return access
    return replace(access, credentials=Credentials(username=username, password=password))
