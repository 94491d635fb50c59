"""One application to an assignment for each of its clusters.

What cannot be rendered or is not permitted leaves the assignments as they are, and says so in a condition: the last
good state is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hub.domain.application import Application, Deletion, Source
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.manifest import digest_of
from hub.domain.operation import HistoryEntry, OperationRequest
from hub.domain.permit import permit_destination, permit_resources, permit_sources
from hub.domain.project import Project, orphan_rules
from hub.domain.revision import Revision
from hub.domain.status import Condition, ConditionType, RefreshState
from hub.domain.targeting import ClusterIndex, Target, Targeting, targets
from hub.domain.window import SyncWindow, windows_for
from hub.formats.overrides import apply_overrides
from hub.formats.source import describe_sources
from hub.reconcile.asked import AskedRevisions
from hub.reconcile.left_alone import leave_alone, was_left_alone
from hub.reconcile.materialize import Materialized, Materializer, sharing_inputs
from hub.reconcile.requests import Wanted, complete, newest_for, passed_over, settle
from hub.reconcile.unassignable import Conclusion, Found, conclude
from hub.render.errors import RenderError
from hub.source.errors import SourceError
from hub.store.contract import Store


@dataclass(slots=True)
class Outcome:
    """What one look at an application came to."""

    contents: list[tuple[str, AssignmentContent]] = field(default_factory=list)
    state: RefreshState | None = None
    retry: bool = False
    """Whether what failed may pass by itself."""
    damaged: bool = False
    """Whether a mirror cannot be read, and is to be fetched anew."""
    fresh: bool = True
    """Whether Git was asked, so that assignments that are held back may be sent again."""
    conclusions: list[Conclusion] = field(default_factory=list)
    """News about what was asked for."""


@dataclass(slots=True)
class _Look:
    """The working state of one look."""

    application: Application
    before: RefreshState | None
    existing: dict[str, Assignment]
    asked: AskedRevisions
    requests: Sequence[OperationRequest] = ()
    """Newest first, as they were when it began: later ones may mean what it has not read."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Cluster uid → why it cannot be assigned anything."""
    conditions: dict[tuple[str, str], None] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    revision: Revision = Revision()
    described: dict[str, bytes] = field(default_factory=dict)
    """What assignments were made from, by digest."""
    names: dict[int, str] = field(default_factory=dict)
    """The digests of these, by the id of a target's sources, which clusters share."""
    failed: bool = False
    retry: bool = False
    damaged: bool = False
    fresh: bool = False

    def problem(self, type: ConditionType, message: str) -> None:
        self.conditions[(type, message)] = None

    def passed_over(self, cluster: str) -> str:
        existing = self.existing.get(cluster)
        return passed_over(cluster, self.requests, existing.content if existing is not None else None)


class Assigner:
    def __init__(self, store: Store, materializer: Materializer) -> None:
        self._store = store
        self._materializer = materializer

    async def look(
        self,
        application: Application,
        clusters: ClusterIndex,
        before: RefreshState | None,
        *,
        hard: bool = False,
        troubles: Sequence[str] = (),
    ) -> Outcome:
        """Work out every cluster's assignment. Raises StoreUnavailable; everything else becomes a condition.

        `troubles` says why its repositories could not be asked: they are read as they were, and that is told.
        """
        existing = {a.cluster: a for a in await self._store.assignments_of_application(str(application.id))}
        if application.deletion is not None:
            return Outcome(_tombstones(application, existing.values(), application.deletion))
        requests = await self._store.operation_requests(str(application.id))
        if application.skips_reconcile:
            left = leave_alone(application, existing.values(), requests, before, datetime.now(UTC))
            return Outcome(left.contents, left.state, fresh=False, conclusions=left.conclusions)
        asked = AskedRevisions(self._materializer, application)
        look = _Look(application, before, existing, asked, requests)
        targeting = targets(application, clusters, apply_overrides)
        for problem in targeting.problems:
            look.problem(ConditionType.INVALID_SPEC_ERROR, problem)
        project = await self._store.get_project(application.spec.project)
        if project is None:
            message = f"project {application.spec.project!r} does not exist: create it, or name another"
            look.problem(ConditionType.INVALID_SPEC_ERROR, message)
            return Outcome([], self._state(look), conclusions=self._concluded(look, targeting, [], message))
        permitted = self._permitted(look, project, targeting)
        await self._ask(look, permitted)
        for trouble in troubles:
            look.problem(ConditionType.COMPARISON_ERROR, trouble)
        sets = await self._materialize_all(look, permitted, hard=hard)
        contents = await self._contents(look, project, permitted, sets)
        if look.described:
            await self._store.put_blobs(look.described)
        conclusions = self._concluded(look, targeting, contents, "; ".join(targeting.problems))
        contents += _project_alone(look, project, targeting, contents)
        contents += self._left_over(look, targeting)
        return Outcome(contents, self._state(look), look.retry or asked.retry, look.damaged, look.fresh, conclusions)

    # --- what is permitted

    def _permitted(self, look: _Look, project: Project, targeting: Targeting) -> list[Target]:
        result = []
        for target in targeting.targets:
            denials = permit_sources(project, target.sources)
            denials += permit_destination(project, target.cluster, target.namespace)
            for denial in denials:
                look.problem(ConditionType.INVALID_SPEC_ERROR, denial.message)
                look.reasons.setdefault(target.cluster.uid, denial.message)
            if not denials:
                result.append(target)
        return result

    # --- what is rendered

    async def _ask(self, look: _Look, permitted: Sequence[Target]) -> None:
        """Ask Git before anything that is held back is sent again: the hub was restored from a backup, and its mirrors
        may be as old."""
        sources = [source for target in permitted for source in target.sources]
        try:
            if any(a.held for a in look.existing.values()):
                await self._materializer.ask(sources, look.application.spec.project)
            look.fresh = self._materializer.fresh(sources, look.application.spec.project)
        except SourceError as error:
            look.failed = True
            look.retry = look.retry or error.retryable
            look.problem(ConditionType.COMPARISON_ERROR, error.message)
            # They stay held back, whatever is rendered.
            look.reasons.update({uid: error.message for uid, a in look.existing.items() if a.held})

    async def _materialize_all(
        self, look: _Look, permitted: Sequence[Target], *, hard: bool
    ) -> dict[str, Materialized]:
        """cluster uid → what it is to be. Clusters that share their inputs share one question."""
        groups = sharing_inputs(permitted)
        outcomes = await asyncio.gather(*(self._materialize(look, group, hard=hard) for group in groups))
        result = {}
        for group, outcome in zip(groups, outcomes, strict=True):
            if outcome is not None:
                result.update({target.cluster.uid: outcome for target in group})
        return result

    async def _materialize(self, look: _Look, group: Sequence[Target], *, hard: bool) -> Materialized | None:
        target = group[0]
        name, project = look.application.id.name, look.application.spec.project
        capabilities = target.cluster.capabilities
        try:
            outcome = await self._materializer.materialize(
                target.sources,
                name,
                project,
                target.namespace,
                capabilities,
                again=hard,
                frozen=look.application.frozen,
            )
        except (SourceError, RenderError) as error:
            look.failed = True
            look.damaged = look.damaged or error.code == "mirror-damaged"
            look.retry = look.retry or error.retryable
            look.problem(ConditionType.COMPARISON_ERROR, error.message)
            look.reasons.update({target.cluster.uid: error.message for target in group})
            return None
        look.inputs.update(outcome.inputs)
        look.revision = look.revision or outcome.revision
        for warning in outcome.warnings:
            type, _, message = warning.partition(": ")
            look.conditions[(type, message)] = None
        automated = look.application.spec.sync_policy.automated
        if not outcome.entries and not (automated is not None and automated.allow_empty):
            look.problem(ConditionType.RENDER_WARNING, _emptiness(outcome.revision, target.sources))
        return outcome

    # --- what is assigned

    async def _contents(
        self, look: _Look, project: Project, permitted: Sequence[Target], sets: Mapping[str, Materialized]
    ) -> list[tuple[str, AssignmentContent]]:
        application = look.application
        requests = look.requests
        history: list[HistoryEntry] = []
        if any(r.kind == "rollback" for r in requests):
            history = await self._store.history(str(application.id))
        contents = []
        shared: dict[AssignmentContent, AssignmentContent] = {}
        for target in permitted:
            made = sets.get(target.cluster.uid)
            if made is None:
                standing = await self._standing(look, project, target, history)
                if standing is not None:
                    standing = _under(standing, application, project, target)
                    contents.append((target.cluster.uid, standing))
                continue
            if self._denied(look, project, target, made):
                continue
            content = self._content(look, project, target, made)
            operation = await self._operation(look, project, target, history, content)
            if operation is not None:
                content = replace(content, operation=operation)
            # Most clusters get the same: one value for all of them is stored and encoded once.
            contents.append((target.cluster.uid, shared.setdefault(content, content)))
        return contents

    async def _standing(
        self, look: _Look, project: Project, target: Target, history: Sequence[HistoryEntry]
    ) -> AssignmentContent | None:
        """Return what is assigned where nothing could be rendered, with what was asked for since and needs no render;
        None when there is nothing of the kind: the last good state is kept as it is."""
        uid = target.cluster.uid
        existing, newest = look.existing.get(uid), newest_for(uid, look.requests)
        if existing is None or existing.content.deletion is not None or newest is None:
            return None
        if newest.means_newest and not newest.names_revisions:
            return None
        operation = await self._operation(look, project, target, history, existing.content)
        if operation == existing.content.operation:
            return None
        # With the policy of now: one that was automated a moment ago would undo a rollback.
        return replace(existing.content, operation=operation, policy=look.application.spec.sync_policy)

    def _denied(self, look: _Look, project: Project, target: Target, made: Materialized) -> bool:
        scope = target.cluster.capabilities.is_namespaced
        denials = permit_resources(project, made.entries, scope, cluster=target.cluster, namespace=target.namespace)
        for denial in denials:
            look.problem(ConditionType.INVALID_SPEC_ERROR, denial.message)
            look.reasons.setdefault(target.cluster.uid, denial.message)
        return bool(denials)

    def _content(self, look: _Look, project: Project, target: Target, made: Materialized) -> AssignmentContent:
        application = look.application
        existing = look.existing.get(target.cluster.uid)
        revision = made.revision
        if existing is not None and existing.content.manifest_set.digest == made.ref.digest:
            # A commit that changed nothing this application reads is not a new revision of it.
            same_inputs = look.before is not None and all(
                look.before.inputs.get(key) == object_id for key, object_id in made.inputs.items()
            )
            if same_inputs and existing.content.revision:
                revision = existing.content.revision
        return AssignmentContent(
            application=str(application.id),
            application_uid=application.uid,
            project=application.spec.project,
            namespace=target.namespace,
            manifest_set=made.ref,
            revision=revision,
            policy=application.spec.sync_policy,
            ignore_differences=application.spec.ignore_differences,
            approved_at=application.deletion_approved_at,
            sources=_name(look, target.sources),
            windows=_windows(application, project, target),
            orphans=orphan_rules(project),
            passed_over=look.passed_over(target.cluster.uid),
        )

    async def _operation(
        self,
        look: _Look,
        project: Project,
        target: Target,
        history: Sequence[HistoryEntry],
        content: AssignmentContent,
    ) -> OperationRequest | None:
        cluster, requests = target.cluster, look.requests
        existing = look.existing.get(cluster.uid)
        settled = existing.content.operation if existing is not None else None
        mine = [h for h in history if h.cluster == cluster.uid]
        found = settle(requests, settled, cluster.uid, mine, look.passed_over(cluster.uid))
        if not isinstance(found, Wanted):
            return found
        if found.problem:
            look.reasons[cluster.uid] = found.problem
            return settled
        if found.request.names_revisions:
            asked = await look.asked.find(project, target, found.request)
            if isinstance(asked, str):
                look.reasons[cluster.uid] = asked
                return settled
            return complete(found.request, asked.made.ref, asked.made.revision, _described(look, asked.sources))
        if found.history is None:
            return complete(found.request, content.manifest_set, content.revision, content.sources)
        ref = await self._materializer.reference(found.history.manifest_set)
        if ref is None:
            look.reasons[cluster.uid] = f"the manifests of history entry {found.history.id} are gone from the hub"
            return settled
        return complete(found.request, ref, found.history.revision, found.history.sources)

    def _concluded(
        self, look: _Look, targeting: Targeting, contents: Sequence[tuple[str, AssignmentContent]], overall: str
    ) -> list[Conclusion]:
        held = {uid for uid, a in look.existing.items() if a.held and not look.fresh}
        found = Found(
            targets={target.cluster.uid for target in targeting.targets},
            settled={uid: a.content.operation for uid, a in look.existing.items() if a.content.operation is not None},
            assigned={uid: c.operation for uid, c in contents if c.operation is not None and uid not in held},
            reasons=look.reasons,
            overall=overall,
            passed={target.cluster.uid: look.passed_over(target.cluster.uid) for target in targeting.targets},
        )
        return conclude(str(look.application.id), look.requests, found, datetime.now(UTC))

    def _left_over(self, look: _Look, targeting: Targeting) -> list[tuple[str, AssignmentContent]]:
        """End the application on clusters it no longer targets: pruned where pruning is on, else left running.

        A destination that names an unknown cluster or an override that means nothing says nothing about the others:
        with such a problem, nobody is taken off.
        """
        application = look.application
        if targeting.problems:
            return []
        wanted = {target.cluster.uid for target in targeting.targets}
        gone = [a for uid, a in look.existing.items() if uid not in wanted]
        if not gone:
            return []
        policy = application.spec.sync_policy
        cascade = policy.automated is not None and policy.automated.prune and not policy.outlived
        deletion = Deletion(cascade, "foreground", "controller", datetime.now(UTC))
        return _tombstones(application, gone, deletion)

    # --- what is remembered

    def _state(self, look: _Look) -> RefreshState:
        now = datetime.now(UTC)
        before = {(c.type, c.message): c for c in look.before.conditions} if look.before is not None else {}
        conditions = tuple(before.get(key) or Condition(key[0], key[1], now) for key in look.conditions)
        kept = look.failed and look.before is not None
        return RefreshState(
            application=str(look.application.id),
            revision=look.before.revision if kept and look.before else look.revision,
            inputs=look.before.inputs if kept and look.before else look.inputs,
            spec_generation=look.application.generation,
            conditions=conditions,
            refreshed_at=now,
        )


def _described(look: _Look, sources: Sequence[Source]) -> str:
    """Return the digest under which it is kept what an assignment was made from."""
    document = describe_sources(sources)
    digest = digest_of(document)
    look.described[digest] = document
    return digest


def _name(look: _Look, sources: Sequence[Source]) -> str:
    """As `_described`, once for all clusters that share a target's sources."""
    name = look.names.get(id(sources))
    if name is None:
        name = look.names[id(sources)] = _described(look, sources)
    return name


def _windows(application: Application, project: Project, target: Target) -> tuple[SyncWindow, ...]:
    return windows_for(project.sync_windows, application.id.name, target.cluster, target.namespace)


def _under(content: AssignmentContent, application: Application, project: Project, target: Target) -> AssignmentContent:
    """Return an assignment with what the project says of it now."""
    return replace(content, windows=_windows(application, project, target), orphans=orphan_rules(project))


def _project_alone(
    look: _Look, project: Project, targeting: Targeting, contents: Iterable[tuple[str, AssignmentContent]]
) -> list[tuple[str, AssignmentContent]]:
    """Return what stays assigned as it was, with what the project says of it now where that is something else: nothing
    more can be made of it, but when it may be synced, and what else is looked for, does not depend on Git."""
    made = {uid for uid, _ in contents}
    result = []
    for target in targeting.targets:
        existing = look.existing.get(target.cluster.uid)
        if existing is None or existing.held or existing.content.deletion is not None or target.cluster.uid in made:
            continue
        content = _under(existing.content, look.application, project, target)
        if was_left_alone(look.before):
            # That ends now, whatever can be rendered.
            content = replace(content, policy=look.application.spec.sync_policy)
        if content != existing.content:
            result.append((target.cluster.uid, content))
    return result


def _emptiness(revision: Revision, sources: Sequence[Source]) -> str:
    read = zip(sources, revision.sources, strict=True)
    where = ", ".join(
        f"{source.chart or source.path or '.'!r} at {at.revision[:12]}"
        for source, at in read
        if source.path or source.chart or not source.ref
    )
    return (
        f"there is no manifest at all in {where}: put some there, or correct the source's path. If nothing is meant to "
        "be there, set syncPolicy.automated.allowEmpty: until then nothing is pruned for it"
    )


def _tombstones(
    application: Application, assignments: Iterable[Assignment], deletion: Deletion
) -> list[tuple[str, AssignmentContent]]:
    result = []
    for assignment in assignments:
        standing = assignment.content.deletion
        same = standing and (standing.cascade, standing.propagation) == (deletion.cascade, deletion.propagation)
        same = same and assignment.content.approved_at == application.deletion_approved_at
        # Of an application that is deleted nothing newer is to come: what was held back may go. That a cluster is no
        # longer selected may be what a restored hub remembers, so there it waits for somebody to say so.
        if not same or (assignment.held and application.deletion is not None):
            # Confirmed since, it is still the deletion that was asked for then.
            wanted = deletion
            if standing and standing.cascade == deletion.cascade:
                wanted = replace(deletion, requested_by=standing.requested_by, requested_at=standing.requested_at)
            content = replace(assignment.content, deletion=wanted, approved_at=application.deletion_approved_at)
            result.append((assignment.cluster, content))
    return result
