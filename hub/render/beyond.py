"""What a request reads beyond its application's sources: bases on other hosts, charts that charts depend on.

Rendering fetches nothing. A scan that comes upon such a thing says so (`Scan.needs`); the hub's own fetchers, with
their credentials and limits, bring it, and the request is scanned again with it. What was fetched is looked at like
any source, so that its paths are among the recorded inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.domain.application import Source
from hub.render.errors import RenderError
from hub.render.model import RenderRequest
from hub.render.paths import RepositoryView

MOST = 100
"""Of one request."""


class Beyond:
    """Of one scan."""

    def __init__(self, request: RenderRequest, views: Sequence[RepositoryView]) -> None:
        """`views` are of `request.inputs`, in their order."""
        fetched = views[len(request.sources) :]
        self._views = {item.source: view for item, view in zip(request.fetched, fetched, strict=True)}
        self._needs: dict[Source, None] = {}

    @property
    def needs(self) -> tuple[Source, ...]:
        """What is yet to be fetched."""
        return tuple(self._needs)

    def view(self, repo_url: str, target_revision: str, chart: str = "") -> RepositoryView | None:
        """Return what was fetched from there; None where it is yet to be, and then go on with what else there is, so
        that all that lacks is told at once. Raises RenderError."""
        wanted = Source(repo_url, target_revision=target_revision, chart=chart)
        found = self._views.get(wanted)
        if found is None:
            self._needs[wanted] = None
            if len(self._needs) + len(self._views) > MOST:
                raise RenderError(
                    f"The application reads from more than {MOST} places beyond its sources.", code="too-large"
                )
        return found
