"""Large input that is good: it simply works, and what is sent and stored for it stays in proportion."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest

from agent.engine.resource import Object
from agent.engine.traits import CRD
from tests.faults.proxy import Proxy
from tests.faults.scene import Scene
from tests.faults.waiting import until
from tests.faults.witness import key
from tests.syncer.harness import config_map
from tests.syncer.objects import crd, group_of, widget

OBJECTS = 5000
DETAILS = 1000
"""Resources that one status tells of in detail."""
KIB = 1024


class Traffic:
    """What passes a wire from now on."""

    def __init__(self, wire: Proxy) -> None:
        self._wire = wire
        self.again()

    def again(self) -> None:
        self._before = self._wire.to_hub, self._wire.to_agent

    @property
    def to_hub(self) -> int:
        return self._wire.to_hub - self._before[0]

    @property
    def to_agent(self) -> int:
        return self._wire.to_agent - self._before[1]


async def _commit(scene: Scene, *objects: Object) -> str:
    scene.repository.write(f"{scene.name}/all.yaml", *objects)
    revision = scene.repository.commit()
    await scene.fleet.refresh(scene.name)
    return revision


def _large_crd(kilobytes: int) -> Object:
    """Return a definition with as many described fields as it takes, as operators' generators make them."""
    definition = crd("large")
    text = "What this field is for, at some length, in a sentence that a generator took out of a comment. " * 10
    count = kilobytes * KIB // (len(text) + 60)
    fields = {f"field{n}": {"type": "string", "description": text} for n in range(count)}
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"] = {"spec": {"type": "object", "properties": fields}}
    return definition


async def test_a_definition_of_300_kilobytes(scene: Scene, wire: Proxy) -> None:
    cluster = await scene.open(wire.address)
    traffic = Traffic(wire)
    definition = _large_crd(300)
    size = len(json.dumps(definition))
    assert size > 290 * KIB
    rest = (config_map("settings", {"k": "1"}), widget("large", "w", field0="x"))
    await scene.arrived(await _commit(scene, definition, *rest))
    assert cluster.find(key("Widget", "w", group=group_of("large"))) is not None
    assert traffic.to_agent < 1.5 * size

    traffic.again()
    # Another object changes: the definition is neither sent again nor told of.
    await scene.arrived(await _commit(scene, definition, config_map("settings", {"k": "2"}), rest[1]))
    assert traffic.to_agent < 16 * KIB and traffic.to_hub < 16 * KIB

    traffic.again()
    # It is healed. What differs is told three times at most, as drift, as its report and as that report's end: each
    # time a hundred fields of about a kilobyte.
    name = definition["metadata"]["name"]
    field = {"field0": {"type": "string", "description": "x" * 100 * KIB}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": field}}}
    version = definition["spec"]["versions"][0] | {"schema": {"openAPIV3Schema": schema}}
    await cluster.edit(key(CRD.kind, name, "", CRD.group), {"spec": {"versions": [version]}})
    (drift,) = await scene.healed_drifts(1)
    assert 0 < len(drift.fields) <= 100
    assert traffic.to_hub < 3 * 100 * 1.5 * KIB
    assert cluster.deleted == []


@pytest.mark.timeout(120)
async def test_five_thousand_objects_in_one_application(
    scene: Scene, wire: Proxy, record_property: Callable[[str, object], None]
) -> None:
    cluster = await scene.open(wire.address)
    traffic = Traffic(wire)
    objects = [config_map(f"c{n}", {"k": "1"}) for n in range(OBJECTS)]
    began = time.monotonic()
    status = (await scene.arrived(await _commit(scene, *objects)))["c0"]
    record_property("seconds to Synced", round(time.monotonic() - began, 1))
    record_property("bytes to the agent, and to the hub", (traffic.to_agent, traffic.to_hub))
    assert status.total == OBJECTS and status.resources == () and status.operation is not None
    assert len(status.operation.results) <= DETAILS
    assert len(cluster.applied) == 1 + OBJECTS and cluster.deleted == ["settings"]
    assert traffic.to_agent < 400 * OBJECTS and traffic.to_hub < 400 * DETAILS
    assert _stored(scene) < 4 * KIB * OBJECTS

    traffic.again()
    objects[7] = config_map("c7", {"k": "2"})
    await scene.arrived(await _commit(scene, *objects))
    assert cluster.applied[-1] == ("c7", {"k": "2"}) and len(cluster.applied) == 2 + OBJECTS
    # The list of what there is, and one object of it.
    assert traffic.to_agent < 150 * OBJECTS and traffic.to_hub < 8 * KIB

    traffic.again()
    # All of it drifts at once from what it was, and not all of it is told in detail.
    await asyncio.gather(*(scene.hack(f"c{n}") for n in range(0, OBJECTS, 2)))
    await until(lambda: all(cluster.data(f"c{n}") != {"k": "hacked"} for n in range(OBJECTS)), "the healing")
    status = (await scene.fleet.synced(scene.name, 1))["c0"]
    assert status.operation is not None and len(status.operation.results) <= DETAILS
    assert traffic.to_hub < 800 * DETAILS


def _stored(scene: Scene) -> int:
    """Return the bytes on the disks of hub and agent, mirrors of repositories left out."""
    root = scene.fleet.root
    return sum(file.stat().st_size for place in ("hub", "c0") for file in (root / place).glob("*.db*"))
