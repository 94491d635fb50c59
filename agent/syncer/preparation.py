"""What one application needs to know before anything is decided: what is assigned, and what is there, in full.

Nothing here waits for a list of the cluster: it says what it waits for, and the application is called again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from agent.engine.assignment import Assignment, ManifestSetRef
from agent.engine.manifest_set import IncompleteSet, read_manifest_set
from agent.engine.resource import GroupKind
from agent.kube import errors
from agent.kube.client import Discovery, Kind
from agent.syncer.context import Context
from agent.syncer.standing import Standing
from agent.syncer.targets import Targets, load_targets
from agent.syncer.untold import not_told_yet

RETRY_SECONDS = 5.0
LISTING_SECONDS = 0.5
"""Between two looks at lists under way; their end is told, their failure is not."""
UNSERVED_RETRY_SECONDS = 15.0
NAMED = 5
"""Kinds that a condition names."""


class Preparation:
    """Loads an application's targets and has their kinds listed."""

    def __init__(self, context: Context, standing: Standing, on_kinds_came: Callable[[], None]) -> None:
        """`on_kinds_came` is called when kinds that were missing are served."""
        self._context = context
        self._standing = standing
        self._on_kinds_came = on_kinds_came
        self._unserved = 0
        self._look_again = 0.0
        self.listing: frozenset[GroupKind] = frozenset()
        """Kinds whose lists are waited for."""
        self.kinds: frozenset[GroupKind] = frozenset()
        """Those it has to do with."""
        self._doubting = False
        self._untold = False
        """Whether there is a condition that says which kinds the cluster does not tell of."""

    def look_again(self) -> None:
        """Something may have brought kinds that were missing."""
        self._look_again = 0.0
        self._unserved = 0

    async def targets(self, assignment: Assignment) -> tuple[Targets | None, float | None]:
        """Return the targets once all that is there of their kinds is known; else None, and when to try again.

        With targets of a kind that is not served the time comes along with the targets.
        """
        standing, clock = self._standing, self._context.clock
        if standing.targets is not None and standing.targets.unserved and clock.monotonic() >= self._look_again:
            standing.targets = None
        try:
            if standing.targets is None:
                await self._load(assignment)
            discovery = await self._context.served.known()
        except IncompleteSet as error:
            return self._stuck(f"{error}; nothing is applied or pruned until it is complete")
        except errors.KubeError as error:
            return self._stuck(f"the cluster's API does not answer: {error}")
        targets = standing.targets
        if targets is None or standing.assignment is not assignment:
            return None, 0.0
        kinds = {kind.group_kind: kind for kind in (*self._applied_kinds(discovery), *targets.kinds.values())}
        waiting = await self.listed(kinds.values())
        if waiting is not None:
            return None, waiting
        return targets, UNSERVED_RETRY_SECONDS if targets.unserved else None

    def _stuck(self, message: str) -> tuple[None, float]:
        self._standing.condition("ComparisonError", message)
        return None, RETRY_SECONDS

    async def _load(self, assignment: Assignment) -> None:
        """Load the targets, unless another assignment has come meanwhile. Raises IncompleteSet, KubeError."""
        standing, served = self._standing, self._context.served
        targets = await self.resolve(assignment)
        if targets.unserved:
            await served.fresh(UNSERVED_RETRY_SECONDS / 2)
            targets = await self.resolve(assignment)
        if standing.assignment is not assignment:
            return
        came = len(targets.unserved) < self._unserved
        self._unserved = len(targets.unserved)
        self._look_again = self._context.clock.monotonic() + UNSERVED_RETRY_SECONDS
        standing.load(targets)
        if came:
            self._on_kinds_came()

    async def resolve(self, assignment: Assignment, ref: ManifestSetRef | None = None) -> Targets:
        """Resolve what is assigned, or another manifest set. Raises IncompleteSet, KubeError."""
        discovery = await self._context.served.known()
        context = self._context
        wanted = ref or assignment.manifest_set
        return load_targets(context.storage, discovery, assignment, wanted, context.settings.excludes)

    # --- what is there

    async def applied_listed(self) -> float | None:
        """Have all kinds listed that this application has applied, to delete what is there. None once they are, else
        when to look again. Raises KubeError."""
        served, applied = self._context.served, self._applied()
        discovery = await served.known()
        if not applied <= discovery.preferred.keys():
            discovery = await served.fresh(RETRY_SECONDS / 2)
            missing = sorted(applied - discovery.preferred.keys())
            untold = await not_told_yet(self._context.client, discovery, missing)
            if untold:
                self._tell_untold(untold)
                return RETRY_SECONDS
        if self._untold:
            self._untold = False
            self._standing.clear("DeletionError")
        return await self.listed(self._applied_kinds(discovery), "DeletionError")

    def _tell_untold(self, untold: Mapping[GroupKind, str]) -> None:
        self._untold = True
        words = "; ".join(f"{kind} ({group or 'core'}): {why}" for (group, kind), why in islice(untold.items(), NAMED))
        self._standing.condition(
            "DeletionError",
            "the end of the application waits, for there may be objects of kinds that the cluster does not tell of: "
            + words,
        )

    def _applied_kinds(self, discovery: Discovery) -> list[Kind]:
        """Return the kinds this application has applied, which may hold something to prune, as far as they are told."""
        applied = sorted(self._applied())
        return [kind for group_kind in applied if (kind := discovery.preferred.get(group_kind)) is not None]

    def _applied(self) -> frozenset[GroupKind]:
        assignment = self._standing.assignment
        applied = self._context.storage.kinds_of(assignment.application)
        if not applied and assignment.deletion is not None:
            applied = self._assigned_kinds(assignment)
        return applied

    def _assigned_kinds(self, assignment: Assignment) -> frozenset[GroupKind]:
        """Return the kinds of the manifest set: an agent that has lost its disk knows no others."""
        ref = assignment.manifest_set
        content = self._context.storage.blob(ref.digest) if ref.digest else None
        if content is not None:
            with contextlib.suppress(IncompleteSet):
                entries = read_manifest_set(content, resources=ref.resources)
                return frozenset(GroupKind(e.key.group, e.key.kind) for e in entries)
        return frozenset()

    async def listed(self, kinds: Iterable[Kind], condition: str = "ComparisonError") -> float | None:
        """Watch kinds. None once all their objects are known; else when to look again, the condition saying why."""
        standing, live = self._standing, self._context.live
        kinds = list(kinds)
        live.watch(kinds)
        self.kinds = frozenset(kind.group_kind for kind in kinds)
        unlisted = live.unlisted(kinds)
        self.listing = frozenset(kind.group_kind for kind, _ in unlisted)
        failed = [(kind, error) for kind, error in unlisted if error is not None]
        if not unlisted and not standing.listed:
            standing.be_listed(True)
            standing.clear(condition)
        if not failed:
            self._tell_doubt(kinds, condition)
            return LISTING_SECONDS if unlisted else None
        standing.be_listed(False)
        words = "; ".join(f"{kind}: {error}{error.hint}" for kind, error in failed[:NAMED])
        standing.condition(condition, f"these kinds cannot be listed, and nothing is pruned until they are: {words}")
        if any(isinstance(error, errors.KindUnknown | errors.NotFound) for _, error in failed):
            return await self._ask_anew([kind for kind, _ in failed])
        return RETRY_SECONDS

    def _tell_doubt(self, kinds: Iterable[Kind], condition: str) -> None:
        """Say that what was listed has not been seen for a while, and may be otherwise by now."""
        error, live = self._context.doubt.error, self._context.live
        obstacles = ((kind, live.obstacle(kind)) for kind in kinds)
        refused = islice(((k, e) for k, e in obstacles if isinstance(e, errors.Permanent)), NAMED)
        text = "; ".join(f"{k}: {e}{e.hint}" for k, e in refused)
        if text:
            text = f"changes of these kinds are not seen, and they may be otherwise than is told here: {text}"
        if error is not None:
            text = (
                f"the cluster's API does not answer, and much may be otherwise than is told here: {error}{error.hint}"
            )
        if text:
            self._standing.condition(condition, text)
        elif self._doubting:
            self._standing.clear(condition)
        self._doubting = bool(text)

    async def _ask_anew(self, kinds: list[Kind]) -> float:
        """A list said that the cluster does not serve these kinds: see what discovery says."""
        try:
            discovery = await self._context.served.fresh(RETRY_SECONDS / 2)
        except errors.KubeError:
            return RETRY_SECONDS
        if all(discovery.find(kind.group, kind.version, kind.kind) for kind in kinds):
            return RETRY_SECONDS
        self._standing.targets = None
        return 0.0
