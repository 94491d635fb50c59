"""From an event about a push to the assignment, and how many questions a storm of them costs."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.api.webhooks.secrets import SETTING, sealed
from hub.domain.repo_name import repo_name
from hub.domain.webhook_secrets import GITLAB, WebhookSecrets
from hub.reconcile.pushes import SPACING_SECONDS, Pushes
from hub.source.repository import GitRequest
from hub.store.bus import InProcessBus
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import until
from tests.syncer.harness import config_map

STORM = 1000


class Pushed:
    """Pushes over a real bus, with questions that are counted."""

    def __init__(self, spacing: float) -> None:
        self.bus = InProcessBus()
        self.asked: list[list[str]] = []
        self.heard = asyncio.Event()
        self.pushes: Pushes[str] = Pushes(self.bus, self._find, self._ask, spacing=spacing)

    def _find(self, name: str) -> list[str]:
        return [f"https://{name}.git", f"git@{name}"] if name.startswith("known") else []

    def _ask(self, repositories: list[str]) -> None:
        self.asked.append(repositories)
        self.heard.set()

    async def __aenter__(self) -> Pushed:
        self._task = asyncio.create_task(self.pushes.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def next(self) -> list[str]:
        async with asyncio.timeout(10):
            await self.heard.wait()
        self.heard.clear()
        return self.asked[-1]


async def test_every_spelling_is_asked_and_nothing_else() -> None:
    async with Pushed(60) as pushed:
        await pushed.bus.publish("pushes", "unknown/shop")
        await pushed.bus.publish("pushes", "known/shop")
        assert await pushed.next() == ["https://known/shop.git", "git@known/shop"]
        assert len(pushed.asked) == 1


async def test_a_storm_is_asked_for_once_now_and_once_when_it_is_over() -> None:
    async with Pushed(0.5) as pushed:
        for _ in range(STORM):
            await pushed.bus.publish("pushes", "known/shop")
            await asyncio.sleep(0)
        await pushed.next()
        # Not forgotten: what came after the first question may not have been in its answer.
        await pushed.next()
        assert len(pushed.asked) == 2
        # And then it is quiet.
        assert pushed.pushes._wait() is None


async def test_one_repository_does_not_wait_for_another() -> None:
    async with Pushed(60) as pushed:
        await pushed.bus.publish("pushes", "known/shop")
        await pushed.next()
        await pushed.bus.publish("pushes", "known/shop")
        await pushed.bus.publish("pushes", "known/bar")
        assert await pushed.next() == ["https://known/bar.git", "git@known/bar"]


# --- with Git, the store and the API


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path, roles=("controller", "api"), poll_seconds=3600.0, initial_password_file=tmp_path / "admin")
    await fleet.start()
    yield fleet
    await fleet.stop()


def client(fleet: Fleet) -> httpx2.AsyncClient:
    authorities = fleet.hub.trust.enrolments.authorities()["authorities"]
    context = ssl.create_default_context(cadata="".join(authorities))
    return httpx2.AsyncClient(base_url=f"https://localhost:{fleet.hub.api_port}", verify=context, timeout=30)


async def test_a_storm_costs_a_few_questions_and_one_look(whole: Fleet, repository: Repository) -> None:
    asked: list[GitRequest] = []
    for name in ("web", "other"):
        repository.write(f"{name}/all.yaml", config_map(f"{name}-first"))
    repository.commit()
    await whole.add_cluster("one", {"region": "eu"})
    await whole.apply(*(application(name, repository.url, name) for name in ("web", "other")))
    for name in ("web", "other"):
        await until(whole, name, lambda a: len(a) == 1)
    secrets = WebhookSecrets({GITLAB: "shared"})
    await whole.hub.store.put_setting(SETTING, sealed(secrets, whole.hub.trust.box))
    controller = whole.hub.controller
    assert controller is not None

    async def idle() -> bool:
        return not (controller._busy or controller._ready or controller._polls)

    await answered(idle, "the controller to be at rest")
    whole.hub._git_observer = asked.append
    looks = controller.looks
    repository.write("web/all.yaml", config_map("web-second"))
    commit = repository.commit()
    payload = {"object_kind": "push", "ref": "refs/heads/another", "project": {"git_http_url": repository.url}}
    headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "shared", "Content-Type": "application/json"}
    began = asyncio.get_running_loop().time()
    async with client(whole) as http:

        async def some() -> None:
            for _ in range(STORM // 8):
                reply = await http.post("/api/webhook", content=json.dumps(payload), headers=headers)
                assert (reply.status_code, reply.json()["outcome"]) == (200, "asked")

        await asyncio.gather(*(some() for _ in range(8)))
    found = await until(whole, "web", lambda a: a["one"].content.revision.sources[0].revision == commit)
    assert len(found) == 1
    seconds = asyncio.get_running_loop().time() - began
    questions = [request for request in asked if request.kind == "ls-remote"]
    assert 1 <= len(questions) <= seconds / SPACING_SECONDS + 2
    assert len([request for request in asked if request.kind == "fetch"]) == 1
    await answered(idle, "the controller to be at rest")
    assert controller.looks == looks + 1


async def test_what_an_event_says_of_a_repository_that_nobody_reads(fleet: Fleet, repository: Repository) -> None:
    asked: list[Any] = []
    fleet.hub._git_observer = asked.append
    name = repo_name(repository.url)
    await fleet.hub.bus.publish("pushes", name)
    await fleet.hub.bus.publish("pushes", "")
    repository.write("web/all.yaml", config_map("web"))
    repository.commit()
    await fleet.add_cluster("one", {"region": "eu"})
    await fleet.apply(application("web", repository.url, "web"))
    await until(fleet, "web", lambda a: len(a) == 1)
    assert len([request for request in asked if request.kind == "ls-remote"]) == 1
