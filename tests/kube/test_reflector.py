"""Whatever becomes of lists and watches, the handler's view is that of the last full list and the changes since."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from agent.engine.resource import Object
from agent.kube import reflector
from agent.kube.client import DeleteOptions, EventType, Kind, KubeClient, ObjectList, WatchEvent
from agent.kube.cluster import ClusterClient
from agent.kube.errors import Forbidden, Gone, KindUnknown, KubeError, Throttled, Unreachable
from agent.kube.kubeconfig import load_kubeconfig
from agent.kube.reflector import Pace, Reflector
from tests.controlplane.cluster import ControlPlane
from tests.kube.serving import until

KIND = Kind("", "v1", "ConfigMap", "configmaps", True)
FAST = Pace(watch=300.0, first_pause=0.001, longest_pause=0.004, gone_pause=0.001, brief=0.0)


def obj(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def added(name: str, version: int) -> WatchEvent:
    return WatchEvent(EventType.ADDED, obj(name, version))


def bookmark(version: int) -> WatchEvent:
    return WatchEvent(EventType.BOOKMARK, {"metadata": {"resourceVersion": str(version)}})


def listed(version: int, *names: str) -> ObjectList:
    return ObjectList([obj(name, version) for name in names], str(version))


class Watched:
    """What one watch does: these events, then an error or a good end."""

    def __init__(self, *events: WatchEvent, error: KubeError | None = None) -> None:
        self.events = events
        self.error = error


class Script:
    """A client that answers list and watch with one step after another; after the last a watch hangs."""

    def __init__(self, *steps: ObjectList | Watched | KubeError) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []
        self.open = 0

    @property
    def ended(self) -> bool:
        return not self.steps

    async def list(self, kind: Kind, *, selector: str = "", **_: Any) -> ObjectList:
        assert (kind, selector) == (KIND, "a=b")
        self.asked.append("list")
        if not self.steps:
            await asyncio.Event().wait()
        step = self.steps.pop(0)
        if isinstance(step, KubeError):
            raise step
        assert isinstance(step, ObjectList), "a list was not expected here"
        return step

    async def watch(self, kind: Kind, *, resource_version: str, **_: Any) -> AsyncIterator[WatchEvent]:
        self.asked.append(f"watch {resource_version}")
        self.open += 1
        try:
            if not self.steps:
                await asyncio.Event().wait()
            step = self.steps.pop(0)
            if isinstance(step, KubeError):
                raise step
            assert isinstance(step, Watched), "a watch was not expected here"
            for event in step.events:
                yield event
            if step.error is not None:
                raise step.error
        finally:
            self.open -= 1


class View:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.replaced = 0
        self.gone = 0

    def on_replace(self, kind: Kind, items: list[Object]) -> None:
        self.names = {item["metadata"]["name"] for item in items}
        self.replaced += 1

    def on_event(self, kind: Kind, event: WatchEvent) -> None:
        assert event.type is not EventType.BOOKMARK
        change = self.names.discard if event.type is EventType.DELETED else self.names.add
        change(event.object["metadata"]["name"])

    def on_gone(self, kind: Kind) -> None:
        self.gone += 1


class Run:
    def __init__(self, script: Script, view: View, made: Reflector) -> None:
        self.script = script
        self.view = view
        self.reflector = made


@contextlib.asynccontextmanager
async def running(*steps: ObjectList | Watched | KubeError, pace: Pace = FAST) -> AsyncIterator[Run]:
    """Run a reflector until every step has been taken."""
    script, view = Script(*steps), View()
    made = Reflector(cast(KubeClient, script), KIND, "a=b", view, pace=pace)
    task = asyncio.create_task(made.run())
    try:
        await until(lambda: task.done() or (script.ended and script.open > 0))
        assert not task.done()
        yield Run(script, view, made)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert script.open == 0, "a cancelled reflector leaves its watch open"


async def test_lists_then_watches_from_there() -> None:
    async with running(listed(5, "a"), Watched(added("b", 6), added("c", 7))) as run:
        assert run.script.asked == ["list", "watch 5", "watch 7"]
        assert run.view.names == {"a", "b", "c"}
        assert run.reflector.synced
        assert run.reflector.last_error is None


async def test_a_bookmark_moves_the_version_and_is_no_event() -> None:
    async with running(listed(5), Watched(bookmark(9))) as run:
        assert run.script.asked == ["list", "watch 5", "watch 9"]


async def test_a_deletion_missed_by_a_watch_is_found_by_the_next_list() -> None:
    async with running(listed(5, "a", "b"), Watched(added("c", 6), error=Gone("too old")), listed(9, "b")) as run:
        assert run.script.asked == ["list", "watch 5", "list", "watch 9"]
        assert run.view.names == {"b"}
        assert run.reflector.synced


async def test_a_failed_list_replaces_nothing() -> None:
    steps = (listed(5, "a"), Gone("too old"), Unreachable("down"), Forbidden("no"), Unreachable("down"))
    async with running(*steps, listed(9, "a")) as run:
        assert run.view.replaced == 2
        assert run.script.asked == ["list", "watch 5", "list", "list", "list", "list", "watch 9"]


async def test_a_watch_that_fails_is_resumed_and_nothing_is_listed_again() -> None:
    steps = (
        listed(5, "a"),
        Watched(added("b", 6), error=Unreachable("cut")),
        Unreachable("down"),
        Watched(added("c", 8)),
    )
    async with running(*steps) as run:
        assert run.script.asked == ["list", "watch 5", "watch 6", "watch 6", "watch 8"]
        assert run.view.names == {"a", "b", "c"}
        assert run.view.replaced == 1


async def test_a_list_without_a_version_is_a_failure() -> None:
    async with running(ObjectList([], ""), listed(5, "a")) as run:
        assert run.script.asked == ["list", "list", "watch 5"]
        assert run.view.replaced == 1


async def test_a_watch_that_lasted_its_time_in_silence_lists_again() -> None:
    silent = Pace(watch=0.0, first_pause=0.001, longest_pause=0.004, gone_pause=0.001, brief=0.0)
    async with running(listed(5, "a"), Watched(), listed(3, "b"), Watched(bookmark(4)), pace=silent) as run:
        assert run.script.asked == ["list", "watch 5", "list", "watch 3", "watch 4"]
        assert run.view.names == {"b"}


async def test_a_watch_that_ends_early_in_silence_is_resumed() -> None:
    async with running(listed(5), Watched(), Watched()) as run:
        assert run.script.asked == ["list", "watch 5", "watch 5", "watch 5"]
        assert run.reflector.last_error is None


async def test_a_watch_that_ends_at_once_is_not_resumed_in_a_tight_loop() -> None:
    hasty = Pace(first_pause=0.001, longest_pause=0.004, brief=60.0)
    async with running(listed(5), Watched(), Watched(), pace=hasty) as run:
        assert isinstance(run.reflector.last_error, Unreachable)
        assert "nothing said" in str(run.reflector.last_error)
        assert run.reflector.synced


async def test_a_kind_that_is_not_served_is_told_once_until_it_is_back() -> None:
    unknown = KindUnknown("no such kind")
    steps = (unknown, unknown, listed(5, "a"), Watched(added("b", 6)), unknown, unknown, listed(9))
    async with running(*steps) as run:
        assert run.view.gone == 2
        assert run.view.replaced == 2
        assert run.script.asked == ["list"] * 3 + ["watch 5", "watch 6"] + ["list"] * 2 + ["watch 9"]


class Waits:
    """Takes the place of asyncio.sleep in the reflector, and of its jitter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        sleep = asyncio.sleep

        async def record(seconds: float) -> None:
            self.seconds.append(seconds)
            await sleep(0)

        monkeypatch.setattr(reflector, "_jittered", lambda seconds: seconds)
        monkeypatch.setattr(asyncio, "sleep", record)
        self.undo: Callable[[], None] = monkeypatch.undo


async def paces(monkeypatch: pytest.MonkeyPatch, *steps: ObjectList | Watched | KubeError) -> list[float]:
    """Return the pauses that a reflector with its ordinary pace makes between the steps."""
    script = Script(*steps)
    waits = Waits(monkeypatch)
    task = asyncio.create_task(Reflector(cast(KubeClient, script), KIND, "a=b", View()).run())
    loop = asyncio.get_running_loop()
    reached = loop.create_future()

    def look() -> None:
        if script.ended and script.open:
            reached.set_result(None)
        else:
            loop.call_later(0.001, look)

    look()
    await asyncio.wait_for(reached, 10)
    waits.undo()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return waits.seconds


async def test_pauses_double_up_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    down = Unreachable("down")
    assert await paces(monkeypatch, *[down] * 9, listed(5)) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_pauses_start_anew_after_something_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    down = Unreachable("down")
    steps = (listed(5), down, down, Watched(bookmark(6), error=down), down)
    assert await paces(monkeypatch, *steps) == [0.5, 1, 0.5, 1]


async def test_a_list_that_succeeds_does_not_hide_a_watch_that_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists cost the server most; one after each refused watch would be a storm."""
    gone = Gone("too old")
    steps = (listed(5), gone, listed(6), gone, listed(7), gone, listed(8), Watched(added("a", 9)), gone, listed(9))
    assert await paces(monkeypatch, *steps) == [0, 0.5, 1, 0]


async def test_throttling_waits_for_as_long_as_the_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await paces(monkeypatch, Throttled("slow", 7.0), Throttled("slow", 7.0), listed(5)) == [7.5, 8.0]


async def test_an_unknown_kind_is_asked_for_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = KindUnknown("no such kind")
    assert await paces(monkeypatch, unknown, unknown, listed(5)) == [30.0, 30.0]


def test_jitter_takes_off_half_at_most() -> None:
    drawn = [reflector._jittered(10.0) for _ in range(200)]
    assert 5.0 <= min(drawn) < max(drawn) <= 10.0


async def test_state_tells_what_is_wrong_and_since_when() -> None:
    script, view = Script(Unreachable("down")), View()
    made = Reflector(cast(KubeClient, script), KIND, "a=b", view, pace=FAST)
    started = made.since
    assert not made.synced
    task = asyncio.create_task(made.run())
    waiting = asyncio.create_task(made.wait_synced())
    await until(lambda: made.last_error is not None)
    assert not made.synced
    assert not waiting.done()
    assert started < made.since <= time.monotonic()
    script.steps.append(listed(5))
    task.cancel()
    task = asyncio.create_task(made.run())
    await asyncio.wait_for(waiting, 5)
    assert made.synced
    assert made.last_error is None
    task.cancel()


async def test_synced_ends_when_changes_are_lost_and_comes_back() -> None:
    states: list[tuple[bool, bool]] = []

    class Watching(View):
        def on_replace(self, kind: Kind, items: list[Object]) -> None:
            super().on_replace(kind, items)
            states.append((made.synced, made.last_error is None))

    script = Script(listed(5), Gone("too old"), listed(6))
    made = Reflector(cast(KubeClient, script), KIND, "a=b", Watching(), pace=FAST)
    task = asyncio.create_task(made.run())
    await until(lambda: script.ended and script.open > 0)
    assert states == [(False, True), (False, False)]
    assert made.synced
    task.cancel()


async def test_what_a_handler_raises_ends_the_reflector() -> None:
    class Broken(View):
        def on_event(self, kind: Kind, event: WatchEvent) -> None:
            raise ZeroDivisionError

    script = Script(listed(5), Watched(added("a", 6)))
    made = Reflector(cast(KubeClient, script), KIND, "a=b", Broken(), pace=FAST)
    with pytest.raises(ZeroDivisionError):
        await made.run()
    assert script.open == 0


@pytest.mark.controlplane
async def test_keeps_up_across_a_crash_of_the_api_server(tmp_path: Path) -> None:
    def config_map(name: str) -> Object:
        metadata = {"name": name, "namespace": "default", "labels": {"a": "b"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}

    plane = await asyncio.to_thread(ControlPlane.start, tmp_path)
    client = ClusterClient(load_kubeconfig(plane.kubeconfig_path))
    view = View()
    made = Reflector(client, KIND, "a=b", view, pace=Pace(first_pause=0.05, longest_pause=0.2))
    task = asyncio.create_task(made.run())
    try:
        await client.apply(KIND, config_map("before"))
        await until(lambda: view.names == {"before"})
        plane.kill_apiserver()
        await until(lambda: made.last_error is not None)
        assert isinstance(made.last_error, Unreachable)
        assert view.names == {"before"}
        await asyncio.to_thread(plane.restart_apiserver)
        await client.apply(KIND, config_map("after"))
        await client.delete(KIND, "default", "before", DeleteOptions("background"))
        await until(lambda: view.names == {"after"} and made.last_error is None)
        assert made.synced
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.close()
        await asyncio.to_thread(plane.stop)
