"""Which of an application's sources is meant, and what they are at other revisions for once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.domain.application import Source
from hub.errors import Invalid


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """One of an application's sources, to be read at another revision this once."""

    position: int
    """From 0."""
    revision: str
    """A commit, branch, tag or version range."""
    repo_url: str
    """Of the source that was meant: by the time this is acted upon there may be another one in its place."""


def is_rendered(source: Source) -> bool:
    """Tell whether a source gives manifests of its own, and does not only lend its files to others."""
    return bool(source.path or source.chart or not source.ref)


def main_source(sources: Sequence[Source]) -> int | None:
    """Return the position of the one source that is rendered; None where there are several. Those that only lend
    their files to others do not count."""
    rendered = [position for position, source in enumerate(sources) if is_rendered(source)]
    return rendered[0] if len(rendered) == 1 else None


def at_revision(sources: Sequence[Source], revision: str) -> tuple[Source, ...]:
    """Return the sources with the rendered one at another revision. Raises Invalid where it is not one."""
    position = main_source(sources)
    if position is None:
        raise Invalid(
            f"the application has {len(sources)} sources, and {revision[:100]!r} does not say of which it is a "
            "revision: name each source's own"
        )
    return _changed(sources, position, revision)


def as_asked(
    sources: Sequence[Source], written: Sequence[Source], revision: str, choices: Sequence[SourceChoice]
) -> tuple[Source, ...]:
    """Return the sources at the revisions that were asked for: the chosen ones at their own or, without a choice, the
    rendered one at `revision`. `written` are the application's sources without any cluster's overrides.

    Raises Invalid where the application's sources have changed since, so that others would be meant.
    """
    if not choices:
        return at_revision(sources, revision)
    result = tuple(sources)
    for choice in choices:
        if choice.position >= len(written) or written[choice.position].repo_url != choice.repo_url:
            raise Invalid(
                f"source {choice.position + 1} of the application is not the one any more that "
                f"{choice.revision[:100]!r} was asked for: look at its sources, and ask again"
            )
        result = _changed(result, choice.position, choice.revision)
    return result


def _changed(sources: Sequence[Source], position: int, revision: str) -> tuple[Source, ...]:
    return (*sources[:position], replace(sources[position], target_revision=revision), *sources[position + 1 :])
