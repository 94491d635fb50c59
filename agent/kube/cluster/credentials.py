"""The Authorization header, and how it stays valid: from nothing, a token, a file that rotates, or a plugin.

The transport asks before every request, so the usual answer costs a comparison. When the server answers 401 it reports
which credential was refused; only if there is another one to try is the request made again.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from agent.kube.cluster.execplugin import ExecCredential, run_plugin
from agent.kube.connection import Connection, ExecPlugin, Impersonation, Pem
from agent.kube.errors import Forbidden, KubeError

REREAD_SECONDS = 60.0
"""How often a token file is read again. The kubelet replaces a projected token when 80 % of its life is over."""
EXPIRY_LEEWAY = 60.0
"""A plugin's credential is replaced this many seconds before it expires."""
PLUGIN_PAUSE = 10.0
"""A plugin is not run more often than this, whether it fails, prints what has expired, or prints what is refused."""

_MAX_TOKEN = 1 << 20


@dataclass(frozen=True, slots=True)
class Auth:
    """One credential. Compared by identity to tell whether it is still the one in use."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: Pem | None = None
    key: Pem | None = None


class Credentials(Protocol):
    async def get(self) -> Auth:
        """Return what to send now. Raises KubeError."""
        ...

    async def refused(self, auth: Auth) -> bool:
        """Take notice that the server answered 401. Returns whether there is another credential to try."""
        ...


def credentials_of(connection: Connection) -> Credentials:
    """Return the credentials a connection names."""
    extra = _impersonation_headers(connection.impersonate)
    if connection.token_file is not None:
        return FileCredentials(connection.token_file, extra)
    if connection.token:
        return StaticCredentials(Auth((_bearer(connection.token), *extra)))
    if connection.username:
        pair = f"{connection.username}:{connection.password}".encode()
        return StaticCredentials(Auth((("Authorization", f"Basic {base64.b64encode(pair).decode()}"), *extra)))
    if connection.plugin is not None:
        return PluginCredentials(connection.plugin, extra)
    return StaticCredentials(Auth(extra))


def _bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def _impersonation_headers(as_user: Impersonation | None) -> tuple[tuple[str, str], ...]:
    if as_user is None:
        return ()
    headers = [("Impersonate-User", as_user.user)]
    if as_user.uid:
        headers.append(("Impersonate-Uid", as_user.uid))
    headers += [("Impersonate-Group", group) for group in as_user.groups]
    headers += [(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for key, value in as_user.extra]
    return tuple(headers)


class StaticCredentials:
    """What never changes: a token, a password, or only the client's certificate."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def get(self) -> Auth:
        return self._auth

    async def refused(self, auth: Auth) -> bool:
        return False


class FileCredentials:
    """A token in a file that somebody else replaces. The last good one is used while the file cannot be read."""

    def __init__(self, path: Path, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self._path = path
        self._extra = extra
        self._auth: Auth | None = None
        self._reread_at = 0.0

    async def get(self) -> Auth:
        if self._auth is not None and time.monotonic() < self._reread_at:
            return self._auth
        return self._reread()

    async def refused(self, auth: Auth) -> bool:
        return self._reread() is not auth

    def _reread(self) -> Auth:
        # Read in the event loop: a few hundred bytes from memory (a projected volume), once a minute.
        try:
            with self._path.open("rb") as file:
                token = file.read(_MAX_TOKEN).strip().decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            token, problem = "", type(error).__name__
        else:
            problem = "it is empty"
        if token and not token.isprintable():
            token, problem = "", "it holds no token"
        self._reread_at = time.monotonic() + REREAD_SECONDS
        headers = (_bearer(token), *self._extra)
        if not token:
            if self._auth is None:
                raise Forbidden(f"the token file {self._path} cannot be used: {problem}")
        elif self._auth is None or self._auth.headers != headers:
            self._auth = Auth(headers)
        return self._auth


class PluginCredentials:
    """What a command prints, kept until it expires or is refused. One run serves all who wait."""

    def __init__(
        self,
        plugin: ExecPlugin,
        extra: tuple[tuple[str, str], ...] = (),
        *,
        wall_clock: Callable[[], float] = time.time,
        pause: float = PLUGIN_PAUSE,
    ) -> None:
        self._plugin = plugin
        self._extra = extra
        self._now = wall_clock
        self._pause = pause
        self._auth: Auth | None = None
        self._renew_at: float | None = None
        self._ran_at = float("-inf")
        self._failure: KubeError | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> Auth:
        auth = self._valid()
        if auth is not None:
            return auth
        async with self._lock:
            return self._valid() or await self._run()

    async def refused(self, auth: Auth) -> bool:
        async with self._lock:
            if self._auth is not auth:
                return True  # replaced meanwhile
            if self._paused():
                return False
            return await self._run() != auth

    def _valid(self) -> Auth | None:
        if self._renew_at is not None and self._now() >= self._renew_at:
            return None
        return self._auth

    def _paused(self) -> bool:
        return time.monotonic() - self._ran_at < self._pause

    async def _run(self) -> Auth:
        if self._failure is not None and self._paused():
            raise self._failure
        try:
            credential = await run_plugin(self._plugin)
        except KubeError as error:
            self._failure = error
            raise
        finally:
            self._ran_at = time.monotonic()
        self._failure = None
        self._renew_at = None
        if credential.expires is not None:
            self._renew_at = max(credential.expires - EXPIRY_LEEWAY, self._now() + self._pause)
        self._auth = self._auth_of(credential)
        return self._auth

    def _auth_of(self, credential: ExecCredential) -> Auth:
        bearer = (_bearer(credential.token),) if credential.token else ()
        return Auth((*bearer, *self._extra), credential.certificate, credential.key)
