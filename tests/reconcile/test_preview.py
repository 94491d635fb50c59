"""What an application would be, by the rules of an assignment, and assigned nowhere."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from hub.domain.manifest import ManifestSet, digest_of
from hub.errors import HubError
from hub.fleet.post import Post
from hub.fleet.previews import Preview, Wish, ask_preview
from hub.reconcile import preview as module
from hub.store.bus import InProcessBus
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import settled, until
from tests.source.test_packed import packed
from tests.syncer.cluster import until as until_true
from tests.syncer.harness import config_map

APP = "argocd/web"


@pytest.fixture(autouse=True)
async def renders(fleet: Fleet) -> None:
    """Whoever renders is there: what is asked before that is not heard."""
    bus = fleet.hub.bus
    assert isinstance(bus, InProcessBus)

    async def listens() -> bool:
        return any("previews" in subscription.topics for subscription in bus._subscriptions)

    await until_true(listens, bool)


async def ask(fleet: Fleet, **wish: Any) -> Preview:
    return await ask_preview(Post(fleet.hub.store, fleet.hub.bus), Wish(APP, **wish))


async def names(fleet: Fleet, preview: Preview) -> list[str]:
    (ref,) = set(preview.sets.values())
    content = (await fleet.hub.store.get_blobs([ref.digest]))[ref.digest]
    return [entry.key.name for entry in ManifestSet.decode(content).entries]


async def test_another_revision_is_rendered_and_signed_and_assigned_nowhere(
    fleet: Fleet, repository: Repository
) -> None:
    before = await settled(fleet, repository, config_map("a"))
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("web/all.yaml", config_map("b"))
    commit = repository.commit()
    preview = await ask(fleet, revision="feature")
    assert (await names(fleet, preview), preview.revision, preview.troubles) == (["b"], commit[:7], {})
    (ref,) = preview.sets.values()
    assert ref.signature and ref.resources == 1
    after = (await until(fleet, "web", lambda a: len(a) == 1))["one"]
    assert (after.digest, after.generation) == (before.digest, before.generation)


async def test_a_branch_is_read_as_it_is_now_and_where_the_server_is_away_as_it_was(
    fleet: Fleet, repository: Repository
) -> None:
    await settled(fleet, repository, config_map("a"))
    repository.write("web/all.yaml", config_map("pushed"))
    repository.commit()
    assert await names(fleet, await ask(fleet, revision="main")) == ["pushed"]
    repository.path.rename(repository.path.with_name("elsewhere"))
    assert await names(fleet, await ask(fleet, revision="main")) == ["pushed"]


async def test_files_stand_in_for_the_repository_and_are_remembered_under_no_key(
    fleet: Fleet, repository: Repository
) -> None:
    await settled(fleet, repository, config_map("a"))
    content = packed({"all.yaml": yaml.safe_dump(config_map("local")).encode()})
    await fleet.hub.store.put_blobs({digest_of(content): content})
    assert fleet.hub.renderer is not None
    renders = fleet.hub.renderer.renders_total
    for expected in (1, 2):
        assert await names(fleet, await ask(fleet, upload=digest_of(content))) == ["local"]
        assert fleet.hub.renderer.renders_total == renders + expected
    same = packed({"all.yaml": (repository.path / "web/all.yaml").read_bytes()})
    await fleet.hub.store.put_blobs({digest_of(same): same})
    assert await names(fleet, await ask(fleet, upload=digest_of(same))) == ["a"]
    assert fleet.hub.renderer.renders_total == renders + 2, "what Git says already costs no render"


async def test_the_project_has_its_say(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    project = await fleet.hub.store.get_project("default")
    assert project is not None
    await fleet.hub.store.put_project(replace(project, source_repos=("https://git.example/*",)))
    preview = await ask(fleet, revision="main")
    (trouble,) = preview.troubles.values()
    assert (trouble.code, preview.sets) == ("not-permitted", {})


@pytest.mark.parametrize("revision", ["nowhere", "-x"])
async def test_what_cannot_be_rendered_is_told_of_its_clusters(
    fleet: Fleet, repository: Repository, revision: str
) -> None:
    await settled(fleet, repository, config_map("a"))
    (trouble,) = (await ask(fleet, revision=revision)).troubles.values()
    assert trouble.code == "not-rendered" and revision in trouble.message


async def test_of_several_sources_nobody_says_which(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    sources = [{"repoURL": repository.url, "path": "web"}, {"repoURL": repository.url, "path": "."}]
    app = application("web", repository.url, "web", sources=sources)
    del app["spec"]["source"]
    await fleet.apply(app)
    for wish in ({"revision": "main"}, {"upload": "00"}):
        with pytest.raises(HubError) as refused:
            await ask(fleet, **wish)
        assert (refused.value.code, "2 sources" in refused.value.message) == ("invalid", True)


async def test_files_that_are_none(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    await fleet.hub.store.put_blobs({digest_of(b"nonsense"): b"nonsense"})
    for upload, code in ((digest_of(b"nonsense"), "invalid"), ("00", "not-found")):
        with pytest.raises(HubError) as refused:
            await ask(fleet, upload=upload)
        assert refused.value.code == code


async def test_an_application_that_is_not_there(fleet: Fleet) -> None:
    with pytest.raises(HubError) as refused:
        await ask(fleet, revision="main")
    assert refused.value.code == "not-found"


async def test_more_than_wait_at_once_are_told_to_come_back(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 0)
    with pytest.raises(HubError) as refused:
        await ask(fleet, revision="main")
    assert refused.value.code == "busy"


async def test_a_wish_of_a_newer_hub_is_refused_and_the_next_one_heard(fleet: Fleet) -> None:
    async with fleet.hub.bus.subscribe("answers") as subscription:
        await fleet.hub.bus.publish("previews", json.dumps({"id": "q", "application": APP, "moon": "full"}))
        async with asyncio.timeout(5):
            [(_, answer)] = await subscription.next()
    assert answer.startswith("q !")
    with pytest.raises(HubError):
        await ask(fleet, revision="main")
