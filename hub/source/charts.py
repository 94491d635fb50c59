"""Every chart repository and registry the hub reads: what is asked of them, and the archives that they gave."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from hub.domain.application import Source
from hub.domain.repository import Place, RepositoryKind
from hub.source.addresses import address_name
from hub.source.failures import storage_errors
from hub.source.git import AccessOf
from hub.source.helm_repository import HelmRepository
from hub.source.lanes import Lanes
from hub.source.oci_repository import OciRepository
from hub.source.policy import SourcePolicy
from hub.source.repository import RECENT_SECONDS
from hub.source.resolved import Resolved
from hub.source.shelf import Shelf

log = logging.getLogger(__name__)

UNUSED_SECONDS = 30 * 24 * 3600.0
"""How long an archive is kept that nobody asks for: charts that charts depend on are among no application's sources."""


class Archives(Protocol):
    """One place that gives archives."""

    name: str
    shelf: Shelf
    asked: bool
    """Whether its server has answered since this process began."""
    used_at: float

    async def refresh(self, *, force: bool) -> None: ...

    async def resolve(self, source: Source) -> Resolved: ...

    async def close(self) -> None: ...


class Charts:
    """Of one hub process. `root` belongs to this process alone."""

    def __init__(self, root: Path, access: AccessOf, policy: SourcePolicy) -> None:
        self._directory = root / "archives"
        self._access = access
        self._policy = policy
        self._lanes = Lanes(policy)
        self._places: dict[str, Archives] = {}
        with storage_errors(root):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in self._directory.iterdir():
                Shelf(path).recover()

    async def refresh(self, place: Place, *, force: bool = False) -> None:
        """Ask a place what is new. Raises SourceError, and then what `resolve` says stays as it was."""
        await self._archives(place).refresh(force=force)

    def needs_credentials(self, place: Place) -> bool:
        """Whether the hub says who it is there."""
        return bool(self._access(place.url, place.project).credentials)

    def asked(self, place: Place) -> bool:
        return self._archives(place).asked

    async def resolve(self, place: Place, source: Source) -> Resolved:
        """Return what a source means. Raises SourceError."""
        return await self._archives(place).resolve(source)

    async def collect(self, digests: Collection[str]) -> None:
        """Free disk space: keep the archives of these digests (hex), and what was asked for within a month."""
        used = {name for name, place in self._places.items() if time.monotonic() - place.used_at < RECENT_SECONDS}
        for path in await asyncio.to_thread(lambda: sorted(self._directory.iterdir())):
            await asyncio.to_thread(Shelf(path).collect, digests, UNUSED_SECONDS)
            if path.name not in used and not any(path.glob("*.git")):
                if (place := self._places.pop(path.name, None)) is not None:
                    await place.close()
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    async def close(self) -> None:
        await asyncio.gather(*(place.close() for place in self._places.values()))

    def _archives(self, place: Place) -> Archives:
        """Raises RepositoryRefused."""
        scope = self._access(place.url, place.project).scope
        # Who may not read a place must not be served from the copy of one who may.
        identity = "\0".join((place.kind, address_name(place), scope))
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        found = self._places.get(name)
        if found is None:
            make = HelmRepository if place.kind is RepositoryKind.HELM else OciRepository
            directory = self._directory / name
            found = self._places[name] = make(
                place, directory, lambda: self._access(place.url, place.project), self._policy, self._lanes
            )
        return found
