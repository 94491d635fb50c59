"""Repositories and credential templates: who the hub is where sources come from. Secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.convert_entries import repository_item, repository_of, template_item, template_of
from hub.api.errors import documented
from hub.api.models.repository import (
    EntryRemoved,
    EntryStored,
    RepositoryBody,
    RepositoryItem,
    RepositoryList,
    RepositoryTest,
    TemplateBody,
    TemplateItem,
    TemplateList,
    TestReply,
)
from hub.api.params import Continue, InProject, Limit, page
from hub.api.routes.router import private_router
from hub.api.store_entries import (
    carry_out_entry,
    find_entry,
    object_name,
    prepare_entry,
    readable,
    refuse_other,
    registered,
    remove_entry,
)
from hub.domain.repo_access import Registered
from hub.domain.repo_url import repo_key
from hub.domain.repository import CredentialTemplate, Repository
from hub.errors import NotFound
from hub.source.check import checked_entry
from hub.source.vault import REPOSITORY, TEMPLATE, Entry, entry_id

router = private_router("repositories")

EntryId = Annotated[str, Path(pattern="^[0-9a-f]{1,64}$", description="The entry's id, as lists say it.")]
ForUrl = Annotated[str, Query(max_length=2048, description="Only this URL's, however it is spelled.")]
Upsert = Annotated[bool, Query(description="Replace what is registered there; all of it, secrets too.")]

_PUT = documented("invalid", "conflict", "repository-refused")


@router.get("/repositories", operation_id="listRepositories", summary="Registered repositories, by URL")
async def list_repositories(
    api: ApiDep, caller: CallerDep, url: ForUrl = "", project: InProject = "", limit: Limit = 1000, after: Continue = ""
) -> RepositoryList:
    repositories, _, everything = await readable(api, caller)
    found = sorted((r for r in repositories if _wanted(r, url, project)), key=_order)
    items, rest = page(found, [_order(r) for r in found], limit, after)
    return RepositoryList(items=[repository_item(r, everything) for r in items], continue_=rest)


@router.put(
    "/repositories",
    operation_id="putRepository",
    summary="Register a repository, or replace what is registered of it",
    responses=_PUT,
)
async def put_repository(body: RepositoryBody, api: ApiDep, caller: CallerDep, upsert: Upsert = False) -> EntryStored:
    return await _put(api, caller, repository_of(body), upsert=upsert)


@router.post(
    "/repositories/test",
    operation_id="testRepository",
    summary="Ask a repository's server whether it lets the hub in",
    responses=documented(
        "invalid", "not-found", "busy", "repository-refused", "repository-denied", "repository-unreachable"
    ),
)
async def test_repository(body: RepositoryTest, api: ApiDep, caller: CallerDep) -> TestReply:
    given = repository_of(body)
    repositories, templates = await registered(api)
    if body.stored:
        caller.require("repositories", "update", object_name(given))
        found = Registered(repositories).repository(given.url, given.project)
        if found is None:
            raise NotFound(f"no repository is registered for {given.url}")
    else:
        found = checked_entry(given, tuple(api.services.settings.file_prefixes))
        caller.require("repositories", "create", object_name(found))
    # As it would be read, were it registered: with the template where it has no credentials, and the host's trust.
    trust = await api.services.store.list_host_trust()
    access = Registered([found], templates, trust).access(found.url, found.project)
    async with api.probing.turn():
        await api.services.prober.probe(found, access)
    return TestReply(url=found.url, message=f"{found.url} can be read")


@router.get(
    "/repositories/{entry}",
    operation_id="getRepository",
    summary="One registered repository",
    responses=documented("not-found"),
)
async def get_repository(entry: EntryId, api: ApiDep, caller: CallerDep) -> RepositoryItem:
    found = await find_entry(api, caller, REPOSITORY, entry, "get")
    assert isinstance(found, Repository)
    return repository_item(found, Registered(*await registered(api)))


@router.delete(
    "/repositories/{entry}",
    operation_id="removeRepository",
    summary="Forget a repository and its credentials",
    responses=documented("not-found"),
)
async def remove_repository(entry: EntryId, api: ApiDep, caller: CallerDep) -> EntryRemoved:
    found = await find_entry(api, caller, REPOSITORY, entry, "delete")
    await remove_entry(api, caller, found)
    return EntryRemoved(id=entry, url=found.url)


@router.get("/repository-credentials", operation_id="listTemplates", summary="Credential templates, by URL prefix")
async def list_templates(
    api: ApiDep, caller: CallerDep, url: ForUrl = "", project: InProject = "", limit: Limit = 1000, after: Continue = ""
) -> TemplateList:
    _, templates, _ = await readable(api, caller)
    found = sorted((t for t in templates if _wanted(t, url, project)), key=_order)
    items, rest = page(found, [_order(t) for t in found], limit, after)
    return TemplateList(items=[template_item(t) for t in items], continue_=rest)


@router.put(
    "/repository-credentials",
    operation_id="putTemplate",
    summary="Make a credential template, or replace one",
    responses=_PUT,
)
async def put_template(body: TemplateBody, api: ApiDep, caller: CallerDep, upsert: Upsert = False) -> EntryStored:
    return await _put(api, caller, template_of(body), upsert=upsert)


@router.get(
    "/repository-credentials/{entry}",
    operation_id="getTemplate",
    summary="One credential template",
    responses=documented("not-found"),
)
async def get_template(entry: EntryId, api: ApiDep, caller: CallerDep) -> TemplateItem:
    found = await find_entry(api, caller, TEMPLATE, entry, "get")
    assert isinstance(found, CredentialTemplate)
    return template_item(found)


@router.delete(
    "/repository-credentials/{entry}",
    operation_id="removeTemplate",
    summary="Forget a credential template",
    responses=documented("not-found"),
)
async def remove_template(entry: EntryId, api: ApiDep, caller: CallerDep) -> EntryRemoved:
    found = await find_entry(api, caller, TEMPLATE, entry, "delete")
    await remove_entry(api, caller, found)
    return EntryRemoved(id=entry, url=found.url)


async def _put(api: Api, caller: Caller, entry: Entry, *, upsert: bool) -> EntryStored:
    change = await prepare_entry(api, caller, entry)
    if not upsert:
        refuse_other(change)
    await carry_out_entry(api, caller, change)
    return EntryStored(id=change.id, url=change.wanted.url, action=change.action)  # type: ignore[arg-type]


def _wanted(entry: Entry, url: str, project: str) -> bool:
    return (not url or repo_key(entry.url) == repo_key(url)) and (not project or entry.project == project)


def _order(entry: Entry) -> str:
    """Return what pages go on from."""
    kind = REPOSITORY if isinstance(entry, Repository) else TEMPLATE
    return f"{entry.url[:200]} {entry_id(kind, entry.url, entry.project)}"
