"""What an application's `ignoreDifferences` hide.

Rules are compiled once for an application. For each object they give two sets of places, one in the assigned object
and one in the live object, because a list's item may stand at different positions in the two. A rule that cannot be
served is kept in `unsupported`, for the caller to tell people of by name: a rule that is passed over in silence turns
into self-heal fighting somebody over a field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from agent.engine.assignment import IgnoreDifference
from agent.engine.fields import NOWHERE, Path, PathTree, parse_pointer
from agent.engine.globs import glob_matches, glob_patterns
from agent.engine.jqparse import UnsupportedExpression, parse_path
from agent.engine.jqpath import Node, find_paths
from agent.engine.managed_fields import Entry, owned_paths, read_entries
from agent.engine.resource import Object, ResourceKey

__all__ = [
    "NO_IGNORES",
    "IgnoreRules",
    "ObjectIgnores",
    "UnsupportedExpression",
    "compile_ignores",
]

_CORE_KINDS: Final = frozenset(
    {
        "Binding",
        "ConfigMap",
        "Endpoints",
        "Event",
        "LimitRange",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "ResourceQuota",
        "Secret",
        "Service",
        "ServiceAccount",
    }
)


@dataclass(frozen=True, slots=True)
class ObjectIgnores:
    """The rules that apply to one object."""

    pointers: tuple[Path, ...] = ()
    expressions: tuple[Node, ...] = ()
    managers: frozenset[str] = frozenset()
    unsupported: tuple[UnsupportedExpression, ...] = ()
    """Rules meant for this object that are not served."""

    def __bool__(self) -> bool:
        return bool(self.pointers or self.expressions or self.managers)

    def trees(self, live: Object, assigned: Object) -> tuple[PathTree, PathTree]:
        """Return the ignored places in the live object and in the assigned one. Any JSON is borne.

        Who manages a field is always read from the live object: an assigned one has no managers.
        """
        if not self:
            return NOWHERE, NOWHERE
        metadata = live.get("metadata")
        managed = metadata.get("managedFields") if isinstance(metadata, dict) and self.managers else None
        entries = read_entries(managed)
        return self._tree(live, entries), self._tree(assigned, entries)

    def _tree(self, obj: Object, entries: list[Entry]) -> PathTree:
        tree = PathTree(self.pointers)
        for expression in self.expressions:
            for path in find_paths(expression, obj):
                tree.add(path)
        for path in owned_paths(entries, self.managers, obj):
            tree.add(path)
        return tree


NO_IGNORES: Final = ObjectIgnores()


@dataclass(frozen=True, slots=True)
class _Rule:
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    namespaces: tuple[str, ...]
    ignores: ObjectIgnores

    def matches_kind(self, key: ResourceKey) -> bool:
        return glob_matches(self.kinds, key.kind) and glob_matches(self.groups, key.group)

    def matches_name(self, key: ResourceKey) -> bool:
        return glob_matches(self.names, key.name) and glob_matches(self.namespaces, key.namespace)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The compiled rules of an application."""

    rules: tuple[_Rule, ...] = ()
    unsupported: tuple[UnsupportedExpression, ...] = ()
    """What is not served, in the order given. The other rules are in force all the same."""
    _merged: dict[tuple[ObjectIgnores, ...], ObjectIgnores] = field(default_factory=dict, compare=False, repr=False)
    _by_kind: dict[tuple[str, str], tuple[_Rule, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The rules for the kinds asked about so far: an application has few of them, and many objects."""

    def for_object(self, key: ResourceKey) -> ObjectIgnores:
        """Return what applies to one object."""
        if not self.rules:
            return NO_IGNORES
        group_kind = (key.group, key.kind)
        rules = self._by_kind.get(group_kind)
        if rules is None:
            rules = self._by_kind[group_kind] = tuple(rule for rule in self.rules if rule.matches_kind(key))
        matching = tuple(rule.ignores for rule in rules if rule.matches_name(key))
        if not matching:
            return NO_IGNORES
        if len(matching) == 1:
            return matching[0]
        merged = self._merged.get(matching)
        if merged is None:
            merged = self._merged[matching] = _merge(matching)
        return merged


def _merge(parts: tuple[ObjectIgnores, ...]) -> ObjectIgnores:
    return ObjectIgnores(
        tuple(p for part in parts for p in part.pointers),
        tuple(e for part in parts for e in part.expressions),
        frozenset(m for part in parts for m in part.managers),
        tuple(u for part in parts for u in part.unsupported),
    )


def compile_ignores(entries: Iterable[IgnoreDifference]) -> IgnoreRules:
    """Compile an application's entries, and before them those of the whole system if there are any. Never raises.

    Groups, kinds, names and namespaces are globs: `*`, `?`, `[ab]`, `{a,b}`. An empty name or namespace means every
    one. An empty group is the core group, as in Argo CD; where it stands with a kind the core group does not have, it
    was left out and means any group.
    """
    rules, unsupported = [], []
    for entry in entries:
        try:
            kinds = _alternatives(entry.kind)
            groups = _alternatives(entry.group or _implied_group(entry.kind))
            names, namespaces = _any_or(entry.name), _any_or(entry.namespace)
        except UnsupportedExpression as problem:
            unsupported.append(problem)
            continue
        ignores = _compile(entry)
        unsupported += ignores.unsupported
        rules.append(_Rule(groups, kinds, names, namespaces, ignores))
    return IgnoreRules(tuple(rules), tuple(unsupported))


def _compile(entry: IgnoreDifference) -> ObjectIgnores:
    pointers: list[Path] = []
    expressions: list[Node] = []
    problems: list[UnsupportedExpression] = []
    for text in entry.json_pointers:
        try:
            pointers.append(parse_pointer(text))
        except ValueError as error:
            problems.append(UnsupportedExpression(text, str(error)))
    for text in entry.jq_path_expressions:
        try:
            expressions.append(parse_path(text))
        except UnsupportedExpression as problem:
            problems.append(problem)
    managers = frozenset(entry.managed_fields_managers)
    return ObjectIgnores(tuple(pointers), tuple(expressions), managers, tuple(problems))


def _implied_group(kind: str) -> str:
    return "" if kind in _CORE_KINDS or any(c in kind for c in "*?[{") else "*"


def _any_or(pattern: str) -> tuple[str, ...]:
    """Return what a name may be; nothing to choose from means anything."""
    return _alternatives(pattern or "*")


def _alternatives(pattern: str) -> tuple[str, ...]:
    try:
        return glob_patterns(pattern)
    except ValueError as error:
        raise UnsupportedExpression(pattern, str(error)) from None
