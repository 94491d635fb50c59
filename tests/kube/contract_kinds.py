"""The contract of namespaces and of custom kinds. See `tests.kube.contract`."""

from __future__ import annotations

import secrets

import pytest

from agent.engine.resource import Object
from agent.kube.client import DeleteOptions, KubeClient
from agent.kube.errors import FieldConflict, KindUnknown, NamespaceTerminating, Rejected
from tests.kube.contract_steps import (
    manager,
    until,
    until_gone,
)
from tests.kube.manifests import (
    CONFIG_MAP,
    CRD,
    NAMESPACE,
    config_map,
    custom_kind,
    definition,
    manifest,
)


class NamespaceContract:
    async def test_a_new_one_is_active(self, kube: KubeClient) -> None:
        name = f"ns-{secrets.token_hex(4)}"
        applied = await kube.apply(NAMESPACE, manifest(NAMESPACE, "", name))
        assert applied["status"]["phase"] == "Active"
        assert applied["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
        await kube.delete(NAMESPACE, "", name)

    async def test_nothing_new_while_it_goes_away(self, kube: KubeClient) -> None:
        name = f"ns-{secrets.token_hex(4)}"
        made = await kube.apply(NAMESPACE, manifest(NAMESPACE, "", name))
        held = config_map(name, "held", finalizers=["escadre.io/held"])
        await kube.apply(CONFIG_MAP, held)
        await kube.delete(NAMESPACE, "", name)
        going = await kube.get(NAMESPACE, "", name)
        assert going is not None and going["status"]["phase"] == "Terminating"
        with pytest.raises(NamespaceTerminating):
            await kube.apply(CONFIG_MAP, config_map(name, "late"))
        await until(
            lambda: kube.get(CONFIG_MAP, name, "held"),
            lambda obj: obj is not None and "deletionTimestamp" in obj["metadata"],
        )
        await kube.apply(CONFIG_MAP, config_map(name, "held"))
        await until_gone(kube, made)

    async def test_the_well_known_ones_are_there(self, kube: KubeClient) -> None:
        names = {item["metadata"]["name"] for item in (await kube.list(NAMESPACE)).items}
        assert {"default", "kube-system", "kube-public"} <= names


class CustomKindContract:
    async def _define(self, kube: KubeClient) -> str:
        name = f"Thing{secrets.token_hex(4)}"
        await kube.apply(CRD, definition(name))
        await until(lambda: kube.discover(refresh=True), lambda served: bool(served.find(*_version(name))))
        return name

    async def test_a_definition_brings_its_kind(self, kube: KubeClient, namespace: str) -> None:
        name = f"Thing{secrets.token_hex(4)}"
        thing = custom_kind(name)
        with pytest.raises(KindUnknown):
            await kube.apply(thing, manifest(thing, namespace, "one"))
        await kube.apply(CRD, definition(name))
        served = await until(lambda: kube.discover(refresh=True), lambda served: bool(served.find(*_version(name))))
        found = served.find(*_version(name))
        assert found is not None and found.namespaced and found.plural == thing.plural
        defined = await until(lambda: kube.get(CRD, "", definition(name)["metadata"]["name"]), _established)
        assert defined is not None and defined["status"]["storedVersions"] == ["v1"]
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    async def test_instances_get_the_schemas_defaults_and_rules(self, kube: KubeClient, namespace: str) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        items = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
        one = manifest(thing, namespace, "one", {"spec": {"items": items, "words": ["x"]}})
        first = await _apply_when_ready(kube, one)
        assert first["spec"] == {"items": items, "words": ["x"], "size": 3}
        assert first["metadata"]["generation"] == 1
        theirs = manifest(thing, namespace, "one", {"spec": {"items": [{"name": "c"}], "free": {"any": {"thing": 1}}}})
        await kube.apply(thing, theirs, manager("other"))
        mine = manifest(thing, namespace, "one", {"spec": {"items": items[:1], "words": ["x"]}})
        second = await kube.apply(thing, mine)
        assert second["spec"]["items"] == [{"name": "a", "value": 1}, {"name": "c"}]
        assert second["spec"]["free"] == {"any": {"thing": 1}}
        assert second["metadata"]["generation"] == 3
        words = manifest(thing, namespace, "one", {"spec": {"words": ["y"]}})
        with pytest.raises(FieldConflict):
            await kube.apply(thing, words, manager("other"))
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    async def test_a_part_nothing_is_said_about_that_is_emptied(self, kube: KubeClient, namespace: str) -> None:
        """What is applied as an empty map, and was a full one, is nothing at all."""
        name = await self._define(kube)
        thing = custom_kind(name)
        await _apply_when_ready(kube, manifest(thing, namespace, "one", {"spec": {"free": {"c": {"a": "1"}}}}))
        emptied = manifest(thing, namespace, "one", {"spec": {"free": {"a": "1", "c": {}}}})
        assert (await kube.apply(thing, emptied))["spec"]["free"] == {"a": "1", "c": None}
        direct = manifest(thing, namespace, "two", {"spec": {"free": {"a": "1", "c": {}}}})
        assert (await kube.apply(thing, direct))["spec"]["free"] == {"a": "1", "c": {}}
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    @pytest.mark.parametrize(
        ("spec", "field"),
        [({"sise": 1}, "spec.sise"), ({"size": "big"}, "spec.size"), ({"size": 0}, "spec.size")],
    )
    async def test_what_the_schema_does_not_allow_is_rejected(
        self, kube: KubeClient, namespace: str, spec: Object, field: str
    ) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        await _apply_when_ready(kube, manifest(thing, namespace, "good"))
        with pytest.raises(Rejected) as caught:
            await kube.apply(thing, manifest(thing, namespace, "bad", {"spec": spec}))
        assert field in caught.value.fields
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    async def test_instances_go_with_their_definition(self, kube: KubeClient, namespace: str) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        await _apply_when_ready(kube, manifest(thing, namespace, "one"))
        defined = definition(name)
        await kube.delete(CRD, "", defined["metadata"]["name"], DeleteOptions(propagation="background"))
        await until_gone(kube, defined)
        await until(lambda: kube.discover(refresh=True), lambda served: not served.find(*_version(name)))


def _version(name: str) -> tuple[str, str, str]:
    found = custom_kind(name)
    return found.group, found.version, found.kind


def _established(obj: Object | None) -> bool:
    conditions = (obj or {}).get("status", {}).get("conditions", ())
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


async def _apply_when_ready(kube: KubeClient, wanted: Object) -> Object:
    """Apply an instance of a kind that is just being defined: a server announces it a moment before it serves it."""
    thing = custom_kind(wanted["kind"])
    last: list[Object] = []

    async def attempt() -> bool:
        try:
            last.append(await kube.apply(thing, wanted))
        except KindUnknown:
            return False
        return True

    await until(attempt, bool)
    return last[-1]
