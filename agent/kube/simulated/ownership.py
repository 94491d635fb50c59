"""Who manages which fields of an object: the entries of metadata.managedFields.

An apply owns exactly what it states, and may take fields over from others; any other write owns what it changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from agent.engine.resource import Object
from agent.kube.errors import FieldConflict
from agent.kube.simulated.fields import FieldSet, difference, intersection, paths, union

Entry: TypeAlias = dict[str, Any]

APPLY: Final = "Apply"
UPDATE: Final = "Update"
MAX_UPDATERS: Final = 10
"""Entries of updates an object keeps; the oldest are merged, as the API server does."""
ANCIENT: Final = "ancient-changes"
_MAX_PATHS: Final = 20


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes, and how."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def owns(self, entry: Entry) -> bool:
        """Tell whether an entry is this manager's."""
        return bool(
            entry["manager"] == self.name
            and entry["operation"] == self.operation
            and entry.get("subresource", "") == self.subresource
            and (self.operation == APPLY or entry["apiVersion"] == self.api_version)
        )

    def entry(self, fields: FieldSet, now: str) -> Entry:
        """Return a new entry."""
        entry: Entry = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": now,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry


def find(entries: Iterable[Entry], manager: Manager) -> Entry | None:
    """Return the manager's entry, or None."""
    for entry in entries:
        if manager.owns(entry):
            return entry
    return None


def entries_of(tree: Object) -> list[Entry]:
    """Return the object's own list of entries."""
    entries: list[Entry] = tree["metadata"].setdefault("managedFields", [])
    return entries


def claimed(entries: Iterable[Entry]) -> FieldSet:
    """Return what any of the entries claims."""
    result: FieldSet = {}
    for entry in entries:
        result = union(result, entry["fieldsV1"])
    return result


def conflicts(others: Iterable[Entry], touched: FieldSet) -> None:
    """Raise FieldConflict when a touched field belongs to one of the others."""
    texts: list[tuple[str, list[str]]] = []
    managers: dict[str, None] = {}
    for entry in others:
        both = intersection(entry["fieldsV1"], touched)
        if both:
            who = f'"{entry["manager"]}"'
            if entry.get("subresource"):
                who += f' with subresource "{entry["subresource"]}"'
            texts.append((f"{who} using {entry['apiVersion']}", sorted(paths(both))))
            managers[entry["manager"]] = None
    if texts:
        raise FieldConflict(_conflict_text(texts), tuple(managers))


def _conflict_text(texts: list[tuple[str, list[str]]]) -> str:
    count = sum(len(fields) for _, fields in texts)
    if count == 1:
        who, fields = texts[0]
        return f"Apply failed with 1 conflict: conflict with {who}: {fields[0]}"
    lines = [f"Apply failed with {count} conflicts: "]
    for who, fields in texts:
        lines.append(f"conflicts with {who}:")
        lines.extend(f"- {field}" for field in fields[:_MAX_PATHS])
    return "\n".join(lines)


def release(entries: list[Entry], manager: Manager, touched: FieldSet, removed: FieldSet) -> None:
    """Take from everybody but the manager the fields a write set or removed; entries left with nothing go."""
    lost = union(touched, removed)
    if not lost:
        return
    kept: list[Entry] = []
    for entry in entries:
        if not manager.owns(entry):
            fields = difference(entry["fieldsV1"], lost)
            if not fields:
                continue
            if fields != entry["fieldsV1"]:
                entry["fieldsV1"] = fields
        kept.append(entry)
    entries[:] = kept


def state(entries: list[Entry], manager: Manager, fields: FieldSet, now: str) -> None:
    """Make the manager's entry say exactly these fields."""
    entry = find(entries, manager)
    if entry is None:
        if fields:
            entries.append(manager.entry(fields, now))
    elif not fields:
        entries.remove(entry)
    else:
        entry["fieldsV1"] = fields
        entry["apiVersion"] = manager.api_version


def update(entries: list[Entry], manager: Manager, touched: FieldSet, removed: FieldSet, now: str) -> None:
    """Account for a write that is not an apply."""
    release(entries, manager, touched, removed)
    entry = find(entries, manager)
    before = entry["fieldsV1"] if entry else {}
    fields = union(difference(before, removed), touched)
    state(entries, manager, fields, now)
    if entry is not None and fields:
        entry["time"] = now
    _cap(entries)


def _cap(entries: list[Entry]) -> None:
    updates = [entry for entry in entries if entry["operation"] == UPDATE and "subresource" not in entry]
    if len(updates) <= MAX_UPDATERS:
        return
    updates.sort(key=lambda entry: str(entry.get("time", "")))
    old = updates[: len(updates) - MAX_UPDATERS + 1]
    merged = Manager(ANCIENT, UPDATE, old[-1]["apiVersion"]).entry(claimed(old), old[-1]["time"])
    entries[:] = [entry for entry in entries if entry not in old]
    entries.append(merged)


def arrange(tree: Object) -> None:
    """Put the entries in the server's order: applies first, then by time and manager. None leave no list."""
    entries = tree["metadata"].get("managedFields")
    if not entries:
        tree["metadata"].pop("managedFields", None)
    elif len(entries) > 1:
        entries.sort(key=_order)


def _order(entry: Entry) -> tuple[str, ...]:
    return (
        entry["operation"],
        entry.get("time", ""),
        entry["manager"],
        entry["apiVersion"],
        entry.get("subresource", ""),
    )
