"""A hub restored from an older backup: agents hold newer assignments than it remembers, and nothing is taken back."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from hub.domain.operation import OperationKind, OperationRequest
from tests.faults.scene import Scene
from tests.faults.waiting import answered, until
from tests.fleet.kit import Fleet, application
from tests.syncer.harness import config_map

Restore = Callable[[Fleet, Path], Awaitable[None]]


def back_up(fleet: Fleet) -> Path:
    """Copy what an operator who copies files would: the database with its log, the key, the mirrors."""
    target = fleet.root / "backup"
    shutil.copytree(fleet.settings.data_dir, target, symlinks=True, ignore=shutil.ignore_patterns("*-shm", "render"))
    return target


async def restore_everything(fleet: Fleet, backup: Path) -> None:
    await fleet.stop_hub()
    shutil.rmtree(fleet.settings.data_dir)
    shutil.copytree(backup, fleet.settings.data_dir, symlinks=True)
    await fleet.start()


async def restore_the_database(fleet: Fleet, backup: Path) -> None:
    """The mirrors are not part of the backup: the hub comes up on an empty disk."""
    await fleet.stop_hub()
    shutil.rmtree(fleet.settings.data_dir)
    fleet.settings.data_dir.mkdir()
    for name in ("escadre.db", "escadre.db-wal", "secret.key", "replica"):
        if (backup / name).exists():
            shutil.copy(backup / name, fleet.settings.data_dir / name)
    await fleet.start()


both = pytest.mark.parametrize("restore", [restore_everything, restore_the_database])


async def held(scene: Scene) -> bool:
    return all(a.held for a in await scene.fleet.hub.store.assignments_of_application(scene.id))


async def ask_for_sync(scene: Scene) -> str:
    """Ask for a sync as the API does, and wait until it is done. Returns the operation's id."""
    request = OperationRequest(str(uuid4()), OperationKind.SYNC, "ada", datetime.now(UTC))
    await scene.fleet.hub.store.record_operation_request(scene.id, request)
    await scene.fleet.hub.bus.publish("applications", scene.id)

    def done(found: object) -> bool:
        return request.id in {e.operation for e in entries}

    entries = []
    async def recorded() -> bool:
        nonlocal entries
        entries = await scene.fleet.hub.store.history(scene.id)
        return any(e.operation == request.id for e in entries)

    await answered(recorded, "the sync to be done")
    return request.id
