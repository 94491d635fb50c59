"""Credentials that a command prints, as `aws eks get-token` and its like do (client.authentication.k8s.io).

The command comes from the kubeconfig, so it is trusted as far as the person who wrote that is; all the same it gets no
shell, no terminal, no more than a minute, and its output is read up to a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from agent.kube.connection import ExecPlugin, Pem
from agent.kube.errors import Forbidden, KubeError, Unreachable

TIME_LIMIT = 60.0
MAX_OUTPUT = 1 << 20
MAX_COMPLAINT = 300


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """What a plugin printed. At least one of token and certificate is there."""

    token: str = field(default="", repr=False)
    certificate: Pem | None = None
    key: Pem | None = None
    expires: float | None = None
    """Unix time, or None where it holds until the server refuses it."""


async def run_plugin(plugin: ExecPlugin, *, time_limit: float = TIME_LIMIT) -> ExecCredential:
    """Run the command and return its credential.

    Raises Forbidden where only a person can help (no such command, output of another form), and Unreachable where the
    command failed, because most of them ask a service that may be back in a minute.
    """
    output = await _run(plugin, time_limit)
    try:
        return _read(plugin, orjson.loads(output))
    except ValueError as error:  # orjson's errors are ValueErrors; their text may quote the output, so it stays here
        detail = "not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)
        raise Forbidden(f"the exec plugin {plugin.command} printed no usable ExecCredential: {detail}") from None


async def _run(plugin: ExecPlugin, time_limit: float) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": _exec_info(plugin)},
            start_new_session=True,
        )
    except OSError as error:
        hint = f"; {plugin.install_hint}" if plugin.install_hint else ""
        problem = error.strerror or type(error).__name__
        raise Forbidden(f"the exec plugin {plugin.command} cannot be run: {problem}{hint}") from error
    try:
        async with asyncio.timeout(time_limit):
            output, complaint = await asyncio.gather(_limited(process.stdout), _limited(process.stderr))
            code = await process.wait()
    except TimeoutError as error:
        raise Unreachable(f"the exec plugin {plugin.command} gave no credentials within {time_limit:g} s") from error
    finally:
        await _end(process)
    if code != 0:
        raise _failed(plugin, code, complaint)
    return output


def _exec_info(plugin: ExecPlugin) -> str:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.cluster_info is not None:
        spec["cluster"] = plugin.cluster_info
    return orjson.dumps({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}).decode()


async def _limited(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end, keep the first MAX_OUTPUT bytes; the rest is read too, or the command would block on it."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        kept += chunk[: MAX_OUTPUT - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the command, with whatever it started, if it still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, 9)
        await process.wait()


def _failed(plugin: ExecPlugin, code: int, complaint: bytes) -> KubeError:
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    last = "".join(c for c in lines[-1] if c.isprintable()).strip()[:MAX_COMPLAINT] if lines else "it says nothing"
    return Unreachable(f"the exec plugin {plugin.command} failed with status {code}: {last}")


def _read(plugin: ExecPlugin, document: object) -> ExecCredential:
    """Raises ValueError, whose text quotes none of the document's values."""
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise ValueError("kind is not ExecCredential")
    if document.get("apiVersion") != plugin.api_version:
        raise ValueError(f"apiVersion is not {plugin.api_version}")
    status = document.get("status")
    if not isinstance(status, dict):
        raise ValueError("it has no status")
    token = _text(status, "token").strip()
    certificate, key = _text(status, "clientCertificateData"), _text(status, "clientKeyData")
    if not token.isascii() or not token.isprintable():
        raise ValueError("status.token holds characters a token cannot have")
    if bool(certificate) != bool(key):
        raise ValueError("status.clientCertificateData and clientKeyData come only together")
    if not token and not certificate:
        raise ValueError("status has neither a token nor a certificate")
    return ExecCredential(
        token=token,
        certificate=Pem(data=certificate.encode()) if certificate else None,
        key=Pem(data=key.encode()) if key else None,
        expires=_expiry(_text(status, "expirationTimestamp")),
    )


def _text(status: dict[str, Any], name: str) -> str:
    value = status.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"status.{name} is not text")
    return value or ""


def _expiry(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("status.expirationTimestamp is no RFC 3339 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
