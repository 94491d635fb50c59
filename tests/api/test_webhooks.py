"""Events of Git servers and registries, as they come."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from prometheus_client import generate_latest

from hub.api.webhooks.desk import STRANGERS_PER_REPOSITORY
from hub.api.webhooks.intake import LIMIT, STRANGER_LIMIT
from hub.api.webhooks.secrets import SETTING, sealed
from hub.domain import webhook_secrets as keys
from hub.domain.webhook_secrets import WebhookSecrets
from tests.api import events
from tests.api.events import SECRET, Sent
from tests.api.kit import World
from tests.api.serving import Served

WEBHOOK = "/api/webhook"
APPLY = "/api/v1/objects/apply"


def secret(values: Mapping[str, str], **more: Any) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret"}, "data": data} | more


async def believe(admin: httpx2.AsyncClient, values: Mapping[str, str]) -> None:
    reply = await admin.post(APPLY, json=secret(values))
    assert reply.status_code == 200, reply.text


async def send(
    client: httpx2.AsyncClient, sent: Sent, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> httpx2.Response:
    given = sent.signed() if headers is None else headers
    return await client.post(WEBHOOK + sent.query, content=sent.body if body is None else body, headers=dict(given))


class Told:
    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    async def names(self) -> list[str]:
        """What has been told of since the last time."""
        return [payload for _, payload in await self._subscription.next(timeout=0.01)]


@pytest.fixture
async def told(world: World) -> AsyncIterator[Told]:
    async with world.bus.subscribe("pushes") as subscription:
        yield Told(subscription)


def counted(world: World) -> dict[tuple[str, str], float]:
    found = {}
    for family in world.services.telemetry.registry.collect():
        for sample in family.samples:
            if sample.name == "escadre_webhook_events_total":
                found[sample.labels["provider"], sample.labels["result"]] = sample.value
    assert generate_latest(world.services.telemetry.registry)
    return found


def code(reply: httpx2.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


@pytest.mark.parametrize("name", events.ALL)
async def test_every_provider_is_understood(
    name: str, world: World, admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient, told: Told
) -> None:
    sent = events.ALL[name]
    # Of those that are set, the other providers' count for nothing.
    await believe(admin, dict.fromkeys(keys.KEYS, "of somebody else") | sent.secrets)
    reply = await send(nobody, sent)
    assert (reply.status_code, reply.json()) == (200, {"provider": sent.provider, "outcome": "asked"})
    assert await told.names() == list(sent.names)
    assert counted(world) == {(sent.provider, "asked"): 1}


@pytest.mark.parametrize("name", events.ALL)
async def test_every_provider_has_to_show_its_secret(
    name: str, world: World, admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient, told: Told
) -> None:
    sent = events.ALL[name]
    await believe(admin, {key: f"not {value}" for key, value in sent.secrets.items()})
    bare = {name: value for name, value in sent.signed().items() if name not in ("Authorization", sent.signature)}
    bare.pop("X-Gitlab-Token", None)
    for headers in (sent.signed(), bare, bare | {"Authorization": "Basic :"}, bare | {sent.signature or "x": "ü"}):
        encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        reply = await nobody.post(WEBHOOK + sent.query, content=sent.body, headers=encoded)
        assert code(reply) == (403, "webhook-refused")
        assert SECRET not in reply.text
    assert await told.names() == []
    assert counted(world) == {(sent.provider, "refused"): 4}
    refused = [event for event in await world.store.list_events() if event.reason == "WebhookRefused"]
    assert len(refused) == 4 and sent.provider in refused[0].message and SECRET not in refused[0].message


@pytest.mark.parametrize("name", [name for name, sent in events.ALL.items() if sent.signature])
async def test_a_signature_is_of_the_whole_body(
    name: str, admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient, told: Told
) -> None:
    sent = events.ALL[name]
    await believe(admin, sent.secrets)
    assert code(await send(nobody, sent, body=sent.body + b" ")) == (403, "webhook-refused")
    # Nothing is made of a body that is not believed, so what is wrong with it is not told either.
    assert code(await send(nobody, sent, body=b"{")) == (403, "webhook-refused")
    assert await told.names() == []


async def test_both_proofs_of_bitbucket_count(admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    sent = events.BITBUCKET
    await believe(admin, sent.secrets)
    assert (await send(nobody, sent)).status_code == 200
    other = sent.but(X_Hook_UUID="9c5a1d2e-7b43-4f0c-8a11-2f1f6f0a77ab")
    assert code(await send(nobody, other)) == (403, "webhook-refused")
    assert code(await send(nobody, sent, headers=sent.signed("another"))) == (403, "webhook-refused")


@pytest.mark.parametrize("name", events.ALL)
async def test_without_a_secret_it_is_taken_for_what_it_is_worth(
    name: str, nobody: httpx2.AsyncClient, told: Told
) -> None:
    sent = events.ALL[name]
    headers = {name: value for name, value in sent.headers.items() if name not in ("Authorization", "X-Gitlab-Token")}
    assert (await send(nobody, sent, headers=headers)).status_code == 200
    assert await told.names() == list(sent.names)


async def test_strangers_are_bounded(world: World, admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    replies = [await send(nobody, events.GITLAB) for _ in range(STRANGERS_PER_REPOSITORY + 1)]
    assert [reply.status_code for reply in replies[:-1]] == [200] * STRANGERS_PER_REPOSITORY
    assert code(replies[-1]) == (429, "too-many-requests") and "Retry-After" in replies[-1].headers
    await believe(admin, events.GITLAB.secrets)
    assert (await send(nobody, events.GITLAB)).status_code == 200
    world.clock.advance(seconds=61)
    await believe(admin, {})
    assert (await send(nobody, events.GITLAB)).status_code == 200
    large = events.GITLAB.body + b" " * STRANGER_LIMIT
    assert code(await send(nobody, events.GITLAB, body=large)) == (413, "too-large")


async def test_a_replayed_event_asks_again_and_no_more(
    admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient, told: Told
) -> None:
    await believe(admin, events.GITHUB.secrets)
    for _ in range(3):
        assert (await send(nobody, events.GITHUB)).json()["outcome"] == "asked"
    assert await told.names() == list(events.GITHUB.names)


async def test_pings(admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient, told: Told) -> None:
    await believe(admin, events.GITHUB.secrets | events.BITBUCKET_SERVER.secrets)
    ping = replace(events.GITHUB, payload={"zen": "Design for failure.", "hook_id": 1}).but(X_GitHub_Event="ping")
    assert (await send(nobody, ping)).json() == {"provider": "github", "outcome": "ping"}
    # Whoever sets one up sees at once that its secret is not the hub's.
    assert code(await send(nobody, ping, headers=ping.signed("another"))) == (403, "webhook-refused")
    test = {"X-Event-Key": "diagnostics:ping"}
    reply = await nobody.post(WEBHOOK, json={"test": True}, headers=test)
    assert reply.json() == {"provider": "bitbucketserver", "outcome": "ping"}
    assert await told.names() == []


@pytest.mark.parametrize(
    "sent",
    [
        events.GITHUB.but(X_GitHub_Event="issues"),
        events.GITLAB.but(X_Gitlab_Event="Issue Hook"),
        replace(events.GITLAB_SYSTEM, payload={"event_name": "user_create", "email": "ada@example.com"}),
        events.BITBUCKET.but(X_Event_Key="repo:fork"),
        events.BITBUCKET_SERVER.but(X_Event_Key="pr:opened"),
        events.GITEA.but(X_Gitea_Event="issues"),
        replace(events.AZURE, payload=events.AZURE.payload | {"eventType": "build.complete"}),
        replace(events.HARBOR, payload=events.HARBOR.payload | {"type": "SCANNING_COMPLETED"}),
        replace(events.DISTRIBUTION, payload={"events": [{"action": "pull"}]}),
    ],
    ids=lambda sent: sent.provider,
)
async def test_other_events_are_ignored(sent: Sent, nobody: httpx2.AsyncClient, told: Told) -> None:
    assert (await send(nobody, sent)).json() == {"provider": sent.provider, "outcome": "ignored"}
    assert await told.names() == []


async def test_what_is_no_event(world: World, nobody: httpx2.AsyncClient, told: Told) -> None:
    for query, headers in (("", {}), ("?provider=sourceforge", events.GITHUB.signed())):
        reply = await nobody.post(WEBHOOK + query, content=b"{}", headers=headers)
        assert code(reply) == (400, "webhook-unknown") and "dockerhub" in reply.json()["error"]["message"]
    for body in (b"", b"{", b"[]", b"\xff", b"payload=%7B%7D", b"{}", b'{"repository": {"clone_url": "no address"}}'):
        assert code(await send(nobody, events.GITHUB, body=body)) == (400, "webhook-unreadable"), body
    assert counted(world) == {("unknown", "refused"): 2, ("github", "failed"): 7}
    assert (await nobody.get(WEBHOOK)).status_code == 401
    assert await told.names() == []


async def test_refusals_on_record_are_bounded(
    world: World, admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient
) -> None:
    await believe(admin, events.GITLAB.secrets)
    for _ in range(150):
        await send(nobody, events.GITLAB, headers={"X-Gitlab-Event": "Push Hook"})
    refused = [e for e in await world.store.list_events(limit=1000) if e.reason == "WebhookRefused"]
    assert len(refused) == 120
    assert counted(world) == {("gitlab", "refused"): 150}


# --- large ones, on a real port


def padded(size: int) -> Sent:
    """GitHub's, with so many bytes of commits before the repository."""
    rest = events.GITHUB.payload["repository"]
    commit = {"message": 'fix "it"', "added": ["a/b/c.yaml"] * 20}
    payload = {"ref": "refs/heads/main", "commits": [commit] * (size // 350 + 1), "repository": rest}
    return replace(events.GITHUB, payload=replace(events.GITHUB, payload=payload).body)


async def test_a_large_one_is_taken_from_whom_is_believed(world: World, served: Served, told: Told) -> None:
    large = padded(20 * 1024 * 1024)
    async with served.client() as admin, served.client("") as nobody:
        assert code(await send(nobody, large)) == (413, "too-large")
        await believe(admin, large.secrets)
        assert (await send(nobody, large)).json()["outcome"] == "asked"
        assert await told.names() == list(large.names)
        assert code(await send(nobody, large, headers=large.signed("another"))) == (403, "webhook-refused")
        reply = await nobody.post(WEBHOOK, content=large.body + b" " * LIMIT, headers=large.signed())
        assert code(reply) == (413, "too-large")


async def test_one_that_does_not_say_how_large_it_is(admin: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b" " * (1024 * 1024)

    await believe(admin, events.GITHUB.secrets)
    reply = await nobody.post(WEBHOOK, content=endless(), headers=events.GITHUB.signed())
    assert code(reply) == (413, "too-large")
    assert taken <= LIMIT // (1024 * 1024) + 2


async def test_many_large_ones_at_once_are_bounded(world: World, admin: httpx2.AsyncClient) -> None:
    await believe(admin, events.GITHUB.secrets)
    hold = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * (1024 * 1024)
        yield b" " * (1024 * 1024)
        await hold.wait()
        yield b"{}"

    async def one() -> httpx2.Response:
        async with world.client("") as client:
            return await client.post(WEBHOOK, content=slow(), headers=events.GITHUB.signed())

    tasks = [asyncio.create_task(one()) for _ in range(11)]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    assert [code(task.result()) for task in done] == [(429, "busy")]
    # A small one does not wait for them.
    async with world.client("") as client:
        assert (await send(client, events.GITHUB)).status_code == 200
    hold.set()
    assert {code(await task) for task in waiting} == {(403, "webhook-refused")}


# --- what they are believed by


async def test_secrets_are_stored_encrypted_and_never_shown(
    world: World, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    given = secret({keys.GITHUB: SECRET, "admin.password": "$2a$10$x"}, stringData={keys.GITLAB: "plain"})
    dry = await admin.post(APPLY, json=given, params={"dry_run": True})
    [result] = dry.json()["results"]
    assert (result["kind"], result["name"], result["action"]) == ("Secret", "argocd-secret", "would-create")
    [warning] = result["warnings"]
    assert warning.startswith("data.admin.password is not served") and "$2a" not in warning
    assert await world.store.get_setting(SETTING) is None
    [result] = (await admin.post(APPLY, json=given)).json()["results"]
    assert result["action"] == "created"
    stored = await world.store.get_setting(SETTING)
    assert stored and SECRET not in stored and SECRET.encode() not in base64.b64decode(stored)
    [result] = (await admin.post(APPLY, json=given)).json()["results"]
    assert result["action"] == "unchanged"
    [result] = (await admin.post(APPLY, json=secret({keys.GITHUB: "changed"}))).json()["results"]
    assert result["action"] == "configured"
    told = [e.message for e in await world.store.list_events() if e.reason == "WebhookSecretsChanged"]
    assert told == [
        "what webhooks are believed by was set: webhook.github.secret; removed: webhook.gitlab.secret",
        "what webhooks are believed by was set: webhook.github.secret, webhook.gitlab.secret",
    ]
    assert (await reader.post(APPLY, json=given)).status_code == 403
    assert SECRET not in repr(await world.api.webhook_secrets.read())


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"data": {keys.GITHUB: "not base64!"}}, "data.webhook.github.secret is no text in base64"),
        ({"stringData": {keys.GITHUB: 12345}}, "stringData.webhook.github.secret is no text: write it in quotes"),
        ({"stringData": {keys.GITHUB: "secret\n"}}, "holds a line break"),
        ({"stringData": {keys.GITHUB: "$other:key"}}, "refers to another Secret"),
        ({"stringData": {keys.GITHUB: "x" * 5000}}, "is longer than 4096 bytes"),
        ({"stringData": {keys.AZURE_USER: "hub"}}, "go together"),
        ({"stringData": "12345"}, "stringData is no mapping"),
    ],
)
async def test_secrets_that_cannot_be_meant(
    values: dict[str, Any], problem: str, world: World, admin: httpx2.AsyncClient
) -> None:
    reply = await admin.post(APPLY, json=secret({}) | values)
    assert reply.status_code == 422 and problem in reply.json()["error"]["message"]
    assert "12345" not in reply.text
    assert await world.store.get_setting(SETTING) is None


async def test_another_replica_s_secrets_count_at_once(world: World, nobody: httpx2.AsyncClient, told: Told) -> None:

    assert (await send(nobody, events.GITLAB)).status_code == 200
    secrets = WebhookSecrets({keys.GITLAB: "another"})
    await world.store.put_setting(SETTING, sealed(secrets, world.services.sealer))
    assert code(await send(nobody, events.GITLAB)) == (403, "webhook-refused")
