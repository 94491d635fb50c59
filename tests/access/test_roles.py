from __future__ import annotations

import pytest

from hub.access.audit import Audit
from hub.access.roles import ACTIONS, ADMIN, READ_ONLY, RESOURCES, BuiltInRoles, require
from hub.domain.access import Account
from hub.errors import PermissionDenied
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock


def account(role: str, enabled: bool = True) -> Account:
    return Account("ann", "", enabled, role)


def test_administrators_may_everything_there_is() -> None:
    assert all(BuiltInRoles().may(account(ADMIN), r, a) for r in RESOURCES for a in ACTIONS)
    assert BuiltInRoles().may(account(ADMIN), "applications", "delete/apps/Deployment/ns/web", "team/shop")
    assert not BuiltInRoles().may(account(ADMIN), "applications", "frobnicate")
    assert not BuiltInRoles().may(account(ADMIN), "secrets", "get")


def test_readers_may_look_and_not_enter() -> None:
    allowed = {(r, a) for r in RESOURCES for a in ACTIONS if BuiltInRoles().may(account(READ_ONLY), r, a)}
    assert allowed == {(r, "get") for r in RESOURCES - {"exec"}}


@pytest.mark.parametrize("who", [account(ADMIN, enabled=False), account(""), account("role:other"), account("admin")])
def test_everybody_else_may_nothing(who: Account) -> None:
    assert not any(BuiltInRoles().may(who, r, a) for r in RESOURCES for a in ACTIONS)


def test_refusal_says_what_and_on_what() -> None:
    with pytest.raises(PermissionDenied, match="account ann may not sync applications on team/shop"):
        require(BuiltInRoles(), account(READ_ONLY), "applications", "sync", "team/shop")
    require(BuiltInRoles(), account(READ_ONLY), "applications", "get", "team/shop")


async def test_events_are_one_line_of_bounded_text() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    await Audit(store, clock).record("Synced", "a\nb\x1b" + "x" * 999, actor="ann\r", application="argocd/shop")
    event = store.events[0]
    assert event.message.isprintable() and event.message.startswith("a b x") and len(event.message) == 500
    assert (event.actor, event.application, event.severity) == ("ann ", "argocd/shop", "info")
