"""The contract of discovery, list and watch. See `tests.kube.contract`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from agent.engine.resource import GroupKind, Object
from agent.kube.client import DeleteOptions, EventType, KubeClient, WatchEvent
from agent.kube.errors import KindUnknown, Rejected
from tests.kube.contract_steps import (
    DRY_RUN,
    LIMIT,
    version_of,
    watching,
)
from tests.kube.manifests import (
    CONFIG_MAP,
    config_map,
    kind,
    manifest,
)


class DiscoveryContract:
    async def test_finds_kinds_by_exact_version(self, kube: KubeClient) -> None:
        served = await kube.discover()
        found = served.find("apps", "v1", "Deployment")
        assert found is not None
        assert (found.plural, found.namespaced) == ("deployments", True)
        assert {"get", "list", "watch", "patch", "delete"} <= found.verbs
        assert served.find("apps", "v1beta1", "Deployment") is None
        namespace = served.find("", "v1", "Namespace")
        assert namespace is not None and not namespace.namespaced

    async def test_tells_the_version_and_what_charts_ask_for(self, kube: KubeClient) -> None:
        served = await kube.discover()
        assert served.version.startswith("v1.")
        versions = served.api_versions()
        assert {"v1", "apps/v1", "apps/v1/Deployment", "batch/v1/CronJob"} <= set(versions)
        assert versions == sorted(versions)

    async def test_prefers_the_servers_preferred_version(self, kube: KubeClient) -> None:
        served = await kube.discover()
        assert served.preferred[GroupKind("autoscaling", "HorizontalPodAutoscaler")].version == "v2"
        assert served.find("autoscaling", "v1", "HorizontalPodAutoscaler") is not None

    async def test_is_kept_until_it_is_refreshed(self, kube: KubeClient) -> None:
        assert await kube.discover() is await kube.discover()

    async def test_a_kind_nobody_defined_is_unknown(self, kube: KubeClient, namespace: str) -> None:
        missing = kind("nothing.escadre.io", "v1", "Nothing", "nothings")
        with pytest.raises(KindUnknown):
            await kube.apply(missing, manifest(missing, namespace, "x"))
        with pytest.raises(KindUnknown):
            await kube.list(missing, namespace=namespace)


class ListContract:
    async def test_lists_one_namespace_or_all(self, kube: KubeClient, namespace: str) -> None:
        mark = secrets.token_hex(4)
        await kube.apply(CONFIG_MAP, config_map(namespace, "one", labels={"mark": mark}))
        await kube.apply(CONFIG_MAP, config_map("default", f"two-{mark}", labels={"mark": mark}))
        here = await kube.list(CONFIG_MAP, namespace=namespace, selector=f"mark={mark}")
        assert [item["metadata"]["name"] for item in here.items] == ["one"]
        everywhere = await kube.list(CONFIG_MAP, selector=f"mark={mark}")
        assert {item["metadata"]["name"] for item in everywhere.items} == {"one", f"two-{mark}"}
        await kube.delete(CONFIG_MAP, "default", f"two-{mark}")

    async def test_items_say_what_they_are(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        listed = await kube.list(CONFIG_MAP, namespace=namespace)
        assert applied in listed.items
        assert int(listed.resource_version) >= int(version_of(applied))

    async def test_pages_are_put_together(self, kube: KubeClient, namespace: str) -> None:
        for index in range(7):
            await kube.apply(CONFIG_MAP, config_map(namespace, f"n{index}", labels={"paged": "yes"}))
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector="paged", limit=3)
        assert [item["metadata"]["name"] for item in listed.items] == [f"n{index}" for index in range(7)]

    async def test_none_is_an_empty_list(self, kube: KubeClient, namespace: str) -> None:
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector="nobody=has-this")
        assert listed.items == [] and listed.resource_version

    @pytest.mark.parametrize(
        ("selector", "names"),
        [
            ("tier=web", {"a"}),
            ("tier==web,env!=dev", {"a"}),
            ("tier!=web,chosen", {"b", "c"}),
            ("tier in (web, db)", {"a", "b"}),
            ("tier notin (web),chosen", {"b", "c"}),
            ("env", {"a", "b"}),
            ("!env,chosen", {"c"}),
        ],
    )
    async def test_selects_by_labels(self, kube: KubeClient, namespace: str, selector: str, names: set[str]) -> None:
        for name, labels in (("a", {"tier": "web", "env": "prod"}), ("b", {"tier": "db", "env": "dev"}), ("c", {})):
            await kube.apply(CONFIG_MAP, config_map(namespace, name, labels={"chosen": "yes", **labels}))
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector=selector)
        assert {item["metadata"]["name"] for item in listed.items} == names

    async def test_what_is_no_selector_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected):
            await kube.list(CONFIG_MAP, namespace=namespace, selector="a in (")

    async def test_only_metadata_is_asked_for_and_only_what_is_kept_is_given(
        self, kube: KubeClient, namespace: str
    ) -> None:
        for name in ("a", "b", "c"):
            await kube.apply(CONFIG_MAP, config_map(namespace, name, labels={"paged": "yes"}))
        seen = []

        def reduce(obj: Object) -> Object | None:
            seen.append(obj)
            return {"kept": obj["metadata"]["name"]} if obj["metadata"]["name"] != "b" else None

        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector="paged", limit=2, reduce=reduce)
        assert listed.items == [{"kept": "a"}, {"kept": "c"}] and listed.resource_version
        assert {(obj["apiVersion"], obj["kind"], *sorted(obj)) for obj in seen} == {
            ("v1", "ConfigMap", "apiVersion", "kind", "metadata")
        }
        assert [obj["metadata"]["labels"] for obj in seen] == [{"paged": "yes"}] * 3


class WatchContract:
    async def test_tells_of_metadata_alone(self, kube: KubeClient, namespace: str) -> None:
        version = (await kube.list(CONFIG_MAP, namespace=namespace)).resource_version
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "yes"}))
        await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(propagation="background"))
        watch = kube.watch(CONFIG_MAP, namespace=namespace, selector="watched", resource_version=version, metadata=True)
        assert isinstance(watch, AsyncGenerator)
        events: list[WatchEvent] = []
        async with asyncio.timeout(LIMIT), aclosing(watch) as told:
            async for event in told:
                events.append(event)
                if event.type is EventType.DELETED:
                    break
        head = {"apiVersion": "v1", "kind": "ConfigMap"}
        assert events[0] == WatchEvent(EventType.ADDED, {**head, "metadata": applied["metadata"]})
        assert events[1].type is EventType.DELETED and events[1].object.keys() == {*head, "metadata"}

    async def test_tells_of_every_change(self, kube: KubeClient, namespace: str) -> None:
        async with watching(kube, namespace, "watched") as following:
            labels = {"watched": "yes"}
            first = await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
            second = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "2"}, labels=labels))
            await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(propagation="background"))
            assert await following() == WatchEvent(EventType.ADDED, first)
            assert await following() == WatchEvent(EventType.MODIFIED, second)
            deleted = await following()
            assert deleted.type is EventType.DELETED
            assert deleted.object["data"] == {"a": "2"}
            assert int(version_of(deleted.object)) > int(version_of(second))

    async def test_goes_on_from_where_it_stopped(self, kube: KubeClient, namespace: str) -> None:
        labels = {"watched": "yes"}
        first = await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
        second = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "2"}, labels=labels))
        async with watching(kube, namespace, "watched", since=version_of(first)) as following:
            assert await following() == WatchEvent(EventType.MODIFIED, second)

    async def test_what_leaves_the_selector_is_deleted(self, kube: KubeClient, namespace: str) -> None:
        async with watching(kube, namespace, "watched=yes") as following:
            await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "yes"}))
            left = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "no"}))
            back = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "yes"}))
            assert (await following()).type is EventType.ADDED
            gone = await following()
            assert gone.type is EventType.DELETED
            assert version_of(gone.object) == version_of(left)
            assert gone.object["metadata"]["labels"] == {"watched": "yes"}
            assert await following() == WatchEvent(EventType.ADDED, back)

    async def test_what_changes_nothing_is_not_told(self, kube: KubeClient, namespace: str) -> None:
        labels = {"watched": "yes"}
        await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
        async with watching(kube, namespace, "watched") as following:
            await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
            await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "dry"}, labels=labels), DRY_RUN)
            changed = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "wet"}, labels=labels))
            assert await following() == WatchEvent(EventType.MODIFIED, changed)

    async def test_tells_of_one_namespace_only(self, kube: KubeClient, namespace: str) -> None:
        mark = secrets.token_hex(4)
        async with watching(kube, namespace, f"mark={mark}") as following:
            await kube.apply(CONFIG_MAP, config_map("default", f"x-{mark}", labels={"mark": mark}))
            here = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"mark": mark}))
            assert await following() == WatchEvent(EventType.ADDED, here)
        await kube.delete(CONFIG_MAP, "default", f"x-{mark}")

    async def test_ends_after_its_time(self, kube: KubeClient, namespace: str) -> None:
        version = (await kube.list(CONFIG_MAP, namespace=namespace)).resource_version
        events = kube.watch(CONFIG_MAP, namespace=namespace, resource_version=version, timeout_seconds=1)
        async with asyncio.timeout(LIMIT):
            types = [event.type async for event in events if event.object["metadata"].get("namespace") == namespace]
        assert types == []
