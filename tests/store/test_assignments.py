from __future__ import annotations

import asyncio
from dataclasses import replace

from hub.domain.application import Deletion
from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSetRef
from hub.store.sql import SqlStore
from tests.store.builders import START, add_clusters, application, content, request, status

SHOP = "argocd/shop"


async def one(store: SqlStore, cluster: str = "u1", application: str = SHOP) -> Assignment:
    found = await store.get_assignment(cluster, application)
    assert found is not None
    return found


async def test_an_assignment_comes_back_as_it_was_made(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    given = content(operation=request("op"), deletion=Deletion(True, "foreground", "alice", START))
    [made] = await store.assign([("u1", given)])
    assert made == Assignment("u1", given, 1, given.digest(), made.sequence)
    assert await one(store) == made
    assert await store.assignments_of_cluster("u1") == [made]
    assert await store.assignments_of_application(SHOP) == [made]
    assert await store.get_assignment("u1", "argocd/other") is None
    assert await store.assignments_of_cluster("u2") == []


async def test_the_same_content_changes_nothing(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content())])
    before, sequence = await one(store), await store.assignment_sequence()
    signed_again = content(manifest_set=ManifestSetRef("a" * 64, 2, b"another signature", "key-2"))
    assert await store.assign([("u1", content()), ("u1", signed_again)]) == []
    assert (await one(store), await store.assignment_sequence()) == (before, sequence)
    [made] = await store.assign([("u1", content()), ("u2", content())])
    assert made.cluster == "u2"


async def test_another_content_raises_generation_and_sequence(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    [first] = await store.assign([("u1", content())])
    await store.acknowledge([("u1", SHOP, 1, "manifest-too-large: 5 MB")])
    [second] = await store.assign([("u1", content(namespace="other"))])
    assert (second.generation, second.acknowledged_generation, second.refusal) == (2, 1, "")
    assert second.sequence > first.sequence
    assert await one(store) == second
    assert await store.assignment_sequence() == second.sequence


async def test_clusters_that_do_not_exist_are_skipped(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    made = await store.assign([("gone", content()), ("u1", content())])
    assert [a.cluster for a in made] == ["u1"]
    assert await store.assign([("gone", content())]) == []
    assert await store.assign([]) == []


async def test_the_last_of_two_contents_for_one_pair_counts(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    [made] = await store.assign([("u1", content()), ("u1", content(namespace="last"))])
    assert (made.content.namespace, made.generation) == ("last", 1)


async def test_many_clusters_share_one_stored_content(store: SqlStore) -> None:
    uids = [f"u{number:03d}" for number in range(120)]
    await add_clusters(store, *uids)
    shared = content()
    made = await store.assign([(uid, shared) for uid in uids])
    assert len({a.sequence for a in made}) == len(uids)
    found = await store.assignments_of_application(SHOP)
    assert found == made
    assert len({id(a.content) for a in found}) == 1
    # A content that nobody points at any more is all that there is to collect: there was only the one.
    await store.assign([(uid, content(namespace="moved")) for uid in uids])
    assert (await store.collect(START))["assignment contents"] == 1
    assert len(await store.assignments_of_application(SHOP)) == len(uids)


async def test_followers_miss_nothing(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2", "u3")
    await store.assign([(uid, content()) for uid in ("u1", "u2", "u3")])
    everything = await store.assignments_since(0)
    assert [a.sequence for a in everything] == sorted(a.sequence for a in everything)
    assert {a.cluster for a in everything} == {"u1", "u2", "u3"}
    seen = await store.assignment_sequence()
    await store.assign([("u2", content(namespace="other")), ("u3", content(namespace="other"))])
    assert [a.cluster for a in await store.assignments_since(seen)] == ["u2", "u3"]
    assert [a.cluster for a in await store.assignments_since(seen, ["u1", "u3", "u9"])] == ["u3"]
    assert await store.assignments_since(seen, []) == []
    assert await store.assignments_since(await store.assignment_sequence()) == []


async def test_index(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    other = content("argocd/other")
    await store.assign([("u1", content()), ("u1", other), ("u2", content())])
    await store.hold_back("u2", SHOP, 9)
    assert await store.assignment_index(["u1", "u2", "u9"]) == {
        "u1": {SHOP: (1, content().digest(), False), "argocd/other": (1, other.digest(), False)},
        "u2": {SHOP: (9, content().digest(), True)},
    }
    assert await store.assignment_index([]) == {}


async def test_current_sets_are_those_assigned_last(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content(set_digest="b" * 64)), ("u2", content(set_digest="b" * 64))])
    await store.assign([("u2", content(set_digest="c" * 64)), ("u1", content("argocd/other"))])
    assert await store.current_sets() == {SHOP: "c" * 64, "argocd/other": "a" * 64}


async def test_unassign_takes_the_status_along(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content()), ("u1", content("argocd/other")), ("u2", content())])
    await store.put_statuses([status("u1"), status("u1", "argocd/other"), status("u2")])
    await store.unassign([("u1", SHOP), ("u9", SHOP)])
    assert {(a.cluster, a.content.application) for a in await store.assignments_since(0)} == {
        ("u1", "argocd/other"),
        ("u2", SHOP),
    }
    assert {(s[1], s[0]) for s in await store.status_summaries()} == {("u1", "argocd/other"), ("u2", SHOP)}


async def test_acknowledgements_never_go_back(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    for namespace in ("a", "b", "c"):
        await store.assign([(uid, content(namespace=namespace)) for uid in ("u1", "u2")])
    await store.acknowledge([("u1", SHOP, 3, "refused: why"), ("u2", SHOP, 2, ""), ("gone", SHOP, 3, "")])
    await store.acknowledge([("u1", SHOP, 2, "")])
    first, second = await store.assignments_of_application(SHOP)
    assert (first.acknowledged_generation, first.refusal) == (3, "refused: why")
    assert (second.acknowledged_generation, second.refusal) == (2, "")
    await store.acknowledge([("u1", SHOP, 3, ""), ("u2", SHOP, 2, "late"), ("u2", SHOP, 3, "new"), ("u2", SHOP, 1, "")])
    first, second = await store.assignments_of_application(SHOP)
    assert (first.acknowledged_generation, first.refusal) == (3, "")
    assert (second.acknowledged_generation, second.refusal) == (3, "new")
    await store.acknowledge([])


async def test_the_refusal_of_what_was_replaced_is_forgotten(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    await store.assign([("u1", content())])
    await store.assign([("u1", content(namespace="fixed"))])
    await store.acknowledge([("u1", SHOP, 1, "refused: broken")])
    assert ((await one(store)).acknowledged_generation, (await one(store)).refusal) == (1, "")


async def test_text_from_an_agent_cannot_break_a_batch(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content()), ("u2", content())])
    await store.acknowledge([("u1", SHOP, 1, "a\0b"), ("u2", SHOP, 1, "fine"), ("u\0", "no\0", 1, "")])
    assert [a.refusal for a in await store.assignments_of_application(SHOP)] == ["a\ufffdb", "fine"]


async def test_held_back_until_assigned_again(store: SqlStore) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    await store.assign([("u1", content())])
    seen = await store.assignment_sequence()
    await store.hold_back("u1", SHOP, 7)
    held = await one(store)
    assert (held.generation, held.held) == (7, True)
    assert [a.held for a in await store.assignments_since(seen)] == [True]
    assert await store.take_refresh_requests() == {SHOP: "hard"}
    # The same digest: what the agent has under generation 7 may be something else, so it must be sent as newer.
    [sent] = await store.assign([("u1", content())])
    assert (sent.generation, sent.held) == (8, False)
    assert await one(store) == sent
    assert await store.assign([("u1", content())]) == []


async def test_holding_back_and_another_content(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    await store.assign([("u1", content())])
    await store.hold_back("u1", SHOP, 7)
    [sent] = await store.assign([("u1", content(namespace="other"))])
    assert (sent.generation, sent.held) == (8, False)


async def test_an_older_generation_holds_nothing_back(store: SqlStore) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    await store.assign([("u1", content())])
    before = await one(store)
    await store.hold_back("u1", SHOP, 1)
    assert await one(store) == before
    assert await store.take_refresh_requests() == {}


async def test_an_unknown_assignment_is_asked_for(store: SqlStore) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    await store.hold_back("u1", SHOP, 7)
    assert await store.get_assignment("u1", SHOP) is None
    assert await store.take_refresh_requests() == {SHOP: "hard"}


async def test_concurrent_moves_each_get_a_generation_and_a_sequence(store: SqlStore) -> None:
    await add_clusters(store, "u1", "u2")
    moves = [store.assign([(uid, content(namespace=f"n{number}")) for uid in ("u1", "u2")]) for number in range(20)]
    made = [assignment for batch in await asyncio.gather(*moves) for assignment in batch]
    for uid in ("u1", "u2"):
        assert sorted(a.generation for a in made if a.cluster == uid) == list(range(1, 21))
    assert len({a.sequence for a in made}) == 40
    newest = max((a for a in made if a.cluster == "u1"), key=lambda a: a.generation)
    assert await one(store) == newest


async def test_a_follower_that_reads_while_others_write_misses_nothing(store: SqlStore) -> None:
    """Reads on from the highest sequence seen; every assignment must turn up, whoever wrote it when."""
    uids = [f"u{number:02d}" for number in range(24)]
    await add_clusters(store, *uids)
    seen: dict[str, int] = {}
    writers = asyncio.gather(
        *(store.assign([(uid, replace(content(), namespace=str(n))) for uid in uids[n::8]]) for n in range(8))
    )
    sequence = 0
    finished = False
    while not finished:
        finished = writers.done()
        for assignment in await store.assignments_since(sequence):
            seen[assignment.cluster] = assignment.sequence
            sequence = assignment.sequence
    await writers
    assert set(seen) == set(uids)
