"""The sync options of an application, an operation and an object, and which of them counts.

An object's own (`Traits.sync_options`) outweigh the operation's, and these the application's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.engine.traits import Traits

PROPAGATIONS: Final = ("foreground", "background", "orphan")


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """As given for an application, or for one operation on it. Absent ones have Argo CD's defaults."""

    create_namespace: bool = False
    prune: str = "true"
    """true | false | confirm"""
    delete: str = "true"
    """true | false | confirm"""
    prune_last: bool = False
    propagation: str = "foreground"
    replace: bool = False
    force: bool = False
    out_of_sync_only: bool = False
    respect_ignores: bool = False
    fail_on_shared: bool = False
    skip_missing_kinds: bool = False
    """Whether the dry run passes over objects whose kind is not served yet."""
    validate: bool = True
    migrate: bool = True
    """Whether fields that a client-side apply put there are taken over."""

    def replaces(self, traits: Traits) -> bool:
        return _flag(traits, "Replace", self.replace)

    def forces(self, traits: Traits) -> bool:
        return _flag(traits, "Force", self.force)

    def validates(self, traits: Traits) -> bool:
        return _flag(traits, "Validate", self.validate)

    def skips_dry_run(self, traits: Traits) -> bool:
        return _flag(traits, "SkipDryRunOnMissingResource", self.skip_missing_kinds)


def _flag(traits: Traits, name: str, default: bool) -> bool:
    value = traits.option(name) if traits.sync_options else None
    return default if value is None else value == "true"


_TRUTH: Final = ("true", "false")
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "CreateNamespace": _TRUTH,
    "Prune": (*_TRUTH, "confirm"),
    "Delete": (*_TRUTH, "confirm"),
    "PruneLast": _TRUTH,
    "PrunePropagationPolicy": PROPAGATIONS,
    "Replace": _TRUTH,
    "Force": _TRUTH,
    "ApplyOutOfSyncOnly": _TRUTH,
    "RespectIgnoreDifferences": _TRUTH,
    "FailOnSharedResource": _TRUTH,
    "SkipDryRunOnMissingResource": _TRUTH,
    "Validate": _TRUTH,
    "ClientSideApplyMigration": _TRUTH,
    "ServerSideApply": _TRUTH,
}
"""What can be said of an application, and how. `ServerSideApply` says nothing: apply is server-side always."""


def read_options(*lists: Iterable[str]) -> SyncOptions:
    """Read options as they are written, "Replace=true"; later lists outweigh earlier ones. What is not known here is
    passed over: the hub tells of it when it is given."""
    given: dict[str, str] = {}
    for options in lists:
        for option in options:
            name, _, value = option.partition("=")
            given[name.strip()] = value.strip()

    def word(name: str, default: str) -> str:
        value = given.get(name, "")
        return value if value in VALUES[name] else default

    def flag(name: str, default: bool = False) -> bool:
        return word(name, "true" if default else "false") == "true"

    return SyncOptions(
        create_namespace=flag("CreateNamespace"),
        prune=word("Prune", "true"),
        delete=word("Delete", "true"),
        prune_last=flag("PruneLast"),
        propagation=word("PrunePropagationPolicy", "foreground"),
        replace=flag("Replace"),
        force=flag("Force"),
        out_of_sync_only=flag("ApplyOutOfSyncOnly"),
        respect_ignores=flag("RespectIgnoreDifferences"),
        fail_on_shared=flag("FailOnSharedResource"),
        skip_missing_kinds=flag("SkipDryRunOnMissingResource"),
        validate=flag("Validate", default=True),
        migrate=flag("ClientSideApplyMigration", default=True),
    )
