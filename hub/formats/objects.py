"""Reading a text of many objects: what `escadre apply -f` and an import are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.domain.application import Application
from hub.domain.project import Project
from hub.domain.repo_url import repo_key
from hub.domain.repository import CredentialTemplate, Repository, TrustedHosts
from hub.domain.settings import SystemSettings
from hub.domain.webhook_secrets import WebhookSecrets
from hub.formats import application, entries, project, settings, webhook_secrets
from hub.formats.errors import FormatError
from hub.formats.fields import Parsed, described
from hub.formats.limits import DEFAULT_LIMITS, Document, Limits
from hub.formats.metadata import API_VERSION, display_name, worded_kind
from hub.formats.yaml import load_documents

Parsable = (
    Parsed[Application]
    | Parsed[Project]
    | Parsed[SystemSettings]
    | Parsed[Repository]
    | Parsed[CredentialTemplate]
    | Parsed[TrustedHosts]
    | Parsed[WebhookSecrets]
)

_ITEM_KINDS = {"ApplicationList": application.KIND, "AppProjectList": project.KIND, "List": None}
"""Kinds that hold others, and the kind of items that do not say their own."""
_MOST_TOLD = 10


def parse_objects(
    text: str | bytes, *, name: str, strict: bool = False, limits: Limits = DEFAULT_LIMITS
) -> list[Parsable]:
    """Read every Application and AppProject of a text, and what Argo CD keeps in Secrets and ConfigMaps, in its order.

    Raises FormatError with what is wrong with each of them: a text is taken whole or not at all.
    """
    found: list[Parsable] = []
    errors: list[FormatError] = []
    first_seen: dict[tuple[str, str, str], Document] = {}
    for document in load_documents(text, name=name, limits=limits):
        for item in _items(document, errors):
            try:
                parsed = parse_object(item, strict=strict)
                _refuse_doubled(parsed, item, first_seen)
                found.append(parsed)
            except FormatError as error:
                errors.append(error)
    if errors:
        raise _joined(errors)
    return found


def parse_object(document: Document, *, strict: bool = False) -> Parsable:
    """Read one object of any of these kinds. Raises FormatError."""
    value = document.value
    if settings.is_settings(value):
        return settings.parse_settings(document, strict=strict)
    if entries.is_entry(value):
        return entries.parse_entry(document, strict=strict)
    if entries.is_trusted_hosts(value):
        return entries.parse_trusted_hosts(document, strict=strict)
    if webhook_secrets.is_webhook_secrets(value):
        return webhook_secrets.parse_webhook_secrets(document, strict=strict)
    kind = value.get("kind") if isinstance(value, Mapping) and value.get("apiVersion") == API_VERSION else None
    if kind == application.KIND:
        return application.parse_application(document, strict=strict)
    if kind == project.KIND:
        return project.parse_project(document, strict=strict)
    if kind == "ApplicationSet":
        raise _error(
            document,
            f"{display_name(value, kind)} is not served yet",
            "Give the Applications it would generate instead",
        )
    what = worded_kind(value) if isinstance(value, Mapping) else described(value)
    named = f' "{_name(value)}"' if _name(value) else ""
    raise _error(
        document,
        f"this is {what}{named}, and only {API_VERSION} {application.KIND} and {project.KIND} objects, the "
        f"{settings.KIND} {settings.NAME} and the {webhook_secrets.KIND} {webhook_secrets.NAME} are taken here, and "
        "Argo CD's Secrets of repositories and ConfigMaps of host keys and certificates",
        "Objects for clusters go into Git, where an Application reads them" if _name(value) else "",
    )


def _items(document: Document, errors: list[FormatError]) -> Iterator[Document]:
    """Yield the objects of a document: itself, or what it lists. A list in a list is an object of a wrong kind."""
    value = document.value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in _ITEM_KINDS:
        yield document
        return
    items = value.get("items")
    if not isinstance(items, list):
        errors.append(_error(document, f"the items of this {kind} are {described(items)}, but a list is wanted"))
        return
    for item in items:
        if isinstance(item, Mapping) and _ITEM_KINDS[kind] and "kind" not in item:
            item = {"apiVersion": API_VERSION, "kind": _ITEM_KINDS[kind], **item}
        yield Document(item, document.name, document.line)


def _refuse_doubled(parsed: Parsable, item: Document, first_seen: dict[tuple[str, str, str], Document]) -> None:
    key = _key(parsed)
    first = first_seen.setdefault(key, item)
    if first is not item:
        raise _error(
            item, f"{display_name(item.value, key[0])} is given twice, first on line {first.line}", "Remove one of them"
        )


def _key(parsed: Parsable) -> tuple[str, str, str]:
    match parsed.value:
        case Project(name=name):
            return project.KIND, "", name
        case SystemSettings():
            return settings.KIND, "", settings.NAME
        case Repository(url=url, project=of) | CredentialTemplate(url=url, project=of):
            return type(parsed.value).__name__, of, repo_key(url).text
        case TrustedHosts(name=name):
            return entries.CONFIG_MAP, "", name
        case WebhookSecrets():
            return webhook_secrets.KIND, "", webhook_secrets.NAME
        case value:
            return application.KIND, *value.id


def _name(value: Any) -> str:
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name[:70] if isinstance(name, str) else ""


def _error(document: Document, problem: str, advice: str = "") -> FormatError:
    return FormatError(problem, name=document.name, line=document.line, advice=advice)


def _joined(errors: list[FormatError]) -> FormatError:
    if len(errors) == 1:
        return errors[0]
    lines = [error.message for error in errors[:_MOST_TOLD]]
    if len(errors) > _MOST_TOLD:
        lines.append(f"and {len(errors) - _MOST_TOLD} more objects")
    return FormatError("\n".join(lines))
