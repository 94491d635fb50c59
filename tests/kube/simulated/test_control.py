"""A second process can reach into a running simulated cluster, and cannot harm it with nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.resource import ResourceKey
from agent.errors import StorageError
from agent.kube.errors import Gone, Unreachable
from agent.kube.simulated import SimulatedCluster
from agent.kube.simulated.control import (
    COMMANDS,
    MAX_REQUEST,
    SOCKET_NAME,
    ControlError,
    ControlServer,
    answer,
    control,
)
from tests.kube.manifests import CONFIG_MAP, config_map

NAMED = {"kind": "ConfigMap", "namespace": "default", "name": "settings"}
KEY = ResourceKey("", "ConfigMap", "default", "settings")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
async def path(cluster: SimulatedCluster, tmp_path: Path) -> AsyncIterator[Path]:
    await cluster.apply(CONFIG_MAP, config_map("default", labels={"app": "shop"}))
    server = await ControlServer.start(cluster, tmp_path / SOCKET_NAME)
    yield tmp_path / SOCKET_NAME
    await server.close()


async def send(path: Path, **command: Any) -> Any:
    return await asyncio.to_thread(control, path, command)


async def test_reads(cluster: SimulatedCluster, path: Path) -> None:
    assert await send(path, command="get", **NAMED) == cluster.find(KEY)
    assert await send(path, command="get", **{**NAMED, "name": "nothing"}) is None
    listed = await send(path, command="list", kind="ConfigMap", selector="app=shop")
    assert listed == [cluster.find(KEY)]
    assert await send(path, command="list", kind="ConfigMap", namespace="kube-system") == []


async def test_edits(cluster: SimulatedCluster, path: Path) -> None:
    edited = await send(path, command="edit", **NAMED, patch={"data": {"a": "by hand"}})
    assert edited["data"]["a"] == "by hand"
    found = cluster.find(KEY)
    assert found == edited
    assert {entry["manager"] for entry in edited["metadata"]["managedFields"]} == {"escadre-agent", "kubectl-edit"}


async def test_deletes(cluster: SimulatedCluster, path: Path) -> None:
    assert await send(path, command="delete", **NAMED) is True
    assert await send(path, command="delete", **NAMED) is False
    assert cluster.find(KEY) is None


async def test_makes_trouble_and_ends_it(cluster: SimulatedCluster, path: Path) -> None:
    await send(path, command="faults", down=True)
    with pytest.raises(Unreachable):
        await cluster.list(CONFIG_MAP)
    assert await send(path, command="get", **NAMED) is not None
    await send(path, command="faults")
    version = (await cluster.list(CONFIG_MAP)).resource_version
    await send(path, command="faults", expire_watches=True)
    with pytest.raises(Gone):
        await anext(cluster.watch(CONFIG_MAP, resource_version=version))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ({}, "the command is one of"),
        ({"command": "format"}, "the command is one of"),
        ({"command": "get"}, "kind"),
        ({"command": "get", "kind": 5, "name": "x"}, "kind"),
        ({"command": "list", "kind": "Nothing"}, "Nothing"),
        ({"command": "list", "kind": "ConfigMap", "selector": "a in ("}, "selector"),
        ({"command": "edit", **NAMED}, "patch"),
        ({"command": "edit", **NAMED, "patch": []}, "patch"),
        ({"command": "edit", **NAMED, "patch": {"data": {"a": 5}}}, "string"),
        ({"command": "edit", **NAMED, "name": "nothing", "patch": {"data": {}}}, "not found"),
        ({"command": "faults", "error_rate": 2}, "error_rate"),
        ({"command": "faults", "latency_seconds": "long"}, "latency_seconds"),
        ({"command": "faults", "reject": "all"}, "reject"),
    ],
)
async def test_says_what_is_wrong_with_a_command(path: Path, command: dict[str, Any], why: str) -> None:
    with pytest.raises(ControlError, match=why):
        await send(path, **command)
    assert await send(path, command="get", **NAMED) is not None


async def test_several_commands_on_one_connection(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    for _ in range(3):
        writer.write(b'{"command": "nonsense"}\nnot JSON\n')
        assert b'"ok":false' in await reader.readline()
        assert b"no JSON" in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_command_too_long_ends_the_connection(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 16)
    writer.write(b"x" * (MAX_REQUEST + 100_000))
    assert b"at most" in await reader.readline()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
    with pytest.raises(ControlError, match="at most"):
        await send(path, command="edit", **NAMED, patch={"data": {"a": "x" * MAX_REQUEST}})


async def test_too_many_connections_are_turned_away(path: Path) -> None:
    pairs = [await asyncio.open_unix_connection(path) for _ in range(12)]
    for _, writer in pairs:
        writer.write(b"{}\n")
    answers = await asyncio.gather(*(reader.read(1) for reader, _ in pairs), return_exceptions=True)
    assert answers.count(b"{") == 8
    for _, writer in pairs:
        writer.close()


async def test_only_its_user_can_connect(path: Path) -> None:
    assert mode_of(path) == 0o600


async def test_a_socket_left_over_is_taken_over(cluster: SimulatedCluster, tmp_path: Path) -> None:
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    server = await ControlServer.start(cluster, stale)
    assert await send(stale, command="list", kind="ConfigMap") == []
    await server.close()
    await server.close()
    assert not stale.exists()


async def test_a_file_in_the_way_is_left_alone(cluster: SimulatedCluster, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    with pytest.raises(StorageError, match="precious"):
        await ControlServer.start(cluster, precious)
    assert precious.read_text() == "keep me"


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot reach"):
        await send(tmp_path / "nothing.sock", command="get")


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=4,
)
fields = st.sampled_from(["group", "kind", "namespace", "name", "patch", "selector", "error_rate", "reject", "forbid"])


@given(st.sampled_from(sorted(COMMANDS)), st.dictionaries(fields, values, max_size=5))
def test_no_command_breaks_the_server(name: str, more: dict[str, Any]) -> None:
    async def run() -> None:
        cluster = SimulatedCluster()
        await cluster.apply(CONFIG_MAP, config_map("default"))
        for rest in (more, {**NAMED, **more}):
            reply = await answer(cluster, orjson.dumps({"command": name, **rest}))
            assert reply["ok"] or reply["error"]
        await cluster.close()

    asyncio.run(run())


@given(st.binary(max_size=40))
def test_no_line_breaks_the_server(line: bytes) -> None:
    reply = asyncio.run(answer(SimulatedCluster(), line))
    assert reply["ok"] is False and reply["error"]
