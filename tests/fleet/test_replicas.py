"""The roles apart, on one PostgreSQL: nothing depends on which replica is asked, and any of them may go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.config import Settings
from hub.domain.cluster import Connection, Liveness
from hub.errors import HubError
from hub.fleet import dispatch, liveness
from hub.fleet.desk import Desk, Question
from hub.pki.secretbox import KeyFileError
from hub.server import Hub
from hub.store.postgres_bus import PostgresBus
from tests.faults.waiting import answered, until
from tests.fleet.kit import Repository, application
from tests.fleet.replicas import Replicas, replicas_at
from tests.syncer.harness import config_map

pytestmark = pytest.mark.postgres


@pytest.fixture
async def fleet(tmp_path: Path, postgres_url: str) -> AsyncIterator[Replicas]:
    url = postgres_url.replace("postgresql:", "postgresql+psycopg:")
    async with replicas_at(tmp_path, url) as replicas:
        replicas.url = postgres_url
        yield replicas


@pytest.fixture
async def web(fleet: Replicas, repository: Repository) -> Repository:
    """The application web, on a cluster of each gateway."""
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    await fleet.join("paris", "g1")
    await fleet.join("oslo", "g2")
    await fleet.apply(application("web", repository.url, "web"))
    await fleet.synced("web", 2, timeout=40)
    return repository


async def arrives(fleet: Replicas, repository: Repository, value: str, clusters: int = 2) -> None:
    """Commit, and wait until every cluster reports it."""
    repository.write("web/all.yaml", config_map("settings", {"k": value}))
    revision = repository.commit(f"k={value}")
    await fleet.refresh("web")

    def all_at(found: dict[str, Any]) -> bool:
        done = [s for s in found.values() if s.synced_revision and s.synced_revision.sources[0].revision == revision]
        return len(done) == clusters

    await fleet.wait("web", all_at, timeout=60)


async def uid_of(fleet: Replicas, name: str) -> str:
    found = await fleet.hub.store.find_cluster(name)
    assert found is not None
    return found.uid


async def held_by_two(fleet: Replicas) -> bool:
    names = {c.connection.replica for c in await fleet.hub.store.list_clusters()}
    return len(names - {""}) == 2


async def connected(fleet: Replicas, uid: str) -> bool:
    found = await fleet.hub.store.get_cluster(uid)
    return found is not None and found.connection.liveness is Liveness.CONNECTED


async def test_what_is_applied_at_one_replica_reaches_agents_at_every_gateway(fleet: Replicas, web: Repository) -> None:
    paris, oslo = await uid_of(fleet, "paris"), await uid_of(fleet, "oslo")
    assert (fleet.gateway_of(paris), fleet.gateway_of(oslo)) == ({"g1"}, {"g2"})
    await answered(lambda: held_by_two(fleet), "who holds whom to be in the store")
    await arrives(fleet, web, "2")


async def test_questions_find_the_gateway_that_holds_the_agent(fleet: Replicas, web: Repository) -> None:
    desk = Desk(fleet.hub.store, fleet.hub.bus, None)
    for name in ("paris", "oslo"):
        question = Question(await uid_of(fleet, name), "argocd/web", "diff", {}, seconds=20)
        assert "resources" in json.loads(await desk.ask(question))


async def test_revocation_drops_the_stream_at_whichever_gateway(fleet: Replicas, web: Repository) -> None:
    paris, oslo = await uid_of(fleet, "paris"), await uid_of(fleet, "oslo")
    for uid in (oslo, paris):
        await fleet.hub.trust.revocations.revoke(uid)
        await until(lambda: not fleet.gateway_of(uid), "the stream to end", timeout=5)  # noqa: B023 - read at once
    tried = {name: agent.link for name, (agent, _, _) in fleet.agents.items()}
    assert set(tried) == {"paris", "oslo"}
    events = await answered(lambda: fleet.events("ConnectionRefused"), "them to be refused when they come back")
    assert "revoked" in events[0].message


async def test_another_controller_takes_over_when_the_leader_is_gone(
    fleet: Replicas, web: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leader() -> list[str]:
        return [name for name, c in fleet.controllers.items() if c.controller is not None and c.controller.looks]

    (first,) = leader()
    (second,) = set(fleet.controllers) - {first}
    await fleet.remove(first)
    await arrives(fleet, web, "2")
    assert leader() == [second]
    # And back, to one that was the leader before and knows the past only.
    await fleet.add(first, "controller")
    await fleet.remove(second)
    await arrives(fleet, web, "3")


async def test_an_agent_may_come_back_to_another_gateway(fleet: Replicas, web: Repository) -> None:
    paris = await uid_of(fleet, "paris")
    await fleet.stop_agent("paris")
    fleet.gateways["paris"] = f"localhost:{fleet.gateways_up['g2'].agent_port}"
    fleet.start_agent("paris")
    await until(lambda: fleet.gateway_of(paris) == {"g2"}, "it to be at the other")
    await arrives(fleet, web, "2")
    await answered(lambda: connected(fleet, paris), "the connection in the store")


async def test_agents_of_a_gateway_that_stops_go_on_at_another(fleet: Replicas, web: Repository) -> None:
    await fleet.remove("g1")
    await fleet.stop_agent("paris")
    fleet.gateways["paris"] = f"localhost:{fleet.gateways_up['g2'].agent_port}"
    fleet.start_agent("paris")
    await arrives(fleet, web, "2")


async def test_a_bus_that_is_cut_again_and_again_loses_nothing(fleet: Replicas, web: Repository) -> None:
    for value in ("2", "3", "4"):
        assert fleet.cut_listeners()
        await arrives(fleet, web, value)


async def test_a_notification_that_is_lost_costs_a_poll_interval(
    fleet: Replicas, web: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any) -> None:
        return

    monkeypatch.setattr(dispatch, "POLL_SECONDS", 1.0)
    monkeypatch.setattr(PostgresBus, "publish", lost)
    began = asyncio.get_running_loop().time()
    await arrives(fleet, web, "2")
    assert asyncio.get_running_loop().time() - began < 20


async def test_a_replica_with_another_key_says_so_and_does_not_start(fleet: Replicas, tmp_path: Path) -> None:
    url = fleet.url.replace("postgresql:", "postgresql+psycopg:")
    values = fleet.settings_of("stranger", "gateway", secret_key_file=None, database_url=url)
    with pytest.raises(KeyFileError) as caught:
        await Hub(Settings.model_validate(values)).start()
    assert f"the key file {tmp_path / 'stranger' / 'secret.key'} holds key" in str(caught.value)
    assert isinstance(caught.value, HubError) and "put the right key file back" in caught.value.message


async def test_agents_of_a_gateway_that_died_for_good_are_unreachable(
    fleet: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SEEN_SECONDS", 0.0)
    cluster = await fleet.add_cluster("paris")
    seen = datetime.now(UTC) - timedelta(seconds=liveness.SILENT_SECONDS + 1)
    gone = Connection(replica="died", session="s", changed_at=seen, last_seen_at=seen)
    await fleet.hub.store.put_connections({cluster.uid: gone})

    async def unreachable() -> bool:
        found = await fleet.hub.store.get_cluster(cluster.uid)
        return found is not None and found.connection.liveness is Liveness.UNREACHABLE

    await answered(unreachable, "another gateway to notice", timeout=10)
