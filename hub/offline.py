"""What an operator does beside a running hub, or without one: the authority, backups. Run on the hub's own machine.

A running hub notices what is changed here within a minute.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from hub.config import Settings
from hub.errors import Invalid
from hub.pki.authority import AuthorityInfo, PublicKeyInfrastructure
from hub.pki.contract import PkiSettings
from hub.pki.secretbox import SecretBox
from hub.server import now
from hub.store.contract import Store
from hub.store.factory import open_store


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """Open the hub's store. Raises Invalid when there is none yet: these commands make nothing."""
    logging.getLogger().setLevel(logging.WARNING)
    url = settings.database_url.get_secret_value()
    if not url and not (settings.data_dir / "escadre.db").exists():
        raise Invalid(f"there is no hub in {settings.data_dir}: start it once, or name its data directory")
    store, bus = await open_store(url, data_dir=settings.data_dir)
    try:
        yield store
    finally:
        await bus.close()
        await store.close()


async def _authority(settings: Settings, store: Store) -> PublicKeyInfrastructure:
    path = settings.secret_key_file or settings.data_dir / "secret.key"
    if not path.exists():
        raise Invalid(f"the key file {path} is missing: name it with --secret-key-file")
    pki = PublicKeyInfrastructure(store, SecretBox.open(path), now, PkiSettings())
    await pki.reload()
    return pki


async def describe(settings: Settings) -> tuple[str, list[AuthorityInfo]]:
    """Return the pin for new agents, and the authorities and signing keys in force."""
    async with opened(settings) as store:
        pki = await _authority(settings, store)
        return pki.pin, pki.describe()


async def rotate(settings: Settings, step: str, *, force: bool) -> None:
    """step: prepare | activate | retire. Raises Conflict when its time has not come."""
    async with opened(settings) as store:
        pki = await _authority(settings, store)
        if step == "prepare":
            await pki.prepare_rotation()
        elif step == "activate":
            await pki.activate_rotation(force=force)
        else:
            await pki.retire(force=force)


async def backup(settings: Settings, path: Path) -> None:
    """Write a consistent copy of the database while the hub runs."""
    async with opened(settings) as store:
        await store.backup(str(path))
