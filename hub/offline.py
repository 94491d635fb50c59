"""What an operator does beside a running hub, or without one: the authority, backups. Run on the hub's own machine.

A running hub notices what is changed here within a minute.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from hub.config import Settings
from hub.errors import Invalid
from hub.keys import key_source
from hub.pki.authority import AuthorityInfo, PublicKeyInfrastructure
from hub.pki.contract import PkiSettings
from hub.pki.keysource import MOST_KEYS, KeyFile, KeySource, new_key
from hub.pki.secretbox import SecretBox
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
    pki = PublicKeyInfrastructure(store, SecretBox.of(_keys(settings)), lambda: datetime.now(UTC), PkiSettings())
    await pki.reload()
    return pki


def _keys(settings: Settings) -> KeySource:
    source = key_source(settings)
    if isinstance(source, KeyFile) and not source.path.exists():
        raise Invalid(f"the key file {source.path} is missing: name it with --secret-key-file")
    return source


async def key_ids(settings: Settings) -> list[str]:
    """Name the keys that secrets are encrypted with: the one in use, then those before it."""
    return SecretBox.of(_keys(settings)).ids


async def rotate_key(settings: Settings) -> int:
    """Make a new key in the key file, and encrypt everything with it. Returns how many secrets there are.

    Whenever it is killed, the file holds every key that something is encrypted with: run it again.
    Raises Invalid when the keys come from a command, KeyFileError when the file cannot be replaced.
    """
    source = _keys(settings)
    if not isinstance(source, KeyFile):
        raise Invalid(f"the keys come from {source.origin}: have it print a new one first, then `secret-key reseal`")
    async with opened(settings) as store:
        old, new = source.read(), new_key()
        if len(old) >= MOST_KEYS:
            raise Invalid(f"{source.origin} holds {len(old)} keys: `escadre-hub secret-key forget` first")
        # Known to every hub on this file before anything is encrypted with it, and used by none before all of it is.
        source.replace([*old, new])
        count = await _reseal(store, [new, *old], source.origin)
        source.replace([new, *old])
        return count


async def reseal(settings: Settings) -> int:
    """Encrypt everything with the first key that there is. Returns how many secrets there are."""
    source = _keys(settings)
    async with opened(settings) as store:
        return await _reseal(store, source.read(), source.origin)


async def forget_keys(settings: Settings) -> int:
    """Encrypt everything with the first key of the file, and drop the others from it. Returns how many were dropped."""
    source = _keys(settings)
    if not isinstance(source, KeyFile):
        raise Invalid(f"the keys come from {source.origin}: run `secret-key reseal`, then have it print only the first")
    async with opened(settings) as store:
        keys = source.read()
        await _reseal(store, keys, source.origin)
        source.replace(keys[:1])
        return len(keys) - 1


async def _reseal(store: Store, keys: list[bytes], origin: str) -> int:
    box = SecretBox.with_keys(keys, origin)
    return await store.reseal(box.reseal)


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
