"""A hub restored from an older backup: agents hold newer assignments than it remembers, and nothing is taken back."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.faults.scene import Scene, has_data
from tests.faults.waiting import answered, until
from tests.faults.witness import Witness, settings
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
    before = await scene.sync()
    backup = back_up(scene.fleet)
    revision = await scene.commit(settings="2", extra="1")
    await scene.arrived(revision)
    after = await scene.sync()
    uids, applied = cluster.uids(["settings", "extra"]), len(cluster.applied)
    await restore(scene.fleet, backup)
    await scene.arrived(revision)
    assert cluster.deleted == []
    assert cluster.uids(["settings", "extra"]) == uids
    assert (cluster.data("settings"), cluster.data("extra")) == ({"k": "2"}, {"k": "1"})
    assert len(cluster.applied) == applied
    # What was done since the backup is told again, each once.
    entries = await scene.history(3)
    assert [e.operation for e in entries].count(before) == 1
    assert [e.operation for e in entries].count(after) == 1
    # The hub is one that works.
    await scene.arrived(await scene.commit(settings="3", extra="1"))
    assert cluster.data("settings") == {"k": "3"}


@both
async def test_while_git_cannot_be_asked_the_agents_state_stands(scene: Scene, restore: Restore) -> None:
    """What the restored hub remembers of Git is as old as the backup."""
    cluster = await scene.open()
    backup = back_up(scene.fleet)
    revision = await scene.commit(settings="2", extra="1")
    await scene.arrived(revision)
    uids = cluster.uids(["settings", "extra"])
    away = scene.repository.path.with_name("away")
    scene.repository.path.rename(away)
    await restore(scene.fleet, backup)
    await answered(scene.held, "the assignment to be held")
    conditions = await answered(lambda: scene.fleet.conditions("web"), "the condition that says so")
    assert "repository" in conditions["ComparisonError"]
    # Neither an event that makes the hub look again, nor a restart, lets it go.
    await scene.fleet.add_cluster("another")
    await scene.fleet.refresh("web", "hard")
    await scene.fleet.restart_hub()
    await answered(scene.connected, "the agent to be back")
    await answered(lambda: scene.fleet.conditions("web"), "the condition that says so")
    assert await scene.held()
    assert cluster.deleted == [] and cluster.uids(["settings", "extra"]) == uids
    away.rename(scene.repository.path)
    await scene.fleet.refresh("web")
    await scene.fleet.wait("web", lambda found: "c0" in found and found["c0"].synced_revision is not None)
    await until(lambda: cluster.deleted == [] and cluster.data("settings") == {"k": "2"}, "the newest state")
    await answered(scene.released, "the assignment to be sent again")
    await scene.arrived(revision)
    assert cluster.deleted == [] and cluster.uids(["settings", "extra"]) == uids


async def test_a_sync_from_before_the_backup_is_not_run_again_however_much_came_after_it(scene: Scene) -> None:
    cluster = await scene.open()
    before = await scene.sync()
    backup = back_up(scene.fleet)
    names = {f"s{number}": "1" for number in range(25)}
    revision = await scene.commit(settings="2", **names)
    await scene.arrived(revision)
    await scene.sync()
    for name in names:
        await scene.hack(name)
        await until(partial(has_data, cluster, name, {"k": "1"}), f"{name} to be healed")
    await restore_everything(scene.fleet, backup)
    await scene.arrived(revision)
    await scene.fleet.stop_agent("c0")
    scene.fleet.start_agent("c0")
    await scene.arrived(revision)
    assert cluster.deleted == [] and cluster.times_applied("settings", {"k": "1"}) == 1
    storage = scene.fleet.agents["c0"][2]
    known = storage.operation(before)
    assert known is not None and known.phase.finished


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


async def test_an_application_made_anew_after_the_backup_is_not_pruned_by_its_old_self(scene: Scene) -> None:
    cluster = await scene.open()
    backup = back_up(scene.fleet)
    await scene.fleet.delete("web", cascade=False)
    await answered(scene.gone, "the application to be gone")
    revision = await scene.commit(settings="2", extra="1")
    await scene.fleet.apply(application("web", scene.repository.url, "web"))
    await scene.arrived(revision)
    uids = cluster.uids(["settings", "extra"])
    scene.repository.path.rename(scene.repository.path.with_name("away"))
    await restore_everything(scene.fleet, backup)
    await answered(scene.held, "the assignment to be held")
    scene.repository.path.with_name("away").rename(scene.repository.path)
    await scene.fleet.refresh("web")
    await scene.arrived(revision)
    assert cluster.deleted == [] and cluster.uids(["settings", "extra"]) == uids


async def test_an_application_made_anew_is_not_deleted_by_a_deletion_from_before_the_backup(scene: Scene) -> None:
    cluster = await scene.open()
    await scene.fleet.stop_agent("c0")
    await scene.fleet.delete("web")
    await answered(scene.buried, "the tombstone to be assigned")
    backup = back_up(scene.fleet)
    scene.fleet.start_agent("c0")
    await answered(scene.gone, "the application to be gone")
    revision = await scene.commit(settings="2", extra="1")
    await scene.fleet.apply(application("web", scene.repository.url, "web"))
    await scene.arrived(revision)
    uids, deleted = cluster.uids(["settings", "extra"]), list(cluster.deleted)
    await restore_everything(scene.fleet, backup)
    await answered(scene.gone, "the old application to be gone")
    assert cluster.deleted == deleted and cluster.uids(["settings", "extra"]) == uids
    # It is told at the next connection, and comes back under its name when it is applied again.
    await scene.fleet.apply(application("web", scene.repository.url, "web"))
    await scene.arrived(revision)
    assert cluster.deleted == deleted and cluster.uids(["settings", "extra"]) == uids


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


async def test_a_cluster_added_after_the_backup_goes_on_and_is_told(scene: Scene) -> None:
    await scene.open()
    backup = back_up(scene.fleet)
    late = Witness()
    await scene.fleet.add_agent("late", client=late)
    await scene.fleet.synced("web", 2)
    await restore_everything(scene.fleet, backup)
    (event, *_) = await answered(lambda: scene.fleet.events("ConnectionRefused"), "the event")
    assert "removed" in event.message
    await late.edit(settings("settings"), {"data": {"k": "hacked"}})
    await until(lambda: late.data("settings") == {"k": "1"}, "the healing")
