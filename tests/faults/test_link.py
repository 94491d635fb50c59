"""The stream between hub and agent cut, stalled, half open and slow: it comes back, and nothing is lost or delayed."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from escadre.v1 import agent_pb2 as pb
from tests.faults.proxy import Proxy
from tests.faults.scene import Scene, has, has_data
from tests.faults.waiting import answered, until


async def test_a_cut_stream_is_opened_again_and_what_was_missed_arrives(scene: Scene, wire: Proxy) -> None:
    cluster = await scene.open(wire.address)
    wire.refusing = True
    wire.cut()
    await answered(scene.unreachable, "the hub to notice the cut")
    revision = await scene.commit(settings="2")
    tried = wire.accepted
    await until(lambda: wire.accepted > tried + 2, "the agent to go on trying")
    assert cluster.data("settings") == {"k": "1"}
    wire.refusing = False
    await scene.arrived(revision)
    assert cluster.data("settings") == {"k": "2"}
    assert cluster.times_applied("settings", {"k": "2"}) == 1


async def test_an_application_deleted_while_its_agent_cannot_be_reached_goes_when_it_is_back(
    scene: Scene, wire: Proxy
) -> None:
    cluster = await scene.open(wire.address)
    wire.refusing = True
    wire.cut()
    await answered(scene.unreachable, "the hub to notice the cut")
    await scene.fleet.delete(scene.name)
    await answered(scene.buried, "the deletion to be assigned")
    # The agent has not heard of it, and looks after what it was assigned.
    await scene.hack()
    await until(lambda: cluster.data("settings") == {"k": "1"}, "the healing")
    assert not await scene.gone()
    wire.refusing = False
    await answered(scene.gone, "the application to be gone", timeout=40)
    assert cluster.data("settings") is None
    assert await scene.fleet.hub.store.assignments_of_application(scene.id) == []


async def test_a_half_open_stream_is_noticed_at_both_ends_by_its_silence(scene: Scene, wire: Proxy) -> None:
    cluster = await scene.open(wire.address)
    uid = (await scene.cluster()).uid
    before = scene.fleet.hub.registry.of_cluster(uid)
    assert before is not None
    wire.forget()
    revision = await scene.commit(settings="2")
    await scene.arrived(revision)
    after = scene.fleet.hub.registry.of_cluster(uid)
    assert after is not None and after.id != before.id
    assert before.closing
    assert cluster.data("settings") == {"k": "2"}


async def test_a_hub_that_hears_nothing_calls_the_cluster_unreachable_and_keeps_its_status(
    scene: Scene, wire: Proxy
) -> None:
    cluster = await scene.open(wire.address)
    agent = scene.fleet.agents["c0"][0]
    wire.stall()
    await answered(scene.unreachable, "the hub to notice the silence")
    await until(lambda: not agent.outbox.connected, "the agent to notice the silence")
    assert len(scene.fleet.hub.registry) == 0
    assert (await scene.fleet.statuses("web"))["c0"].sync == "Synced"
    # The agent works alone meanwhile, and tells it later.
    await scene.hack()
    await until(lambda: cluster.data("settings") == {"k": "1"}, "the healing")
    wire.resume()
    await answered(scene.connected, "the agent to come back", timeout=90)
    drifts = await scene.healed_drifts(1)
    assert [(d.hub_away, d.fields[0].live) for d in drifts] == [(True, '"hacked"')]


async def test_a_stream_stalled_on_its_way_to_the_agent_only_is_given_up_too(scene: Scene, wire: Proxy) -> None:
    """The hub hears the agent, and the agent hears nothing."""
    await scene.open(wire.address)
    agent = scene.fleet.agents["c0"][0]
    wire.stall(to_hub=False)
    await until(lambda: not agent.outbox.connected, "the agent to notice")
    await answered(scene.unreachable, "the hub to be told")
    wire.resume()
    await scene.arrived(await scene.commit(settings="2"))


async def test_a_stalled_agent_delays_no_other_and_its_stream_is_ended(scene: Scene, wire: Proxy) -> None:
    """Measured by order: all others have the commit, and have told so, while the stalled one has the old state."""
    stalled = await scene.open(wire.address, "", "")
    registry, uid = scene.fleet.hub.registry, (await scene.cluster(0)).uid
    session = registry.of_cluster(uid)
    assert session is not None
    wire.stall(to_hub=False)
    # More than all buffers on the way hold: what the hub writes to this agent stands still.
    large = pb.HubMessage(query=pb.Query(kind="none", parameters=random.Random(7).randbytes(3_000_000)))
    for number in range(4):
        session.put_control(str(number), large)
    revision = await scene.commit(settings="2")
    await scene.fleet.wait("web", lambda found: has(found, "c1", revision) and has(found, "c2", revision))
    assert [c.data("settings") for c in scene.clusters] == [{"k": "1"}, {"k": "2"}, {"k": "2"}]
    wire.stall()
    await until(lambda: registry.of_cluster(uid) is not session, "the stream to be ended")
    wire.resume()
    await scene.arrived(revision)
    assert stalled.data("settings") == {"k": "2"}


async def test_a_stream_cut_again_and_again_converges_and_nothing_is_told_twice(scene: Scene, wire: Proxy) -> None:
    cluster = await scene.open(wire.address)
    chance = random.Random(11)

    async def cut() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.02, 0.4))
            wire.cut()

    cutting = asyncio.create_task(cut())
    try:
        for number in range(5):
            # Another object each time: one that is edited again and again is healed ever more slowly.
            name, value = f"s{number}", {"k": str(number)}
            revision = await scene.commit(**{name: str(number)})
            await until(partial(has_data, cluster, name, value), f"{name} to be there")
            await scene.hack(name)
            await until(partial(has_data, cluster, name, value), f"{name} to be healed")
    finally:
        cutting.cancel()
    await scene.arrived(revision)
    entries = await scene.history(6)
    assert len({e.revision.sources[0].revision for e in entries}) == len(entries) == 6
    assert len(await scene.healed_drifts(5)) == 5


async def test_a_slow_wire_only_takes_longer(scene: Scene, wire: Proxy) -> None:
    wire.delay = 0.1
    cluster = await scene.open(wire.address)
    await scene.arrived(await scene.commit(settings="2"))
    assert cluster.data("settings") == {"k": "2"}
