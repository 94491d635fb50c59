"""What requests ask to be rendered once, at other revisions than the sources' own.

For one look at one application: clusters that are alike share what is made, and why it could not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.application import Application, Source
from hub.domain.operation import OperationRequest
from hub.domain.permit import permit_resources
from hub.domain.project import Project
from hub.domain.sources import as_asked
from hub.domain.targeting import Target
from hub.errors import Invalid
from hub.reconcile.materialize import Materialized, Materializer
from hub.render.errors import RenderError
from hub.source.errors import SourceError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is for on one cluster."""

    made: Materialized
    sources: Sequence[Source]
    """At the revisions that were asked for."""


class AskedRevisions:
    def __init__(self, materializer: Materializer, application: Application) -> None:
        self._materializer = materializer
        self._application = application
        self._known: dict[tuple[object, ...], Asked | str] = {}
        self.retry = False
        """Whether what failed may pass by itself."""

    async def find(self, project: Project, target: Target, request: OperationRequest) -> Asked | str:
        """Render what a request is for on a cluster, or say why there is nothing."""
        capabilities = target.cluster.capabilities
        wanted = (request.target_revision, request.revisions)
        # Clusters with the same overrides share one tuple of sources.
        key = (id(target.sources), target.namespace, capabilities.digest, *wanted)
        if key not in self._known:
            self._known[key] = await self._render(target, request)
        asked = self._known[key]
        if isinstance(asked, str):
            return asked
        denials = permit_resources(
            project, asked.made.entries, capabilities.is_namespaced, cluster=target.cluster, namespace=target.namespace
        )
        return denials[0].message if denials else asked

    async def _render(self, target: Target, request: OperationRequest) -> Asked | str:
        id, spec = self._application.id, self._application.spec
        try:
            sources = as_asked(target.sources, spec.sources, request.target_revision, request.revisions)
            made = await self._materializer.materialize(
                sources,
                id.name,
                spec.project,
                target.namespace,
                target.cluster.capabilities,
                frozen=self._application.frozen,
            )
        except (SourceError, RenderError, Invalid) as error:
            self.retry = self.retry or getattr(error, "retryable", False)
            return error.message
        return Asked(made, sources)
