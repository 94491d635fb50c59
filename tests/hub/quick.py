"""What every hub makes anew at its start, and is the same for all of a process: made once, or at no cost.

Two thirds of what a hub with an API takes to start is what its routes need before their first request, and a password
that is made slow to guess; a fifth of one that renders is to ask the tools for their versions. Hubs that are programs
of their own start as they do for people: see `tests.hub.program`.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
from collections.abc import Iterator
from unittest import mock

from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.datastructures import State

from hub import __version__
from hub.api import app as api
from hub.render import renderer
from hub.render.tools import FoundTools, find_tools

_routes_of = functools.cache(api.bare_app)


def routes(version: str = __version__) -> FastAPI:
    """Return an application with nothing behind its routes yet, as `bare_app` does."""
    app = copy.copy(_routes_of(version))
    app.state = State()
    return app


def hasher() -> PasswordHash:
    """Return one whose hashes take no time, and would not keep anybody from guessing."""
    return PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


_tools: dict[tuple[str, ...], FoundTools] = {}


async def tools(kustomize: str, kubectl: str, helm: str) -> FoundTools:
    """Return what `find_tools` found the first time."""
    asked = (kustomize, kubectl, helm, os.environ.get("PATH", ""))
    if asked not in _tools:
        _tools[asked] = await find_tools(kustomize, kubectl, helm)
    return _tools[asked]


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Hubs that are started in here have them for as long as they run."""
    with (
        mock.patch.object(api, "bare_app", routes),
        mock.patch.object(PasswordHash, "recommended", hasher),
        mock.patch.object(renderer, "find_tools", tools),
    ):
        yield
