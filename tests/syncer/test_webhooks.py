"""Admission webhooks of a real API server: one that refuses, does not answer, or writes into what is applied."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions
from agent.kube.errors import KubeError
from tests.controlplane.access import ClusterAccess
from tests.kube.serving import authority, serving
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import ONCE, ended, hook, made, turned, wave

pytestmark = [
    pytest.mark.controlplane,
    pytest.mark.parametrize("cluster", ["real"], indirect=True),
]
ADMISSION = "admissionregistration.k8s.io"
Verdict = dict[str, Any]
"""What a webhook answers, less its uid."""
Judge = Callable[[Object], Awaitable[Verdict]]
"""Gets an AdmissionReview's request."""


class Webhook:
    """Asked about every ConfigMap of one namespace that is created or changed, dry runs among them."""

    def __init__(self) -> None:
        self.judge: Judge = self._allow
        self.asked = 0

    @staticmethod
    async def _allow(request: Object) -> Verdict:
        return {"allowed": True}

    async def answer(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.asked += 1
        verdict = await self.judge(review["request"])
        response = {"uid": review["request"]["uid"], **verdict}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def refusal(message: str) -> Verdict:
    return {"allowed": False, "status": {"code": 403, "message": message}}


def writing(request: Object, value: str, *path: str) -> Verdict:
    """Return a verdict that sets a field of what is applied."""
    patch = [{"op": "add", "path": "/" + "/".join(p.replace("/", "~1") for p in path), "value": value}]
    encoded = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


@contextlib.asynccontextmanager
async def webhook(plane: ClusterAccess, kind: str, people: People) -> AsyncIterator[Webhook]:
    found = Webhook()
    namespace = people.namespace
    path = f"/apis/{ADMISSION}/v1/{kind.lower()}configurations/{namespace}"
    async with serving(found.answer) as server:
        certificate = base64.b64encode(authority().cert_pem.bytes()).decode()
        rule = {
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]
        }  # fmt: skip
        content = {
            "name": "test.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{server.port}/", "caBundle": certificate},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 1,
        }
        configuration = {
            "apiVersion": f"{ADMISSION}/v1",
            "kind": f"{kind}Configuration",
            "metadata": {"name": namespace},
            "webhooks": [content],
        }
        await asyncio.to_thread(plane.apply, path, configuration)
        try:
            await until(lambda: _asked(found, people), bool)
            yield found
        finally:
            await asyncio.to_thread(plane.request, "DELETE", path)


async def _asked(found: Webhook, people: People) -> bool:
    """Say whether the API server has heard of it."""
    kind = await people.kind("", "ConfigMap")
    with contextlib.suppress(KubeError):
        manifest = config_map("asked", namespace=people.namespace)
        await people._client.apply(kind, manifest, ApplyOptions(field_manager="test", dry_run=True))
    return found.asked > 0


@pytest.fixture
async def validating(workload_plane: ClusterAccess, people: People) -> AsyncIterator[Webhook]:
    async with webhook(workload_plane, "ValidatingWebhook", people) as found:
        yield found


@pytest.fixture
async def mutating(workload_plane: ClusterAccess, people: People) -> AsyncIterator[Webhook]:
    async with webhook(workload_plane, "MutatingWebhook", people) as found:
        yield found


async def test_one_that_refuses_is_quoted_and_nothing_is_changed(
    hub: Hub, cluster: Cluster, validating: Webhook
) -> None:
    async def refuse(request: Object) -> Verdict:
        return refusal("b is not for us") if request["name"] == "b" else {"allowed": True}

    validating.judge = refuse
    hub.assign([config_map("a"), wave(config_map("b"), 1), hook(config_map("before"), "PreSync")], policy=ONCE)
    state = await ended(hub, "Failed")
    assert state.message.startswith("nothing was changed: ")
    assert "b is not for us" in state.message and f"ConfigMap/{hub.namespace}/b" in state.message
    assert made(cluster) == []


async def test_one_that_refuses_only_what_is_no_dry_run_ends_the_wave(
    hub: Hub, cluster: Cluster, validating: Webhook, clock: TurnedClock
) -> None:
    """One that counts, say: each by itself would have passed."""

    async def refuse(request: Object) -> Verdict:
        late = request["name"] == "b" and not request.get("dryRun")
        return refusal("enough is enough") if late else {"allowed": True}

    validating.judge = refuse
    objects = [wave(config_map("a"), 1), wave(config_map("b"), 2), wave(config_map("c"), 3)]
    hub.assign([*objects, hook(config_map("sorry"), "SyncFail")], policy=ONCE)
    await turned(hub, clock)
    state = await ended(hub, "Failed")
    assert "enough is enough" in state.message and f"ConfigMap/{hub.namespace}/b" in state.message
    assert made(cluster) == ["ConfigMap/a", "ConfigMap/b", "ConfigMap/sorry"]


async def test_one_that_does_not_answer_is_named_and_waited_out(
    hub: Hub, cluster: Cluster, validating: Webhook, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.patience.REQUEST_ATTEMPTS", 2)
    answers = asyncio.Event()

    async def hang(request: Object) -> Verdict:
        await answers.wait()
        return {"allowed": True}

    validating.judge = hang
    hub.assign([config_map("a"), config_map("b")])
    state = await ended(hub, "Error")
    assert "nothing was changed" in state.message and 'failed calling webhook "test.example.com"' in state.message
    assert "(Unreachable: see to the admission webhook that is named" in state.message
    answers.set()

    async def synced() -> bool:
        clock.advance(5)
        return hub.statuses[hub.application()].sync == "Synced"

    await until(synced, bool)


async def test_one_that_refuses_now_and_then_is_tried_again(hub: Hub, validating: Webhook, clock: TurnedClock) -> None:
    refused: list[bool] = []

    async def now_and_then(request: Object) -> Verdict:
        """Refuse the first dry run, and the first apply."""
        dry = bool(request.get("dryRun"))
        if dry in refused:
            return {"allowed": True}
        refused.append(dry)
        return refusal("not now")

    validating.judge = now_and_then
    policy = replace(AUTOMATED, retry=replace(AUTOMATED.retry, limit=10))
    hub.assign([config_map("a")], policy=policy)

    async def synced() -> bool:
        clock.advance(200)
        return hub.application() in hub.statuses and hub.statuses[hub.application()].sync == "Synced"

    await until(synced, bool)
    assert refused == [True, False]
    assert [(o.phase, o.attempt) for o in hub.finished] == [("Failed", 1), ("Failed", 2), ("Succeeded", 3)]


async def test_one_that_writes_always_the_same_gives_no_drift(
    hub: Hub, cluster: Cluster, mutating: Webhook, people: People
) -> None:
    """Though it is not what Git says."""

    async def own(request: Object) -> Verdict:
        return writing(request, "the webhook's", "data", "k")

    mutating.judge = own
    hub.assign([config_map("a", {"k": "Git's", "other": "v"})])
    await hub.synced()
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "the webhook's", "other": "v"}
    await hub.restart()
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"metadata": {"annotations": {"theirs": "1"}}})
    await until(lambda: judged(cluster, "ConfigMap/a"), lambda times: times > 1)
    await hub.idle()
    await hub.synced()
    assert made(cluster) == ["ConfigMap/a"] and hub.drifts == []


async def judged(cluster: Cluster, name: str) -> int:
    """Return how often a dry run was asked for."""
    return cluster.client.named("apply", dry_run=True).count(name)


@pytest.mark.parametrize("path", [("metadata", "annotations", "stamp"), ("data", "stamp")])
async def test_one_that_writes_something_else_every_time_gives_no_drift_and_no_loop(
    hub: Hub, cluster: Cluster, mutating: Webhook, people: People, path: tuple[str, ...]
) -> None:
    async def stamp(request: Object) -> Verdict:
        return writing(request, secrets.token_hex(4), *path)

    hub.assign([config_map("a", {"k": "v"}, annotations={"mine": "1"})])
    await hub.synced()
    mutating.judge = stamp
    key = hub.key("ConfigMap", "a")
    await people.edit(key, {"metadata": {"annotations": {"theirs": "1"}}})
    await until(lambda: judged(cluster, "ConfigMap/a"), lambda times: times > 1)
    await hub.idle()
    await hub.synced()
    assert made(cluster) == ["ConfigMap/a"] and hub.drifts == []
    # What really has drifted is told, alone, and healed once.
    await people.edit(key, {"data": {"k": "hacked"}})
    report = await hub.healed()
    assert [f.path for f in report.fields] == ["/data/k"]
    assert (await people.get(key) or {})["data"]["k"] == "v"
    await hub.idle()
    await people.edit(key, {"metadata": {"annotations": {"theirs": "2"}}})
    await hub.idle()
    await hub.synced()
    assert made(cluster) == ["ConfigMap/a"] * 2 and len({d.id for d in hub.drifts}) == 1


async def test_one_that_writes_over_what_is_assigned_is_no_endless_heal(
    hub: Hub, cluster: Cluster, mutating: Webhook, people: People
) -> None:
    """Another value every time: what came of the last apply is what is in place."""

    async def stamp(request: Object) -> Verdict:
        return writing(request, secrets.token_hex(4), "data", "k")

    mutating.judge = stamp
    hub.assign([config_map("a", {"k": "Git's"}), config_map("b")])
    await hub.synced()
    await hub.restart()
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "b"), {"metadata": {"annotations": {"theirs": "1"}}})
    await hub.healed()
    await hub.idle()
    assert made(cluster) == ["ConfigMap/a", "ConfigMap/b", "ConfigMap/b"]
