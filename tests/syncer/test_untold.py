"""What says that a kind without discovery is not gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest

from agent.engine.resource import GroupKind, Object
from agent.engine.traits import CRD
from agent.kube.client import Discovery, Kind, KubeClient, ObjectList, Reduce
from agent.kube.errors import Forbidden, Unreachable
from agent.syncer.untold import API_SERVICE, not_told_yet

WIDGET = GroupKind("example.com", "Widget")
CRDS = Kind(*CRD[:1], "v1", CRD.kind, "customresourcedefinitions", namespaced=False)
SERVICES = Kind(API_SERVICE.group, "v1", API_SERVICE.kind, "apiservices", namespaced=False)
OTHER = Kind("example.com", "v1", "Other", "others", namespaced=True)


class Bringers:
    """A cluster of definitions and API services."""

    def __init__(self, *names: str, error: Exception | None = None, kind: str = "Widget") -> None:
        self._names, self._error, self._kind = names, error, kind

    async def list(self, kind: Kind, *, reduce: Reduce) -> ObjectList:
        if self._error is not None:
            raise self._error
        mine = [n for n in self._names if n.startswith("v1.") is (kind is SERVICES)]
        found = [reduce({"metadata": {"name": name}}) for name in mine]
        return ObjectList([obj for obj in found if obj is not None], "1")

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return {"spec": {"names": {"kind": self._kind}}}


def served(*kinds: Kind, **more: Any) -> Discovery:
    return Discovery("v1", {}, {kind.group_kind: kind for kind in kinds}, **more)


async def untold(client: Bringers, discovery: Discovery, kinds: Iterable[GroupKind] = (WIDGET,)) -> list[str]:
    return list((await not_told_yet(cast(KubeClient, client), discovery, kinds)).values())


BOTH = served(CRDS, SERVICES)


@pytest.mark.parametrize(
    ("client", "discovery", "words"),
    [
        (Bringers(), replace(BOTH, stale=frozenset({"example.com"})), "its API service does not answer"),
        (Bringers(), served(SERVICES), "the cluster does not tell of definitions either"),
        (Bringers("widgets.example.com"), BOTH, "its definition widgets.example.com is there"),
        (Bringers("widgets.example.com"), served(CRDS, OTHER), "its definition widgets.example.com is there"),
        (Bringers("v1.example.com"), BOTH, "its API service v1.example.com is there"),
    ],
)
async def test_what_is_not_gone(client: Bringers, discovery: Discovery, words: str) -> None:
    assert await untold(client, discovery) == [words]


@pytest.mark.parametrize(
    ("client", "discovery"),
    [
        (Bringers(), BOTH),
        (Bringers(), served(CRDS)),
        (Bringers("widgets.example.org", "v1.org.example.com"), BOTH),
        # Of another kind of the group.
        (Bringers("others.example.com", kind="Other"), served(CRDS, SERVICES, OTHER)),
        # Of the group everything else is told.
        (Bringers("v1.example.com"), served(CRDS, SERVICES, OTHER)),
        (Bringers("widgets.example.com", error=Forbidden("no")), BOTH),
    ],
)
async def test_what_is_gone(client: Bringers, discovery: Discovery) -> None:
    assert await untold(client, discovery) == []


async def test_the_core_group_has_an_api_service_too() -> None:
    assert await untold(Bringers("v1."), BOTH, [GroupKind("", "Secret")]) == ["its API service v1. is there"]


async def test_a_server_that_does_not_answer_says_nothing() -> None:
    with pytest.raises(Unreachable):
        await untold(Bringers(error=Unreachable("away")), BOTH)
