"""System-wide settings on their way: the newest ones reach every agent, whatever it held and whenever they change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from escadre.v1 import agent_pb2 as pb
from hub.domain.cluster import Cluster
from hub.domain.manifest import digest_of
from hub.domain.settings import NO_SETTINGS_DIGEST, SETTING, SystemSettings
from hub.errors import StoreUnavailable
from hub.fleet import settings as module
from hub.fleet.registry import Registry
from hub.fleet.settings import SettingsFeed
from hub.server import Hub
from hub.store.bus import InProcessBus
from tests.faults.waiting import until
from tests.fleet.handmade import Clients, enrol
from tests.fleet.kit import Fleet, Repository, application
from tests.fleet.parts import kinds, running, sent, session, watched
from tests.syncer.harness import config_map

PARIS = Cluster("u1", "paris", server="https://10.0.0.1:6443")


async def set_(hub: Any, **data: str) -> SystemSettings:
    """Set what is given by keys whose dots are written as two underscores, as the API does."""
    settings = SystemSettings({key.replace("__", "."): text for key, text in data.items()}, datetime.now(UTC), "ada")
    await hub.store.put_setting(SETTING, settings.encode())
    await hub.bus.publish("settings")
    return settings


def held(settings: SystemSettings) -> bytes:
    return bytes.fromhex(digest_of(settings.content()))


async def test_an_agent_that_holds_other_settings_is_sent_those_in_force(hub: Hub, clients: Clients) -> None:
    settings = await set_(hub, resource__exclusions="[]")
    client = clients.dial(await enrol(hub, "paris"))
    await client.hello(capabilities=pb.Capabilities(server="https://10.0.0.1:6443"))
    message = await client.until("settings")
    assert json.loads(message.content) == settings.data and message.digest == held(settings)
    assert list(message.cluster_names) == ["paris", "https://10.0.0.1:6443"]
    changed = await set_(hub, resource__exclusions="- kinds: [Secret]")
    assert (await client.until("settings")).digest == held(changed), "while it is connected"
    await set_(hub)
    assert (await client.until("settings")).content == b"{}", "back to the default ones"


async def test_an_agent_that_holds_them_is_sent_nothing(hub: Hub, clients: Clients) -> None:
    nothing = await clients.join("oslo")
    settings = await set_(hub, resource__exclusions="[]")
    assert (await nothing.until("settings")).digest == held(settings), "it held the default ones, unsaid"
    client = await clients.join("paris", settings_digest=held(settings))
    changed = await set_(hub, resource__exclusions="- kinds: [Secret]")
    assert (await client.until("settings")).digest == held(changed)
    assert [m.WhichOneof("body") for m in client.heard].count("settings") == 1


@pytest.fixture
def registry() -> Registry:
    return Registry()


class Shelf:
    """The one method of the store that is needed."""

    def __init__(self) -> None:
        self.settings = SystemSettings()

    async def get_setting(self, key: str) -> str:
        return self.settings.encode()


async def test_only_the_newest_waits_in_the_mailbox(registry: Registry) -> None:
    shelf = Shelf()
    feed = SettingsFeed(watched(shelf), InProcessBus(), registry)  # type: ignore[arg-type]
    agent = session()
    registry.add(agent)
    feed.greet(agent, pb.Hello(settings_digest=bytes.fromhex(NO_SETTINGS_DIGEST)), PARIS)
    for text in "one", "two":
        shelf.settings = SystemSettings({"resource.exclusions": text})
        await feed.start()
        for each in registry:
            feed._tell(each)
    messages = await sent(agent)
    assert kinds(messages) == ["settings"] and json.loads(messages[0].settings.content) == shelf.settings.data


async def test_a_lost_message_and_a_store_that_is_away_cost_time_only(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    shelf = Shelf()
    store = watched(shelf)  # type: ignore[arg-type]
    feed = SettingsFeed(store, InProcessBus(), registry)
    agent, stranger = session(), session("u2")
    registry.add(agent)
    registry.add(stranger)
    feed.greet(agent, pb.Hello(), PARIS)
    store.failures["get_setting"] = [StoreUnavailable("away")]
    shelf.settings = SystemSettings({"resource.exclusions": "[]"})
    async with running(feed.run()):
        await until(lambda: "settings" in agent._control, "the settings")
    assert "settings" not in stranger._control, "one that was not greeted yet is told in its greeting"


async def test_from_the_hub_to_the_cluster_and_back(fleet: Fleet, repository: Repository) -> None:
    repository.write("app/one.yaml", config_map("one"))
    repository.commit()
    await fleet.add_agent("paris")
    await fleet.apply(application("shop", repository.url, "app"))
    await fleet.synced("shop", 1)
    await set_(fleet.hub, resource__customizations__health__ConfigMap="'Suspended'")
    await fleet.wait("shop", lambda found: found["paris"].health == "Suspended")
    await fleet.stop_agent("paris")
    await set_(fleet.hub, resource__customizations__health__ConfigMap="'Degraded'")
    fleet.start_agent("paris")
    await fleet.wait("shop", lambda found: found["paris"].health == "Degraded")
    agent = fleet.agents["paris"][0]
    assert agent.syncer.settings.current.filter.clusters == ("paris",)
