"""A hub restored from an older backup: agents hold newer assignments than it remembers, and nothing is taken back."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

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


@both
async def test_nothing_is_taken_back_and_nothing_runs_twice(scene: Scene, restore: Restore) -> None:
    cluster = await scene.open()
    await scene.sync()
    backup = back_up(scene.fleet)
    revision = await scene.commit(settings="2", extra="1")
    await scene.arrived(revision)
    await scene.sync()
    uids, applied = cluster.uids(["settings", "extra"]), len(cluster.applied)
    await restore(scene.fleet, backup)
    await scene.arrived(revision)
    assert cluster.deleted == []
    assert cluster.uids(["settings", "extra"]) == uids
    assert (cluster.data("settings"), cluster.data("extra")) == ({"k": "2"}, {"k": "1"})
    assert len(cluster.applied) == applied


@both
async def test_an_application_created_after_the_backup_goes_on_and_is_told(scene: Scene, restore: Restore) -> None:
    cluster = await scene.open()
    backup = back_up(scene.fleet)
    scene.repository.write("late/all.yaml", config_map("late", {"k": "1"}))
    scene.repository.commit("late")
    late = application("late", scene.repository.url, "late")
    await scene.fleet.apply(late)
    await scene.fleet.synced("late", 1)
    uids = cluster.uids(["late"])
    await restore(scene.fleet, backup)
    (event, *_) = await answered(lambda: scene.fleet.events("UnknownApplications"), "the event")
    assert "argocd/late" in event.message and "c0" in event.message
    # It is still looked after.
    await scene.hack("late")
    await until(lambda: cluster.data("late") == {"k": "1"}, "the healing")
    # Applied again, it is taken over as it is.
    applied = len(cluster.applied)
    await scene.fleet.apply(late)
    await scene.fleet.synced("late", 1)
    assert cluster.deleted == [] and cluster.uids(["late"]) == uids
    assert len(cluster.applied) == applied


async def test_an_application_deleted_after_the_backup_is_what_the_hub_says_again(scene: Scene) -> None:
    """The hub knows it, so it is shown; and what is shown is what is there."""
    cluster = await scene.open()
    backup = back_up(scene.fleet)
    await scene.fleet.delete("web")
    await answered(scene.gone, "the application to be gone")
    assert cluster.data("settings") is None
    await restore_everything(scene.fleet, backup)
    await until(lambda: cluster.data("settings") == {"k": "1"}, "the application to be back")
    await scene.fleet.synced("web", 1)
    await scene.fleet.delete("web")
    await answered(scene.gone, "the application to be gone")
    assert cluster.data("settings") is None
