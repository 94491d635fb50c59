"""A simulated cluster on disk is the same after a restart."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from agent.engine.resource import GroupKind, ResourceKey
from agent.errors import StorageError
from agent.kube.client import DeleteOptions
from agent.kube.errors import Gone
from agent.kube.simulated import SimulatedCluster, persistence
from tests.kube.contract_steps import reference, until
from tests.kube.manifests import (
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    POD,
    config_map,
    custom_kind,
    definition,
    deployment,
    manifest,
)

KEY = ResourceKey("", "ConfigMap", "default", "settings")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "simulated.db"


async def test_everything_is_there_again(path: Path) -> None:
    first = SimulatedCluster(path)
    await first.apply(CRD, definition("Thing"))
    thing = custom_kind("Thing")
    one = await first.apply(thing, manifest(thing, "default", "one"))
    await first.apply(DEPLOYMENT, deployment("default", replicas=2))
    settings = await first.apply(CONFIG_MAP, config_map("default"))
    await first.apply(CONFIG_MAP, config_map("default", "gone"))
    await first.delete(CONFIG_MAP, "default", "gone")
    pods = first.select(GroupKind("", "Pod"))
    await first.close()

    second = SimulatedCluster(path)
    assert await second.get(CONFIG_MAP, "default", "settings") == settings
    assert await second.get(CONFIG_MAP, "default", "gone") is None
    assert (await second.discover()).find(thing.group, thing.version, thing.kind)
    assert await second.get(thing, "default", "one") == one
    assert (await second.list(POD)).items == pods
    assert await second.apply(CONFIG_MAP, config_map("default")) == settings
    await second.close()


async def test_versions_go_on_and_old_watches_are_gone(path: Path) -> None:
    first = SimulatedCluster(path)
    before = await first.apply(CONFIG_MAP, config_map("default"))
    await first.close()
    second = SimulatedCluster(path)
    with pytest.raises(Gone):
        await anext(second.watch(CONFIG_MAP, resource_version=before["metadata"]["resourceVersion"]))
    after = await second.apply(CONFIG_MAP, config_map("default", data={"a": "new"}))
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    await second.close()


async def test_owners_still_own_after_a_restart(path: Path) -> None:
    first = SimulatedCluster(path)
    owner = await first.apply(CONFIG_MAP, config_map("default", "owner"))
    await first.apply(CONFIG_MAP, config_map("default", "owned", ownerReferences=[reference(owner)]))
    await first.close()
    second = SimulatedCluster(path)
    await second.delete(CONFIG_MAP, "default", "owner", DeleteOptions(propagation="background"))
    assert await second.get(CONFIG_MAP, "default", "owned") is None
    await second.close()


async def test_a_rollout_goes_on_after_a_restart(path: Path) -> None:
    first = SimulatedCluster(path, rollout_seconds=3600)
    await first.apply(DEPLOYMENT, deployment("default", replicas=2))
    await first.close()
    second = SimulatedCluster(path, rollout_seconds=0.01)

    async def ready() -> int:
        obj = await second.get(DEPLOYMENT, "default", "web")
        return int(obj["status"].get("readyReplicas", 0)) if obj else 0

    await until(ready, lambda count: count == 2)
    await second.close()


async def test_changes_reach_the_disk_without_a_close(path: Path) -> None:
    cluster = SimulatedCluster(path)
    await cluster.apply(CONFIG_MAP, config_map("default"))

    async def saved() -> int:
        return await asyncio.to_thread(_count, path.with_name("copy.db"), path)

    # Another process has to look at a copy: the file is locked for the one that uses it.
    await until(saved, lambda count: count == 1)
    await cluster.close()


def _count(copy: Path, path: Path) -> int:
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
    connection = sqlite3.connect(copy)
    try:
        (count,) = connection.execute("SELECT count(*) FROM objects WHERE name='settings'").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return int(count)


async def test_a_cluster_nobody_used_is_kept_too(path: Path) -> None:
    first = SimulatedCluster(path)
    uid = first.select(GroupKind("", "Namespace"))[0]["metadata"]["uid"]
    await first.close()
    await first.close()
    second = SimulatedCluster(path)
    assert second.select(GroupKind("", "Namespace"))[0]["metadata"]["uid"] == uid
    await second.close()


async def test_only_its_user_can_read_it(path: Path) -> None:
    cluster = SimulatedCluster(path)
    assert mode_of(path) == 0o600
    await cluster.close()


async def test_a_second_process_is_kept_out(path: Path) -> None:
    first = SimulatedCluster(path)
    await first.apply(CONFIG_MAP, config_map("default"))
    with pytest.raises(StorageError, match="simulated"):
        SimulatedCluster(path)
    await first.close()


async def test_a_damaged_file_is_said_to_be_one(path: Path) -> None:
    _damage(path)
    with pytest.raises(StorageError, match="simulated"):
        SimulatedCluster(path)


def _damage(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)


async def test_a_file_of_another_version_is_left_alone(path: Path) -> None:
    await SimulatedCluster(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StorageError, match="version 99"):
        SimulatedCluster(path)


async def test_a_full_disk_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "FLUSH_SECONDS", 0.01)
    tried = 0
    save = persistence.Disk.save

    def fail_once(disk: persistence.Disk, version: int, changes: persistence.Changes) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise StorageError("the disk is full")
        save(disk, version, changes)

    monkeypatch.setattr(persistence.Disk, "save", fail_once)
    first = SimulatedCluster(path)
    await first.apply(CONFIG_MAP, config_map("default"))

    async def attempts() -> int:
        return tried

    await until(attempts, lambda count: count >= 2)
    await first.close()
    second = SimulatedCluster(path)
    assert second.find(KEY) is not None
    await second.close()
