"""Finds the programs that rendering uses besides Python, and their versions, which are part of every render's key."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from hub.render.detect import HELM, JSONNET, KUSTOMIZE
from hub.render.errors import RenderError

_SECONDS = 15.0
_MAX_OUTPUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class FoundTools:
    kustomize: tuple[str, ...]
    """The build command up to the directory; empty when there is none."""
    helm: str
    versions: Mapping[str, str]


async def find_tools(kustomize: str, kubectl: str, helm: str) -> FoundTools:
    """Look for configured programs, then on PATH. Raises RenderError when a configured one does not answer."""
    versions: dict[str, str] = {}
    build: tuple[str, ...] = ()
    if binary := _program(kustomize, "kustomize" if not kubectl else ""):
        versions[KUSTOMIZE] = await _output(binary, "version")
        build = (binary, "build")
    elif binary := _program(kubectl, "kubectl"):
        versions[KUSTOMIZE] = await _kubectl_version(binary)
        build = (binary, "kustomize") if versions[KUSTOMIZE] else ()
    if binary := _program(helm, ""):
        versions[HELM] = await _output(binary, "version", "--template={{.Version}}")
    else:
        versions[HELM] = "helm-python-sdk " + importlib.metadata.version("helm-python-sdk")
    versions[JSONNET] = importlib.metadata.version("gojsonnet")
    return FoundTools(build, binary, versions)


def _program(configured: str, name: str) -> str:
    """Return a program's full path, or nothing."""
    if not configured:
        return os.path.realpath(found) if name and (found := shutil.which(name)) else ""
    found = shutil.which(configured)
    if found is None:
        raise RenderError(
            f"The program {configured!r} that this hub is configured to render with cannot be run.", code="tool-missing"
        )
    return os.path.realpath(found)


async def _kubectl_version(binary: str) -> str:
    try:
        return str(
            json.loads(await _output(binary, "version", "--client", "--output=json")).get("kustomizeVersion", "")
        )
    except (ValueError, AttributeError):
        return ""


async def _output(*command: str) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise _silent(command[0]) from error
    try:
        async with asyncio.timeout(_SECONDS):
            output = await process.stdout.read(_MAX_OUTPUT) if process.stdout is not None else b""
            code = await process.wait()
    except TimeoutError as error:
        raise _silent(command[0]) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code != 0:
        raise _silent(command[0])
    return output.decode(errors="replace").strip()


def _silent(program: str) -> RenderError:
    return RenderError(f"{program} does not tell its version: check that it runs.", code="tool-missing")
