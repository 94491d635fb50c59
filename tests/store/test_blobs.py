from __future__ import annotations

import asyncio

from hub.domain.manifest import ManifestSetRef, digest_of
from hub.store.contract import RenderRecord
from hub.store.sql import SqlStore
from tests.store.builders import Clock


def blobs(*contents: bytes) -> dict[str, bytes]:
    return {digest_of(content): content for content in contents}


async def test_blobs_come_back_as_they_were_put(store: SqlStore) -> None:
    given = blobs(b"", b"{}", bytes(range(256)), b"x" * 3_000_000)
    assert await store.put_blobs(given) == 4
    assert await store.get_blobs([*given, "f" * 64]) == given
    assert await store.have_blobs([*given, "f" * 64]) == set(given)
    assert await store.get_blobs([]) == {}
    assert await store.have_blobs([]) == set()


async def test_only_new_ones_are_counted(store: SqlStore) -> None:
    assert await store.put_blobs(blobs(b"a", b"b")) == 2
    assert await store.put_blobs(blobs(b"b", b"c")) == 1
    assert await store.put_blobs(blobs(b"a", b"b", b"c")) == 0
    assert await store.put_blobs({}) == 0


async def test_those_known_for_long_are_not_counted_again(store: SqlStore, clock: Clock) -> None:
    await store.put_blobs(blobs(b"a", b"b"))
    clock.advance(days=3)
    assert await store.put_blobs(blobs(b"b", b"c")) == 1


async def test_concurrent_puts_of_the_same(store: SqlStore) -> None:
    contents = [b"%d" % number for number in range(50)]
    await asyncio.gather(*(store.put_blobs(blobs(*contents[start:], *contents[:start])) for start in range(0, 50, 10)))
    assert await store.get_blobs(list(blobs(*contents))) == blobs(*contents)


async def test_renders(store: SqlStore) -> None:
    good = RenderRecord("key-1", ManifestSetRef("a" * 64, 3, b"\xff\x00", "k"), warnings=("deprecated",))
    bad = RenderRecord("key-2", None, "chart not found")
    await store.put_render(good)
    await store.put_render(bad)
    assert await store.get_renders(["key-1", "key-2", "key-3"]) == {"key-1": good, "key-2": bad}
    mended = RenderRecord("key-2", ManifestSetRef("b" * 64, 1))
    await store.put_render(mended)
    await store.remove_renders(["key-1", "key-3"])
    assert await store.get_renders(["key-1", "key-2"]) == {"key-2": mended}
    assert await store.get_renders([]) == {}
