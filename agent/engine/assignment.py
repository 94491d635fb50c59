"""What the hub asks for, in the agent's own words: values that storage keeps and the engine decides from.

Digests and signatures are hex text, times are Unix milliseconds, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.engine.resource import ResourceKey

DEFAULT_NAMESPACE = "argocd"


@dataclass(frozen=True, slots=True)
class ManifestSetRef:
    digest: str
    signature: str
    key_id: str
    resources: int
    """How many entries the set has; a set with another number is not complete and nothing is pruned by it."""


@dataclass(frozen=True, slots=True)
class SourceRevision:
    repo_url: str
    revision: str
    author: str = ""
    message: str = ""
    committed_ms: int = 0
    chart: str = ""
    digest: str = ""
    """sha256:… of what was fetched, where it is no commit."""


@dataclass(frozen=True, slots=True)
class Revision:
    sources: tuple[SourceRevision, ...] = ()

    @property
    def words(self) -> str:
        """Name it to people, by the beginnings of its commits."""
        return ", ".join(source.revision[:12] for source in self.sources)


@dataclass(frozen=True, slots=True)
class Retry:
    limit: int = 5
    """-1 is unlimited."""
    duration_seconds: float = 5.0
    factor: float = 2.0
    max_seconds: float = 180.0
    refresh: bool = False
    """A later attempt of a requested sync is for what is assigned then. Automated ones always are."""


@dataclass(frozen=True, slots=True)
class SyncPolicy:
    automated: bool = False
    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False
    sync_options: tuple[str, ...] = ()
    retry: Retry = Retry()
    namespace_labels: Mapping[str, str] | None = None
    """What a namespace that `CreateNamespace=true` makes is to have; None leaves to others what it has."""
    namespace_annotations: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class IgnoreDifference:
    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    json_pointers: tuple[str, ...] = ()
    jq_path_expressions: tuple[str, ...] = ()
    managed_fields_managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OperationRequest:
    id: str
    kind: str
    """sync | rollback"""
    manifest_set: ManifestSetRef
    revision: Revision
    initiated_by: str
    requested_ms: int
    prune: bool = False
    dry_run: bool = False
    force: bool = False
    resources: tuple[ResourceKey, ...] = ()
    sync_options: tuple[str, ...] = ()
    terminate: bool = False
    retry: Retry | None = None
    """None: one that fails is not tried again."""


@dataclass(frozen=True, slots=True)
class Deletion:
    cascade: bool
    propagation: str
    """foreground | background | orphan"""
    requested_ms: int = 0


@dataclass(frozen=True, slots=True)
class SyncWindow:
    """When syncs are allowed, or denied."""

    kind: str
    """allow | deny"""
    schedule: str
    """As its owner wrote it, for people."""
    cron: str
    """Five fields, as `agent.engine.schedule.Schedule` takes them."""
    time_zone: str
    """Empty is UTC."""
    duration_seconds: float
    manual_sync: bool = False
    """It lets through what somebody asks for."""
    sync_overrun: bool = False
    """What was allowed when it began goes on when the window closes (allow), or begins (deny)."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class KindRule:
    """Objects by globs of their group, kind and name; the empty group is the core group."""

    group: str
    kind: str
    name: str = "*"


@dataclass(frozen=True, slots=True)
class OrphanedResources:
    """What a project wants to know of objects that no application manages; `agent.engine.orphans` decides by it."""

    warn: bool = True
    """Whether there is a condition that tells of them; they can be asked for anyway."""
    ignore: tuple[KindRule, ...] = ()
    permitted: tuple[KindRule, ...] | None = None
    """What the project lets its applications have in namespaces; None for everything. A kind that begins with `!`
    stands for all others."""
    denied: tuple[KindRule, ...] = ()
    """What it does not, even so."""


@dataclass(frozen=True, slots=True)
class Assignment:
    application: str
    """"<namespace>/<name>"."""
    uid: str
    generation: int
    digest: str
    project: str
    namespace: str
    manifest_set: ManifestSetRef
    revision: Revision
    policy: SyncPolicy
    ignore_differences: tuple[IgnoreDifference, ...] = ()
    operation: OperationRequest | None = None
    deletion: Deletion | None = None
    approved_ms: int = 0
    """When somebody last confirmed that objects which ask for a confirmation may be deleted; 0 for never."""
    windows: tuple[SyncWindow, ...] = ()
    """Those that hold here: outside them, nothing is synced."""
    orphans: OrphanedResources | None = None
    """None: objects that no application manages are not looked for."""

    @property
    def tracking_name(self) -> str:
        return tracking_name(self.application)


@dataclass(frozen=True, slots=True)
class Held:
    """One line of the inventory."""

    application: str
    uid: str
    generation: int
    digest: str
    deleted: bool


def tracking_name(application: str) -> str:
    """Return the application part of a tracking id: the name, behind its namespace where that is not the default."""
    namespace, _, name = application.partition("/")
    return name if namespace == DEFAULT_NAMESPACE else f"{namespace}_{name}"
