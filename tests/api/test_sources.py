"""Naming some of several sources: in a sync, in what would change, in what was deployed once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from hub.domain.application import Application, Automated, Source, SyncPolicy
from hub.domain.manifest import digest_of
from hub.domain.revision import Revision, SourceRevision
from hub.domain.sources import SourceChoice
from hub.fleet.previews import Preview
from tests.api.kit import COMMIT, OLDER, Agents, World, operation
from tests.api.test_diffs import GZIP, SET, Renderer, renderer

__all__ = ["renderer"]

SHOP = "/api/v1/applications/shop"
CHART = Source("https://u:secret@git.example/charts.git", path="web", name="chart")
VALUES = Source("https://git.example/values.git", ref="values", name="values", target_revision="main")
MORE = Source("https://git.example/more.git", path="more")
OTHER = "beef" + "3" * 36


async def several(world: World, *sources: Source, automated: bool = False) -> Application:
    """An application of several sources on one cluster."""
    await world.cluster("paris")
    policy = SyncPolicy(Automated()) if automated else SyncPolicy()
    application = await world.application(sources=sources or (CHART, VALUES, MORE), sync_policy=policy)
    await world.assign(application, "uid-paris")
    return application


def asked(*revisions: str, **named: list[Any]) -> dict[str, Any]:
    return {"revisions": list(revisions), **{f"source_{key}": value for key, value in named.items()}}


@pytest.mark.parametrize("named", [{"positions": [3, 1]}, {"names": ["values", "chart"]}])
async def test_a_sync_of_some_sources_to_revisions_of_their_own(
    world: World, admin: httpx2.AsyncClient, named: dict[str, list[Any]]
) -> None:
    await several(world)
    assert (await admin.post(f"{SHOP}/sync", json=asked("v2", "v1", **named))).status_code == 202
    [request] = await world.store.operation_requests("argocd/shop")
    first = (2, MORE) if "positions" in named else (1, VALUES)
    assert request.revisions == (
        SourceChoice(first[0], "v2", first[1].repo_url),
        SourceChoice(0, "v1", CHART.repo_url),
    )
    assert request.target_revision == ""
    reply = await admin.get(f"{SHOP}/operations")
    [item] = reply.json()["items"]
    assert item["revisions"] == [
        {"position": first[0] + 1, "repo": first[1].repo_url, "revision": "v2"},
        {"position": 1, "repo": "https://git.example/charts.git", "revision": "v1"},
    ]
    assert "secret" not in reply.text


UNCLEAR: list[tuple[dict[str, Any], str]] = [
    (asked("v1", positions=[4]), "no source at position 4"),
    (asked("v1", positions=[0]), "no source at position 0"),
    (asked("v1", "v2", positions=[1, 1]), "source 1 is named more than once"),
    (asked("v1", "v2", names=["chart", "chart"]), "source 1 is named more than once"),
    (asked("v1", "v2", positions=[1]), "2 of --revisions and 1 of --source-positions"),
    (asked("v1", names=["chart", "values"]), "1 of --revisions and 2 of --source-names"),
    (asked("v1"), "1 of --revisions and 0 of --source-positions"),
    (asked(positions=[1]), "0 of --revisions and 1 of --source-positions"),
    (asked("v1", names=["nobody"]), "no source named 'nobody'"),
    (asked("v1", names=["chart"], positions=[1]), "by position and by name"),
    ({"revision": "v1"}, "2 sources that are rendered"),
    ({"revision": "v1"} | asked("v1", positions=[1]), "--revision and --revisions are both given"),
]


@pytest.mark.parametrize(("question", "problem"), UNCLEAR)
@pytest.mark.parametrize("route", ["sync", "diff", "manifests"])
async def test_what_is_unclear_is_told_with_the_sources_there_are(
    world: World, admin: httpx2.AsyncClient, question: dict[str, Any], problem: str, route: str
) -> None:
    await several(world)
    if route == "sync":
        reply = await admin.post(f"{SHOP}/sync", json=question)
    else:
        # What was deployed is found by a commit of any source.
        if route == "manifests" and question == {"revision": "v1"}:
            return
        question = {key: value.replace("v1", OTHER) if key == "revision" else value for key, value in question.items()}
        reply = await admin.get(f"{SHOP}/{route}", params=question)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (422, "unclear-source"), error
    assert problem in error["message"]
    assert error["message"].endswith(
        "Its sources are 1 https://git.example/charts.git web (named 'chart'), 2 https://git.example/values.git "
        "(named 'values', ref 'values'), 3 https://git.example/more.git more"
    )
    assert await world.store.operation_requests("argocd/shop") == []


async def test_a_name_that_two_sources_have_and_more_sources_than_are_told(
    world: World, admin: httpx2.AsyncClient
) -> None:
    await several(world, *(replace(MORE, name="twin", path=f"p{n}") for n in range(30)))
    error = (await admin.post(f"{SHOP}/sync", json=asked("v1", names=["twin"]))).json()["error"]
    assert "30 of its sources are named 'twin': name it by position" in error["message"]
    assert error["message"].endswith("10 https://git.example/more.git p9 (named 'twin'), and 20 more")


@pytest.mark.parametrize(
    "body",
    [
        asked(*["v"] * 101, positions=list(range(1, 102))),
        asked("v" * 256, positions=[1]),
        asked("", positions=[1]),
        asked("v", positions=[-1]),
        asked("v", positions=[2**31]),
        asked("v", positions=["x"]),
        asked("v", names=["x" * 256]),
    ],
)
async def test_lists_are_bounded(world: World, admin: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    await several(world)
    reply = await admin.post(f"{SHOP}/sync", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "bad-body")
    reply = await admin.get(f"{SHOP}/diff", params=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "bad-body")


async def test_a_revision_alone_is_of_the_only_source_that_is_rendered(world: World, admin: httpx2.AsyncClient) -> None:
    await several(world, CHART, VALUES)
    assert (await admin.post(f"{SHOP}/sync", json={"revision": "v2"})).status_code == 202
    [request] = await world.store.operation_requests("argocd/shop")
    assert (request.target_revision, request.revisions) == ("v2", ())


async def test_an_automated_application_goes_to_no_other_revision_of_any_source(
    world: World, admin: httpx2.AsyncClient
) -> None:
    await several(world, automated=True)
    reply = await admin.post(f"{SHOP}/sync", json=asked("HEAD", "v2", positions=[1, 2]))
    assert reply.status_code == 409
    assert "source 2 of application shop is synced automatically to 'main'" in reply.json()["error"]["message"]
    for harmless in (asked("HEAD", "main", positions=[1, 2]), asked("v2", positions=[2]) | {"dry_run": True}):
        assert (await admin.post(f"{SHOP}/sync", json=harmless)).status_code == 202
    refresh = asked("main", positions=[2]) | {"retry": {"refresh": True}}
    assert (await admin.post(f"{SHOP}/sync", json=refresh)).json()["error"]["code"] == "invalid"


async def test_what_would_change_at_revisions_of_some_sources(
    world: World, admin: httpx2.AsyncClient, agents: Agents, renderer: Renderer
) -> None:
    await several(world)
    agents.answers["uid-paris"] = {"resources": []}
    renderer.preview = Preview({"uid-paris": SET})
    reply = await admin.get(f"{SHOP}/diff", params=asked("v1", "v2", positions=[1, 3]))
    assert reply.json()["items"] == [{"cluster": "paris", "error": None, "resources": []}]
    [wish] = renderer.wishes
    assert wish == {
        "application": "argocd/shop",
        "revisions": [
            {"position": 0, "revision": "v1", "repo_url": CHART.repo_url},
            {"position": 2, "revision": "v2", "repo_url": MORE.repo_url},
        ],
    }
    both = await admin.get(f"{SHOP}/diff", params=asked("v1", positions=[1]) | {"history_id": 1})
    assert (both.status_code, both.json()["error"]["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("named", "position"),
    [({"source_position": 1}, 0), ({"source_name": "values"}, 1), ({"source_position": 2, "path": "."}, 1)],
)
async def test_files_in_the_place_of_one_source(
    world: World,
    admin: httpx2.AsyncClient,
    agents: Agents,
    renderer: Renderer,
    named: dict[str, Any],
    position: int,
) -> None:
    await several(world)
    agents.answers["uid-paris"] = {"resources": []}
    renderer.preview = Preview({"uid-paris": SET})
    reply = await admin.post(f"{SHOP}/diff", content=b"packed", headers=GZIP, params=named)
    assert reply.status_code == 200, reply.text
    [wish] = renderer.wishes
    assert (wish["upload"], wish["position"]) == (digest_of(b"packed"), position)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ({}, "2 sources that are rendered, and files do not say in the place of which they are"),
        ({"source_position": 4}, "no source at position 4"),
        ({"source_name": "nobody"}, "no source named 'nobody'"),
        ({"source_position": 1, "source_name": "chart"}, "by position and by name"),
        ({"source_name": "values", "path": "deep"}, "source 2 has no path"),
    ],
)
async def test_files_in_the_place_of_nobody_knows_which(
    world: World, admin: httpx2.AsyncClient, named: dict[str, Any], problem: str
) -> None:
    await several(world)
    reply = await admin.post(f"{SHOP}/diff", content=b"packed", headers=GZIP, params=named)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], problem in error["message"]) == (422, "unclear-source", True), error
    assert await world.store.get_blobs([digest_of(b"packed")]) == {}, "nothing is kept of it"


async def test_what_was_deployed_is_found_by_the_commits_of_its_sources(
    world: World, admin: httpx2.AsyncClient
) -> None:
    shop = await several(world, CHART, VALUES)

    async def deployed(set_of: str, *commits: str) -> str:
        world.clock.advance(seconds=1)
        read = Revision(tuple(SourceRevision("https://git.example", commit) for commit in commits))
        digest = (await world.rendered(set_of)).digest
        state = replace(operation(world.clock, manifest_set=digest), revision=read)
        await world.store.put_operations([("uid-paris", str(shop.id), state)])
        return digest

    both = await deployed("both", COMMIT, OLDER)
    # The same manifests once more, of other commits: they are found by these, too.
    assert await deployed("both", OTHER, OLDER) == both
    swapped = await deployed("swapped", OLDER, COMMIT)

    async def found(**query: Any) -> Any:
        reply = await admin.get(f"{SHOP}/manifests", params=query)
        return [item["manifest_set"] for item in reply.json()["items"]] if reply.status_code == 200 else reply

    assert await found(**asked(COMMIT[:7], OLDER[:7], positions=[1, 2])) == [both]
    assert await found(**asked(OLDER[:7].upper(), positions=[1])) == [swapped]
    assert await found(**asked(OTHER[:7], names=["chart"])) == [both]
    assert set(await found(revision=OLDER[:7])) == {both, swapped}, "of any source"
    missing = await found(**asked(OTHER[:7], COMMIT[:7], positions=[1, 2]))
    words = f"never deployed at {OTHER[:7]} of source 1 and {COMMIT[:7]} of source 2"
    assert (missing.status_code, words in missing.json()["error"]["message"]) == (404, True)
    assert (await found(**asked("abc", positions=[1]))).status_code == 422
    [newest, *_] = (await admin.get(f"{SHOP}/history")).json()["items"]
    assert [revision["revision"] for revision in newest["revisions"]] == [OLDER, COMMIT]


async def test_what_an_operation_was_made_of_is_told_source_by_source(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await several(world, CHART, VALUES)
    read = Revision((SourceRevision("https://a", COMMIT), SourceRevision("https://b", OLDER)))
    await world.report(shop, "uid-paris", operation=replace(operation(world.clock), revision=read))
    detail = (await admin.get(SHOP)).json()
    [row] = detail["clusters"]
    assert row["operation"]["revisions"] == [COMMIT, OLDER]
    assert [(source["name"], source["ref"]) for source in detail["summary"]["sources"]] == [
        ("chart", ""),
        ("values", "values"),
    ]
