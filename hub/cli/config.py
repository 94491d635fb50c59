"""Which hubs this user knows, and how: the contexts, in one file that only its owner can read.

A context's token goes to that context's hub and to no other, whatever the environment says.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from hub.cli.errors import Misuse, NotLoggedIn

DEFAULT_PORT = 8443
"""The hub's own default; a https:// address without a port means 443, as everywhere."""
_VERSION = 1
_LARGEST = 4 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")


@dataclass(frozen=True, slots=True)
class Context:
    """How one hub is reached, and as whom."""

    name: str
    server: str
    """https://host:port"""
    ca: str = ""
    """PEM of the authorities trusted for it; empty: the system's."""
    insecure: bool = False
    """The hub's certificate is not checked at all."""
    username: str = ""
    token: str = field(default="", repr=False)
    expires_at: str = ""
    """When the token ends, RFC 3339."""


@dataclass(frozen=True, slots=True)
class Contexts:
    current: str = ""
    items: Mapping[str, Context] = field(default_factory=dict)

    def get(self, name: str) -> Context:
        """Raises Misuse."""
        if name not in self.items:
            known = ", ".join(sorted(self.items)) or "none: log in with `escadre login`"
            raise Misuse(f"there is no context {name!r}; known are {known}")
        return self.items[name]

    def with_(self, context: Context, *, current: bool = True) -> Contexts:
        items = {**self.items, context.name: context}
        return Contexts(context.name if current else self.current, items)

    def without(self, name: str) -> Contexts:
        items = {key: value for key, value in self.items.items() if key != name}
        return Contexts("" if self.current == name else self.current, items)


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    if given := environ.get("ESCADRE_CONFIG"):
        return Path(given)
    base = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "escadre" / "config.json"


def load(path: Path) -> Contexts:
    """Raises Misuse when the file is there and is none of ours."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error
    try:
        value = orjson.loads(content)
        items = [_context(name, item) for name, item in value["contexts"].items()]
        return Contexts(str(value["current"]), {item.name: item for item in items})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misuse(f"{path} is not a file of escadre's contexts: move it away and log in again") from error


def is_open_to_others(path: Path) -> bool:
    """Tell whether somebody else on this machine may read or write the file of contexts."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def save(path: Path, contexts: Contexts) -> None:
    """Write the file in one step, readable by its owner only. Raises Misuse."""
    items = {name: _fields(context) for name, context in contexts.items.items()}
    value = {"version": _VERSION, "current": contexts.current, "contexts": items}
    write_private(path, orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place of what is there, in one step, readable by its owner only. Raises Misuse."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Misuse(f"{path} cannot be written: {error.strerror}") from error


def choose(contexts: Contexts, name: str = "", environ: Mapping[str, str] = os.environ) -> Context:
    """Return the hub to speak to: as asked, as the environment says, or the current one. Raises Misuse, NotLoggedIn."""
    name = name or environ.get("ESCADRE_CONTEXT", "") or contexts.current
    chosen = contexts.get(name) if name else None
    if given := environ.get("ESCADRE_HUB"):
        server = server_address(given)
        if chosen is None or chosen.server != server:
            chosen = next((c for c in contexts.items.values() if c.server == server), Context(server, server))
    if chosen is None:
        raise NotLoggedIn("no hub is known here: log in with `escadre login HOST:PORT`, or set ESCADRE_HUB")
    if token := environ.get("ESCADRE_TOKEN", "").strip():
        if not is_token(token):
            raise Misuse("ESCADRE_TOKEN is no token: it holds spaces or characters that no token has")
        chosen = replace(chosen, token=token, username="", expires_at="")
    if file := environ.get("ESCADRE_CA_FILE"):
        chosen = replace(chosen, ca=read_ca(Path(file)), insecure=False)
    return chosen


def read_ca(path: Path) -> str:
    """Raises Misuse."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        raise Misuse(f"{path} cannot be read as certificates in PEM: {reason or error}") from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise Misuse(f"{path} holds no certificate in PEM")
    return text


def server_address(text: str) -> str:
    """Return "https://host:port" from host, host:port or an https:// address. Raises Misuse."""
    problem = f"{text[:100]!r} is not a hub's address: give HOST:PORT or https://HOST:PORT"
    if text.lower().startswith("http://"):
        raise Misuse(f"{problem}; the hub speaks HTTPS only")
    has_scheme = text.lower().startswith("https://")
    try:
        parts = urlsplit(text if has_scheme else f"https://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Misuse(problem) from error
    if not host or parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Misuse(problem)
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", host):
        raise Misuse(problem)
    host = f"[{host}]" if ":" in host else host
    return f"https://{host}:{port or (443 if has_scheme else DEFAULT_PORT)}"


def is_token(text: str) -> bool:
    """Tell whether a text can stand in a header."""
    return re.fullmatch(r"[\x21-\x7e]{1,8192}", text) is not None


def context_name(text: str) -> str:
    """Raises Misuse."""
    if not _NAME.fullmatch(text):
        raise Misuse(f"{text[:70]!r} is no name for a context: use letters, digits and . _ : -")
    return text


def _context(name: str, value: Mapping[str, Any]) -> Context:
    return Context(
        name=name,
        server=server_address(str(value["server"])),
        ca=str(value.get("ca", "")),
        insecure=bool(value.get("insecure", False)),
        username=str(value.get("username", "")),
        token=str(value.get("token", "")),
        expires_at=str(value.get("expires_at", "")),
    )


def _fields(context: Context) -> dict[str, Any]:
    return {
        "server": context.server,
        "ca": context.ca,
        "insecure": context.insecure,
        "username": context.username,
        "token": context.token,
        "expires_at": context.expires_at,
    }
