"""Disks that are really full, the hub's and the agent's: said where people look, harmless to what is deployed, and
recovered from by themselves once there is room."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import tempfile
import urllib.error
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.kube.simulated.control import SOCKET_NAME, control
from tests.faults.smalldisk import SmallDisk, small_disk
from tests.faults.waiting import until
from tests.fleet.kit import Repository, application
from tests.hub.program import Program, running
from tests.integration.agent_process import AgentProcess
from tests.syncer.harness import config_map

FULL = "disk is full"


def large(number: int) -> dict[str, Any]:
    """A manifest of half a megabyte that does not compress."""
    return config_map(f"large-{number}", {"k": base64.b64encode(os.urandom(384 * 1024)).decode()})


class Road:
    """A hub and an agent, each a process of its own, and either of them on a small disk."""

    def __init__(self, root: Path, *, hub_disk: SmallDisk | None = None, agent_disk: SmallDisk | None = None) -> None:
        self.repository = Repository(root / "repository")
        flags = (
            "--allow-file-repositories",
            str(root),
            "--poll-seconds",
            "1",
            "--poll-jitter-seconds",
            "0",
            "--heartbeat-seconds",
            "1",
        )
        data = hub_disk.path if hub_disk else root / "hub" / "data"
        data.parent.mkdir(exist_ok=True)
        self.hub = Program(data, *flags, before=hub_disk.deed if hub_disk else None)
        home = agent_disk.path.parent if agent_disk else root / "agent"
        self.agent = AgentProcess(home, prefix=agent_disk.prefix if agent_disk else ())
        self.agent_data = agent_disk.seen if agent_disk else self.agent.data
        self.token = ""
        self.words: tuple[str, ...] = ()
        """What the agent is started with."""
        self._root = root

    async def open(self) -> None:
        """Have k=1 on the cluster `prod`, and its agent connected as far as people are told."""
        await self.open_hub()
        await self.deliver()
        await self.told("Connected")

    async def open_hub(self) -> None:
        """Start the hub, and the agent with a token of `prod`."""
        self.hub.start()
        self.hub.wait_ready()
        self.token = self.hub.log_in()
        await self._start_agent()

    async def deliver(self) -> None:
        revision = self.write(config_map("settings", {"k": "1"}), config_map("kept", {"k": "1"}))
        self.call("/api/v1/objects/apply", application("web", self.repository.url, "web"))
        await self.synced(revision)

    async def _start_agent(self) -> None:
        joining = self.call("/api/v1/clusters", {"name": "prod"})
        token = self._root / "token"
        token.write_text(joining["token"])
        token.chmod(0o600)
        hub, gateway = (f"localhost:{port}" for port in (self.hub.port, self.hub.agent_port))
        self.words = ("--simulate", "--hub", hub, "--gateway", gateway)
        self.words += ("--ca-pin", joining["ca_pin"], "--token-file", str(token))
        self.agent.log.parent.mkdir(exist_ok=True)
        await self.agent.start(*self.words)

    async def close(self) -> None:
        await self.agent.kill()
        self.hub.kill()

    def write(self, *objects: dict[str, Any]) -> str:
        self.repository.write("web/all.yaml", *objects)
        return self.repository.commit()

    # --- the hub, as people ask it

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.hub.post(path, body, self.token)

    def get(self, path: str) -> dict[str, Any]:
        reply: dict[str, Any] = json.loads(self.hub.get(path, self.token))
        return reply

    def refused(self, path: str, body: dict[str, Any]) -> str:
        """What the hub says against a request; "" when it took it."""
        try:
            self.call(path, body)
        except urllib.error.HTTPError as error:
            with error:
                return str(json.loads(error.read())["error"]["message"])
        return ""

    def refresh(self) -> str:
        return self.refused("/api/v1/applications/web/refresh", {})

    async def synced(self, revision: str, timeout: float = 40) -> None:
        def there() -> bool:
            rows = self.get("/api/v1/applications/web")["clusters"]
            return [(r["sync"], revision.startswith(r["synced_revision"] or "-")) for r in rows] == [("Synced", True)]

        await until(there, f"{revision} to be synced", timeout)

    async def told(self, liveness: str) -> None:
        """Wait until people are told of the agent that it is Connected, or Unreachable."""

        def so() -> bool:
            return bool(self.get("/api/v1/clusters/prod")["liveness"] == liveness)

        await until(so, f"prod to be {liveness}")

    # --- the cluster

    def data(self, name: str) -> Any:
        command = {"command": "get", "kind": "ConfigMap", "namespace": "default", "name": name}
        found = control(self.agent_data / SOCKET_NAME, command)
        return found.get("data") if found else None

    def edit(self, name: str, value: str) -> None:
        """Change a ConfigMap by hand."""
        command = {"command": "edit", "kind": "ConfigMap", "namespace": "default", "name": name}
        control(self.agent_data / SOCKET_NAME, {**command, "patch": {"data": {"k": value}}})


def assert_sound(database: Path, copy: Path) -> None:
    """Look at a copy, log and all: SQLite itself would follow the disk's path to where the disk is not."""
    copy.mkdir(exist_ok=True)
    for file in database.parent.glob(f"{database.name}*"):
        (copy / file.name).write_bytes(file.read_bytes())
    with contextlib.closing(sqlite3.connect(copy / database.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    # Not below tmp_path: a socket's path has room for about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="escadre-") as directory, small_disk(Path(directory) / "data", 24) as disk:
        yield disk


@pytest.fixture
async def hub_road(tmp_path: Path, disk: SmallDisk) -> AsyncIterator[Road]:
    road = Road(tmp_path, hub_disk=disk)
    yield road
    await road.close()


@pytest.fixture
async def agent_road(tmp_path: Path, disk: SmallDisk) -> AsyncIterator[Road]:
    road = Road(tmp_path, agent_disk=disk)
    yield road
    await road.close()


# --- the hub's


async def test_a_hub_whose_disk_is_full_says_so_and_goes_on_once_there_is_room(
    hub_road: Road, disk: SmallDisk, tmp_path: Path
) -> None:
    road = hub_road
    await road.open()
    assert await road.agent.stop() == 0
    await road.told("Unreachable")
    disk.fill()
    # Its agent comes back, though that cannot be written down.
    await road.agent.start(*road.words)
    await until(lambda: "escadre_agents_connected 1" in road.hub.get("/metrics", road.token), "the agent to be back")
    revision = road.write(config_map("settings", {"k": "2"}), large(1), large(2))

    def said() -> bool:
        disk.fill()
        refusal = road.refresh()
        return FULL in refusal and FULL in road.hub.text() and FULL in road.hub.get("/readyz")

    await until(said, "the hub to say so")
    (condition,) = await until(lambda: road.get("/api/v1/applications/web")["conditions"], "the application to say so")
    assert FULL in condition["message"] and "nothing new is assigned" in condition["message"]
    assert "escadre_store_writable 0" in road.hub.get("/metrics", road.token)
    # It lives, its agent stays, and what is deployed is looked after.
    assert road.hub.running and road.hub.get("/healthz") == "ok\n"
    assert "escadre_agents_connected 1" in road.hub.get("/metrics", road.token)
    road.edit("settings", "hacked")
    await until(lambda: road.data("settings") == {"k": "1"}, "the healing")
    assert road.data("kept") == {"k": "1"}

    disk.make_room()
    await road.synced(revision)
    assert road.data("settings") == {"k": "2"} and road.data("kept") is None
    await until(lambda: road.hub.get("/readyz") == "ok\n", "all to be well")
    await until(lambda: road.get("/api/v1/applications/web")["conditions"] == [], "nothing to be said any more")
    await road.told("Connected")
    await until(lambda: road.get("/api/v1/applications/web/drifts")["items"], "what was seen meanwhile to be told")
    assert road.hub.terminate()[0] == 0 and "Traceback" not in road.hub.text()
    assert_sound(disk.seen / "escadre.db", tmp_path / "copy")


async def test_a_hub_is_not_started_on_a_full_disk_and_is_once_there_is_room(tmp_path: Path, disk: SmallDisk) -> None:
    program = Program(disk.path, before=disk.deed)
    for _ in ("before there is a database", "with one"):
        disk.fill()
        with running(program):
            assert program.wait() == 1
            last = program.text().splitlines()[-1]
            assert last.startswith("error: ") and FULL in last and "Traceback" not in program.text()
        disk.make_room()
        program.said.unlink()
        with running(program):
            program.wait_ready()
            assert program.log_in()
            assert program.terminate()[0] == 0
        assert_sound(disk.seen / "escadre.db", tmp_path / "copy")
        program.said.unlink()


# --- the agent's


async def test_an_agent_whose_disk_is_full_says_so_and_goes_on_once_there_is_room(
    agent_road: Road, disk: SmallDisk, tmp_path: Path
) -> None:
    road = agent_road
    await road.open()
    disk.fill()
    revision = road.write(config_map("settings", {"k": "2"}), large(1), large(2))
    assert road.refresh() == ""

    def said() -> bool:
        disk.fill()
        (row,) = road.get("/api/v1/applications/web")["clusters"]
        return FULL in row["refusal"] and FULL in road.agent.words()

    await until(said, "the hub to be told")
    # It lives and stays, and the cluster is kept as it is: nothing is pruned for want of a manifest.
    (row,) = road.get("/api/v1/applications/web")["clusters"]
    assert row["liveness"] == "Connected" and row["observed_generation"] < row["generation"]
    assert road.data("settings") == {"k": "1"} and road.data("kept") == {"k": "1"}
    # Healing takes notes on the disk first. That it cannot is told, too.
    road.edit("settings", "hacked")

    def told() -> bool:
        disk.fill()
        return FULL in json.dumps(road.get("/api/v1/applications/web")["clusters"][0]["conditions"])

    await until(told, "the hub to be told that nothing can be healed")
    assert road.get("/api/v1/applications/web")["clusters"][0]["liveness"] == "Connected"

    disk.make_room()
    await road.synced(revision)
    assert road.data("settings") == {"k": "2"} and road.data("kept") is None

    def silent() -> bool:
        (row,) = road.get("/api/v1/applications/web")["clusters"]
        return (row["refusal"], row["conditions"]) == ("", [])

    await until(silent, "nothing to be said any more")
    assert road.agent.words().count("connected to") == 1, "one stream all the time"
    assert await road.agent.stop() == 0 and "Traceback" not in road.agent.words()
    assert_sound(disk.seen / "agent.db", tmp_path / "copy")


async def test_an_agent_is_not_joined_on_a_full_disk_and_is_once_there_is_room(
    agent_road: Road, disk: SmallDisk, tmp_path: Path
) -> None:
    road = agent_road
    disk.fill()
    await road.open_hub()
    assert await road.agent.ended() == 1
    last = road.agent.words().splitlines()[-1]
    full = "No space left" in last or "disk is full" in last
    assert last.startswith("error: ") and full and "Traceback" not in road.agent.words(), last
    disk.make_room()
    await road.agent.start(*road.words)
    await road.deliver()
    assert await road.agent.stop() == 0
    disk.fill()
    road.agent.log.unlink()
    await road.agent.start(*road.words)
    assert await road.agent.ended() == 1
    last = road.agent.words().splitlines()[-1]
    assert last.startswith("error: ") and "full" in last and "Traceback" not in road.agent.words()
    disk.make_room()
    await road.agent.start(*road.words)
    await until(lambda: "connected to" in road.agent.words(), "it to be back")
    assert await road.agent.stop() == 0
    assert_sound(disk.seen / "agent.db", tmp_path / "copy")
