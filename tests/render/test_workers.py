"""Render workers as what they are: processes that crash, hang, lie and are killed, and that see nothing of the hub."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.domain.application import Source
from hub.render import Renderer, RenderError, RendererSettings, RenderLimits, RenderRequest, SourceInput
from hub.render import pool as pool_module
from hub.render.model import MIB
from tests.render.conftest import URL, Kitchen, open_kitchen, request
from tests.render.traps import Trap
from tests.render.trees import config_map
from tests.source.waiting import until


@pytest.fixture
async def kitchen(tmp_path: Path) -> AsyncIterator[Kitchen]:
    settings = RendererSettings(workers=1, limits=RenderLimits(seconds=20))
    async with open_kitchen(tmp_path, settings) as kitchen:
        yield kitchen


def trap(name: str, argument: Any = None) -> RenderRequest:
    return RenderRequest((SourceInput(Source(URL, path="."), Trap(name, argument), "c0ffee"),), "trapped")


async def answer(kitchen: Kitchen, name: str, argument: Any = None) -> dict[str, Any]:
    rendered = await kitchen.render(trap(name, argument))
    (content,) = rendered.blobs.values()
    found: dict[str, Any] = json.loads(json.loads(content)["data"]["answer"])
    return found


async def works(kitchen: Kitchen) -> bool:
    return await kitchen.names({"a.yaml": config_map("a")}) == ["a"]


def left(root: Path, pattern: str) -> list[Path]:
    return list(root.glob(f"scratch/{pattern}"))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("name", "code", "message", "retryable"),
    [
        ("abort", "render-crashed", "the tool crashed", False),
        ("exit", "render-crashed", "the tool crashed", False),
        ("raise", "render-crashed", "the tool crashed", False),
        ("kill", "render-crashed", "more memory than it may have", True),
        ("broken_disk", "render-crashed", "could not render this: Input/output error", True),
    ],
)
async def test_one_that_dies_fails_its_render_and_no_other(
    kitchen: Kitchen, name: str, code: str, message: str, retryable: bool
) -> None:
    with pytest.raises(RenderError, match=message) as caught:
        await kitchen.render(trap(name))
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert await works(kitchen)


async def test_memory_is_limited(tmp_path: Path) -> None:
    settings = RendererSettings(workers=1, limits=RenderLimits(memory_bytes=500 * MIB))
    async with open_kitchen(tmp_path, settings) as kitchen:
        with pytest.raises(RenderError, match="bytes of memory") as caught:
            await kitchen.render(trap("eat_memory"))
        assert (caught.value.code, caught.value.retryable) == ("too-large", False)
        assert await works(kitchen)


async def test_last_words_are_in_the_log_and_not_in_the_message(
    kitchen: Kitchen, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RenderError) as caught:
        await kitchen.render(trap("raise"))
    assert "a bug of the worker's" in caplog.text
    assert "trapped" in caplog.text
    assert "bug" not in caught.value.message


async def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    settings = RendererSettings(workers=1, limits=RenderLimits(seconds=1))
    async with open_kitchen(tmp_path, settings) as kitchen:
        await works(kitchen)
        with pytest.raises(RenderError, match="longer than 1 s") as caught:
            await kitchen.render(trap("hang_with_child", tmp_path / "pids"))
        assert (caught.value.code, caught.value.retryable) == ("render-timeout", True)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert len(pids) == 2
        await until(lambda: not any(alive(pid) for pid in pids))
        assert await works(kitchen)


@pytest.mark.parametrize(
    "lie",
    [
        b"no reply at all, but quite long enough to be taken for the beginning of one",
        struct.pack("!IQ", 2**31, 0),
        struct.pack("!IQ", 2, 2**60) + b"{}",
        struct.pack("!IQ", 2, 0) + b"[]",
        struct.pack("!IQ", 2, 0) + b"}{",
        struct.pack("!IQ", 2, 0) + b"{}",
    ],
)
async def test_one_that_lies_is_not_believed(kitchen: Kitchen, lie: bytes) -> None:
    with pytest.raises(RenderError) as caught:
        await kitchen.render(trap("lie", lie))
    assert caught.value.code == "render-crashed"
    assert await works(kitchen)


async def test_what_tools_print_does_no_harm(kitchen: Kitchen) -> None:
    assert await answer(kitchen, "chatter") == {}
    assert await works(kitchen)


async def test_a_worker_sees_nothing_of_the_hub(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESCADRE_SECRET", "tops3cret")
    with socket.create_server(("127.0.0.1", 0)) as server, (tmp_path / "open").open("w"):
        # Started under these conditions.
        with pytest.raises(RenderError):
            await kitchen.render(trap("exit"))
        found = await answer(kitchen, "look_around", server.getsockname()[1])
    assert sorted(found["environment"]) == ["GOMAXPROCS", "HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR"]
    assert found["directory"] == found["environment"]["HOME"] == found["environment"]["TMPDIR"]
    assert set(found["interfaces"]) <= {"lo"}
    assert found["connects"] is False
    assert found["memory"] == RenderLimits().memory_bytes
    assert found["core"] == 0
    # Its own channel, its log and nothing.
    assert not [name for name in found["descriptors"] if not name.startswith(("pipe:", "/dev/null", "socket:"))]
    assert len(found["descriptors"]) <= 6


async def test_a_worker_cannot_open_what_is_hidden(tmp_path: Path) -> None:
    """Needs a kernel with Landlock (5.13), which the log tells; everything else works without."""
    data, mirrors = tmp_path / "data", tmp_path / "data/repositories"
    mirrors.mkdir(parents=True)
    for path in (data / "key", mirrors / "object", tmp_path / "beside"):
        path.write_text("x")
    settings = RendererSettings(workers=1, hidden=(data,), readable=(mirrors,))
    async with open_kitchen(data, settings) as kitchen:
        looked_at = (data / "key", data, mirrors, mirrors / "object", tmp_path / "beside", data / "scratch")
        found = await answer(kitchen, "open", looked_at)
        assert found == {
            str(data / "key"): ["read", "write"],
            str(data): ["read", "write"],
            str(mirrors): ["write"],
            str(mirrors / "object"): ["write"],
            str(tmp_path / "beside"): ["write"],
            str(data / "scratch"): ["read", "write"],
        }
        await answer(kitchen, "litter")
        chart = {"Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "templates/t.yaml": config_map("helm")}
        assert await kitchen.names(chart) == ["helm"]
        assert await kitchen.names({"kustomization.yaml": "resources: [a.yaml]", "a.yaml": config_map("a")}) == ["a"]


async def test_a_worker_imports_little(kitchen: Kitchen) -> None:
    modules = set((await answer(kitchen, "look_around", 1))["modules"])
    assert "hub.render.worker_process" not in modules
    for name in ("sqlalchemy", "sqlmodel", "fastapi", "pydantic", "grpc", "structlog", "cryptography", "hub.store"):
        assert name not in modules


async def test_what_a_worker_leaves_on_disk_is_removed(kitchen: Kitchen, tmp_path: Path) -> None:
    await answer(kitchen, "litter")
    assert left(tmp_path, "*/litter")
    with pytest.raises(RenderError):
        await kitchen.render(trap("kill"))
    await until(lambda: not left(tmp_path, "*/litter"))
    (tmp_path / "scratch/worker-of-a-killed-hub").mkdir()
    async with open_kitchen(tmp_path, RendererSettings(workers=1)):
        assert not (tmp_path / "scratch/worker-of-a-killed-hub").exists()


HUB = """
import asyncio, sys
from pathlib import Path
from hub.render import Renderer, RendererSettings
from tests.render.test_workers import trap

async def main():
    renderer = Renderer(Path(sys.argv[1]), RendererSettings(workers=1))
    await renderer.start()
    request = trap("hang", sys.argv[2])
    await renderer.render(request, await renderer.scan(request))

asyncio.run(main())
"""


async def test_workers_die_with_the_hub(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", HUB, str(tmp_path / "scratch"), str(pid_file))
    try:
        pid = int(await until(lambda: pid_file.exists() and pid_file.read_text()))
        assert alive(pid)
    finally:
        hub.kill()
        await hub.wait()
    await until(lambda: not alive(pid))


async def test_concurrent_renders_of_one_input_are_one_render(kitchen: Kitchen) -> None:
    given = request({"a.yaml": config_map("a")})
    scan = await kitchen.scan(given)
    rendered = await asyncio.gather(*(kitchen.renderer.render(given, scan) for _ in range(50)))
    assert kitchen.renderer.renders_total == 1
    assert all(one is rendered[0] for one in rendered)
    # Nothing is remembered: that is the store's.
    await kitchen.renderer.render(given, scan)
    assert kitchen.renderer.renders_total == 2


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(kitchen: Kitchen, tmp_path: Path) -> None:
    given = trap("wait_for", tmp_path / "go")
    scan = await kitchen.scan(given)
    impatient, patient = [asyncio.create_task(kitchen.renderer.render(given, scan)) for _ in range(2)]
    await until(lambda: kitchen.renderer.in_flight)
    impatient.cancel()
    (tmp_path / "go").touch()
    assert (await patient).blobs


async def test_failures_are_counted(kitchen: Kitchen) -> None:
    for _ in range(2):
        with pytest.raises(RenderError):
            await kitchen.render(trap("exit"))
    await works(kitchen)
    assert (kitchen.renderer.renders_total, kitchen.renderer.failures_total) == (3, 2)


async def test_slow_renders_do_not_hold_up_quick_ones(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE", 0.2)
    slow = asyncio.create_task(kitchen.render(trap("wait_for", tmp_path / "go")))
    async with asyncio.timeout(15):
        for _ in range(3):
            assert await works(kitchen)
    assert not slow.done()
    (tmp_path / "go").touch()
    assert (await slow).blobs
    # The worker too many is gone.
    await until(lambda: len(left(tmp_path, "worker-*")) == 1)


async def test_as_many_slow_ones_as_there_are_places_wait_for_one_another(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE", 0.05)
    slow = [asyncio.create_task(answer(kitchen, "wait_for", tmp_path / f"go{i}")) for i in range(3)]
    await until(lambda: len(left(tmp_path, "worker-*")) == 2)
    for i in range(3):
        (tmp_path / f"go{i}").touch()
    assert len({found["pid"] for found in await asyncio.gather(*slow)}) == 2


async def test_workers_are_replaced_before_they_grow_old(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_MAX_TASKS", 3)
    pids = {(await answer(kitchen, "look_around", i))["pid"] for i in range(8)}
    assert 3 <= len(pids) <= 5


async def test_a_large_hub_makes_no_worker_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process inherits from the one that started it is no measure of its own."""
    monkeypatch.setattr(pool_module, "_MAX_RSS", 150 * 1024 * 1024)
    large = b"\1" * (200 * 1024 * 1024)
    async with open_kitchen(tmp_path, RendererSettings(workers=1)) as kitchen:
        assert len({(await answer(kitchen, "look_around", i))["pid"] for i in range(3)}) == 1
    assert large


async def test_workers_that_have_nothing_to_do_end_and_come_back(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "REST_SECONDS", 0.05)
    pid = (await answer(kitchen, "look_around", 1))["pid"]
    await until(lambda: not alive(pid))
    monkeypatch.setattr(pool_module, "REST_SECONDS", 60.0)
    again = (await answer(kitchen, "look_around", 2))["pid"]
    assert again != pid
    assert (await answer(kitchen, "look_around", 3))["pid"] == again


async def test_one_that_came_for_another_rests_as_well(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer to start than the others had to wait for their end."""
    monkeypatch.setattr(pool_module, "REST_SECONDS", 0.01)
    monkeypatch.setattr(pool_module, "_MAX_TASKS", 1)
    assert await works(kitchen)
    pool = kitchen.renderer._pool
    assert pool is not None
    await until(lambda: not pool._starting and not pool._idle and not pool._ending)


async def test_closing_ends_renders_under_way(tmp_path: Path) -> None:
    renderer = Renderer(tmp_path / "scratch", RendererSettings(workers=1))
    await renderer.start()
    given = trap("hang", tmp_path / "pid")
    task = asyncio.create_task(renderer.render(given, await renderer.scan(given)))
    pid = int(await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    await renderer.close()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)
    with pytest.raises(RenderError) as caught:
        await renderer.render(given, await renderer.scan(given))
    assert caught.value.retryable


async def test_a_hub_that_cannot_start_workers_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.render.worker_process.sys.executable", "/bin/false")
    with pytest.raises(RenderError, match="do not start") as caught:
        await Renderer(tmp_path / "scratch", RendererSettings(workers=1)).start()
    assert caught.value.retryable
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_the_log_says_how_workers_are_isolated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with open_kitchen(tmp_path, RendererSettings(workers=1)):
        assert "network: none" in caplog.text
        assert "memory: 3,221,225,472 bytes" in caplog.text
        assert "files: the hub's own too" in caplog.text
        assert "helm" in caplog.text


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (RenderLimits(resources=3), "more than 3 resources"),
        (RenderLimits(resource_bytes=60), "at most 60 are taken"),
        (RenderLimits(output_bytes=200), "larger than 200 bytes"),
    ],
)
async def test_output_is_limited(tmp_path: Path, limits: RenderLimits, message: str) -> None:
    async with open_kitchen(tmp_path, RendererSettings(workers=1, limits=limits)) as kitchen:
        with pytest.raises(RenderError, match=message) as caught:
            await kitchen.names({f"f{i}.yaml": config_map(f"n{i}") for i in range(4)})
        assert (caught.value.code, caught.value.retryable) == ("too-large", False)


@pytest.mark.parametrize(
    "body",
    [
        '{{ define "l" }}{{ include "l" . }}{{ end }}{{ include "l" . }}',
        "{{ tpl .Values.again . }}",
        "{{ range $i := until 2000000000 }}x{{ end }}",
    ],
)
async def test_a_chart_that_loops_fails_alone(tmp_path: Path, body: str) -> None:
    # As little memory as a hub may be given: to fill more takes longer.
    limits = RenderLimits(seconds=4, memory_bytes=2048 * MIB)
    async with open_kitchen(tmp_path, RendererSettings(workers=1, limits=limits)) as kitchen:
        with pytest.raises(RenderError) as caught:
            await kitchen.names(
                {
                    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
                    "values.yaml": "again: '{{ tpl .Values.again . }}'\n",
                    "templates/t.yaml": body,
                }
            )
        assert caught.value.code in ("render-crashed", "render-timeout", "tool-failed", "too-large")
        assert await works(kitchen)


async def test_three_hundred_small_renders(tmp_path: Path) -> None:
    async with open_kitchen(tmp_path, RendererSettings(workers=2)) as kitchen:
        await works(kitchen)
        given = [request({"a.yaml": config_map(f"n{i}"), "b.yaml": config_map(f"m{i}")}) for i in range(300)]
        scans = [await kitchen.scan(one) for one in given]
        started = time.perf_counter()
        rendered = await asyncio.gather(*map(kitchen.renderer.render, given, scans))
        seconds = time.perf_counter() - started
    assert all(len(one.blobs) == 2 for one in rendered)
    assert seconds < 6, f"{seconds:.2f} s, on two idle processors 0.3"


async def test_signals_meant_for_the_hub_do_not_end_workers(kitchen: Kitchen) -> None:
    """Control-C goes to the whole foreground group; workers are in groups of their own."""
    pid = (await answer(kitchen, "look_around", 1))["pid"]
    assert os.getpgid(pid) == pid != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    with pytest.raises(RenderError):
        await kitchen.render(trap("nothing"))
    assert await works(kitchen)
