"""Registered repositories and what hosts are believed by, on every database."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, datetime

import pytest

from hub.domain.pki import Authority
from hub.domain.repository import HostTrust, SealedEntry
from hub.store.sql import SqlStore


def entry(id: str, **values: object) -> SealedEntry:
    given = {"kind": "repository", "project": "", "url": f"https://git.example.com/{id}", "sealed": b"\0\xff"}
    return SealedEntry(id, **(given | values))  # type: ignore[arg-type]


async def test_entries(store: SqlStore) -> None:
    assert await store.list_entries() == []
    a, b, c = entry("a"), entry("b", project="team"), entry("c", kind="template")
    await store.put_entries([c, b, a])
    assert await store.list_entries() == [a, b, c]
    again = dataclasses.replace(a, sealed=b"new")
    await store.put_entries([again])
    assert await store.list_entries() == [again, b, c]
    assert await store.remove_entry("b")
    assert not await store.remove_entry("b")
    assert await store.list_entries() == [again, c]


async def test_what_hosts_are_believed_by(store: SqlStore) -> None:
    first = HostTrust("ssh", "git.example.com", "ssh-ed25519", "AAAA")
    second = dataclasses.replace(first, data="BBBB")
    tls = HostTrust("https", "git.example.com", "", "PEM")
    await store.put_host_trust([first, second, tls])
    # A host may have several keys of a type, and has certificates once.
    renewed = dataclasses.replace(tls, data="PEM 2")
    await store.put_host_trust([renewed, first])
    found = await store.list_host_trust()
    assert found[0] == renewed
    assert sorted(found[1:], key=lambda t: t.data) == [first, second]
    assert await store.remove_host_trust([first.id, renewed.id, "none"]) == 2
    assert await store.list_host_trust() == [second]


async def test_everything_encrypted_is_encrypted_again_or_nothing(store: SqlStore) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await store.put_authority(Authority("one", "ca", b"certificate", b"key", "active", at))
    await store.put_authority(Authority("gone", "ca", b"certificate", b"", "retired", at))
    await store.put_entries([entry("a"), entry("b", kind="template")])
    await store.put_setting("sealed/c", base64.b64encode(b"secret").decode())
    await store.put_setting("plain", "text")
    before = (await store.list_authorities(), await store.list_entries())

    def breaks(sealed: bytes, purpose: str) -> bytes:
        if purpose == "template/b":
            raise ValueError("in the middle")
        return b"new"

    with pytest.raises(ValueError, match="in the middle"):
        await store.reseal(breaks)
    assert (await store.list_authorities(), await store.list_entries()) == before
    assert await store.reseal(lambda sealed, purpose: sealed + purpose.encode()) == 4
    keys = {authority.id: authority.private_key for authority in await store.list_authorities()}
    assert keys == {"one": b"keyauthority/one", "gone": b""}
    assert {e.sealed for e in await store.list_entries()} == {b"\0\xffrepository/a", b"\0\xfftemplate/b"}
    assert base64.b64decode(await store.get_setting("sealed/c") or "") == b"secretsealed/c"
    assert await store.get_setting("plain") == "text"
