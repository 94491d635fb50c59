"""Storing repositories, credential templates and what hosts are believed by: the same rules for every route that does.

Everybody who may look at an entry sees that there is a password; nobody is ever given it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.api.context import Api, Caller
from hub.api.models.objects import Action
from hub.domain.repo_access import Registered
from hub.domain.repository import CredentialTemplate, HostTrust, Repository
from hub.errors import Conflict, Invalid, NotFound
from hub.source.check import MOST_ENTRIES, MOST_TRUST_BYTES, checked_entry, checked_trust
from hub.source.entries import open_entries
from hub.source.vault import REPOSITORY, TEMPLATE, Entry, entry_id, kind_of, seal_entry

_WORDS = {REPOSITORY: "repository", TEMPLATE: "credential template"}


@dataclass(frozen=True, slots=True)
class EntryChange:
    """An entry that is to be stored, over the one that is."""

    wanted: Entry
    stored: Entry | None

    @property
    def id(self) -> str:
        return entry_id(kind_of(self.wanted), self.wanted.url, self.wanted.project)

    @property
    def action(self) -> Action:
        if self.stored is None:
            return "created"
        same = replace(self.stored, changed_at=None, changed_by="") == replace(
            self.wanted, changed_at=None, changed_by=""
        )
        return "unchanged" if same else "configured"


@dataclass(frozen=True, slots=True)
class TrustChange:
    """Host keys and certificates that are to be stored, beside those that are."""

    wanted: Sequence[HostTrust]
    """Those that are new, or another now."""
    unchanged: int
    name: str
    """Of the object they came in."""

    @property
    def action(self) -> Action:
        if not self.wanted:
            return "unchanged"
        return "configured" if self.unchanged else "created"


def object_name(entry: Entry) -> str:
    """Return how policies name an entry, as in Argo CD."""
    return f"{entry.project}/{entry.url}" if entry.project else entry.url


async def registered(api: Api) -> tuple[list[Repository], list[CredentialTemplate]]:
    return open_entries(await api.services.store.list_entries(), api.services.sealer)


async def readable(api: Api, caller: Caller) -> tuple[list[Repository], list[CredentialTemplate], Registered]:
    """Return the entries that the caller may look at, and what all of them come to."""
    repositories, templates = await registered(api)

    def shown(entry: Entry) -> bool:
        return caller.may("repositories", "get", object_name(entry))

    everything = Registered(repositories, templates)
    return [r for r in repositories if shown(r)], [t for t in templates if shown(t)], everything


async def find_entry(api: Api, caller: Caller, kind: str, id: str, action: str) -> Entry:
    """Raises NotFound, PermissionDenied."""
    repositories, templates = await registered(api)
    for entry in repositories if kind == REPOSITORY else templates:
        if entry_id(kind, entry.url, entry.project) == id:
            caller.require("repositories", action, object_name(entry))
            return entry
    caller.require("repositories", action)
    raise NotFound(f"there is no {_WORDS[kind]} {id}: list what there is")


async def prepare_entry(api: Api, caller: Caller, given: Entry) -> EntryChange:
    """Look through an entry, and at what is stored in its place.

    Raises Invalid, RepositoryRefused, PermissionDenied.
    """
    wanted = checked_entry(given, tuple(api.services.settings.file_prefixes))
    kind = kind_of(wanted)
    id = entry_id(kind, wanted.url, wanted.project)
    repositories, templates = await registered(api)
    known: list[Entry] = [*repositories, *templates]
    stored = next((e for e in known if kind_of(e) == kind and entry_id(kind, e.url, e.project) == id), None)
    caller.require("repositories", "create" if stored is None else "update", object_name(wanted))
    if stored is None and len(known) >= MOST_ENTRIES:
        raise Invalid(f"there are {MOST_ENTRIES:,} repositories and templates already: a template serves many")
    return EntryChange(wanted, stored)


async def carry_out_entry(api: Api, caller: Caller, change: EntryChange) -> None:
    """Store it, and have every controller told."""
    if change.action == "unchanged":
        return
    services = api.services
    entry = replace(change.wanted, changed_at=services.clock(), changed_by=caller.name)
    await services.store.put_entries([seal_entry(entry, services.sealer)])
    kind = kind_of(entry)
    verb = "registered" if change.stored is None else "changed"
    reason = ("Repository" if kind == REPOSITORY else "CredentialTemplate") + verb.capitalize()
    await services.audit.record(reason, f"{_WORDS[kind]} {_shown(entry)} was {verb}", actor=caller.name)
    await services.bus.publish("repositories")


async def remove_entry(api: Api, caller: Caller, entry: Entry) -> None:
    services = api.services
    kind = kind_of(entry)
    await services.store.remove_entry(entry_id(kind, entry.url, entry.project))
    reason = "RepositoryRemoved" if kind == REPOSITORY else "CredentialTemplateRemoved"
    await services.audit.record(reason, f"{_WORDS[kind]} {_shown(entry)} was removed", actor=caller.name)
    await services.bus.publish("repositories")


def refuse_other(change: EntryChange) -> None:
    """Raises Conflict when something else is registered there, for a caller who did not mean to replace it."""
    if change.action == "configured":
        raise Conflict(
            f"{_shown(change.wanted)} is registered already, and otherwise: give --upsert to replace all of it"
        )


async def prepare_trust(api: Api, caller: Caller, items: Sequence[HostTrust], name: str = "") -> TrustChange:
    """Look through host keys and certificates. Raises Invalid, PermissionDenied."""
    caller.require("certificates", "create")
    given = checked_trust(items)
    stored = {item.id: item for item in await api.services.store.list_host_trust()}
    wanted = {item.id: item for item in given if stored.get(item.id) != item}
    for item in wanted.values():
        caller.require("certificates", "update" if item.id in stored else "create", item.server)
    size = sum(len(item.line) for item in (stored | wanted).values() if item.kind == "ssh")
    if size > MOST_TRUST_BYTES:
        raise Invalid(f"all host keys together would have more than {MOST_TRUST_BYTES:,} bytes: remove some")
    if len(stored | wanted) > MOST_ENTRIES:
        raise Invalid(f"there would be more than {MOST_ENTRIES:,} host keys and certificates: remove some")
    return TrustChange(list(wanted.values()), len({item.id for item in given}) - len(wanted), name)


async def refuse_trust(api: Api, change: TrustChange) -> None:
    """Raises Conflict when a host has other certificates already, for a caller who did not mean to replace them."""
    stored = {item.id for item in await api.services.store.list_host_trust()}
    if others := [item.server for item in change.wanted if item.id in stored]:
        raise Conflict(f"{others[0]} has other certificates already: give --upsert to replace them")


async def carry_out_trust(api: Api, caller: Caller, change: TrustChange) -> None:
    if not change.wanted:
        return
    services = api.services
    await services.store.put_host_trust(change.wanted)
    names = ", ".join(dict.fromkeys(f"{item.server} {item.subtype}".strip() for item in change.wanted))
    await services.audit.record("CertificatesAdded", f"hosts are believed by: {names}", actor=caller.name)
    await services.bus.publish("repositories")


async def remove_trust(api: Api, caller: Caller, items: Sequence[HostTrust]) -> None:
    services = api.services
    for item in items:
        caller.require("certificates", "delete", item.server)
    await services.store.remove_host_trust([item.id for item in items])
    names = ", ".join(dict.fromkeys(f"{item.server} {item.subtype}".strip() for item in items))
    await services.audit.record("CertificatesRemoved", f"hosts are believed no more by: {names}", actor=caller.name)
    await services.bus.publish("repositories")


def _shown(entry: Entry) -> str:
    return f"{entry.url} of project {entry.project}" if entry.project else entry.url
