"""A hub put together from its parts: what a start that fails leaves behind, and what a replica is called."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from hub.access.accounts import ADMIN_NAME
from hub.config import Settings
from hub.errors import Conflict, HubError, Invalid, StoreUnavailable, Unavailable
from hub.server import Hub, host_of
from hub.store.sql import SqlStore
from tests.faults.waiting import until
from tests.store.builders import application


def hub(root: Path, *roles: str, **values: Any) -> Hub:
    given = {
        "data_dir": root / "data",
        "host": "127.0.0.1",
        "port": 0,
        "agent_port": 0,
        "roles": roles,
        "initial_password_file": root / "password",
    }
    return Hub(Settings.model_validate(given | values))


@pytest.mark.parametrize("role", ["api", "gateway"])
async def test_a_port_that_is_taken_is_named_and_nothing_is_left_open(tmp_path: Path, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HubError, match=str(port)) as caught:
            await hub(tmp_path, role, port=port, agent_port=port).start()
        assert isinstance(caught.value, Unavailable)
    again = hub(tmp_path, role, port=port, agent_port=port)
    await again.start()
    await again.stop()


async def test_two_hubs_do_not_share_a_data_directory(tmp_path: Path) -> None:
    first = hub(tmp_path, "gateway")
    await first.start()
    with pytest.raises(Conflict, match="another hub runs on the data directory"):
        await hub(tmp_path, "gateway").start()
    await first.stop()
    second = hub(tmp_path, "gateway")
    await second.start()
    await second.stop()


async def test_a_password_that_could_not_be_written_is_not_lost(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "password"
    with pytest.raises(Invalid, match=f"{nowhere} cannot be written"):
        await hub(tmp_path, "api", initial_password_file=nowhere).start()
    nowhere.parent.mkdir()
    again = hub(tmp_path, "api", initial_password_file=nowhere)
    await again.start()
    assert len(nowhere.read_text().strip()) >= 12
    assert await again.store.get_account(ADMIN_NAME) is not None
    await again.stop()


async def test_the_password_is_written_once(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        it = hub(tmp_path, "api")
        await it.start()
        await it.stop()
        written.append((tmp_path / "password").exists())
        (tmp_path / "password").unlink(missing_ok=True)
    assert written == [True, False]


@pytest.mark.parametrize("left", [None, "", "  \n"])
async def test_a_gateway_keeps_its_name_and_makes_one_where_none_was_written(tmp_path: Path, left: str | None) -> None:
    """A name that is empty says of a cluster that it is not connected."""
    if left is not None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "replica").write_text(left)
    names = []
    for _ in range(2):
        it = hub(tmp_path, "gateway")
        await it.start()
        names.append(it._replica)
        await it.stop()
    assert names[0] == names[1] != ""


async def test_a_replica_that_writes_nothing_by_itself_notices_that_it_could_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Connection) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr("hub.server.STORE_RETRY_SECONDS", 0.05)
    it = hub(tmp_path, "api")
    await it.start()
    with pytest.raises(StoreUnavailable):
        await it.store._database.write(refused)  # type: ignore[attr-defined]
    assert it.store.trouble() is not None
    async with asyncio.timeout(10):
        while it.store.trouble() is not None:
            await asyncio.sleep(0.02)
    await it.stop()


async def killed(it: Hub) -> None:
    """Leave a hub's lease as its death does: held, with a long time to go."""
    await it.start()
    holder = it._holder
    await it.stop()
    store = SqlStore(f"sqlite:///{it.settings.data_dir / 'escadre.db'}")
    await store.open()
    lease = store.lease("controller", holder, 3600.0)
    assert await lease.__aenter__()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await store.close()


async def test_a_hub_that_was_killed_takes_over_from_itself_at_once(tmp_path: Path) -> None:
    await killed(hub(tmp_path, "controller"))
    again = hub(tmp_path, "controller")
    await again.start()
    controller = again.controller
    assert controller is not None
    await again.store.put_application(application())
    await again.bus.publish("applications", "argocd/shop")
    await until(lambda: controller.looks, "the application to be looked at", timeout=10)
    await again.stop()


async def test_a_copied_data_directory_takes_over_nothing(tmp_path: Path) -> None:
    """Both have the name; the lock says only of its own directory that nobody is in there."""
    await killed(hub(tmp_path, "controller"))
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    copy = hub(tmp_path, "gateway", data_dir=tmp_path / "copy")
    await copy.start()
    assert copy._replica == (tmp_path / "data" / "replica").read_text()
    async with copy.store.lease("controller", copy._holder, 30.0) as held:
        assert not held
    await copy.stop()


async def test_a_key_file_of_another_database_is_told(tmp_path: Path) -> None:
    it = hub(tmp_path, "gateway")
    await it.start()
    await it.stop()
    (tmp_path / "data" / "secret.key").unlink()
    with pytest.raises(HubError, match="put the right key file back"):
        await hub(tmp_path, "gateway").start()


@pytest.mark.parametrize(
    ("address", "host"),
    [("hub.example.com:8443", "hub.example.com"), ("[::1]:8443", "::1"), ("hub", "hub"), ("", ""), ("::1", "::1")],
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_of(address) == host
