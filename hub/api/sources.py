"""Which of an application's sources a request means, by position or name, and what is said where that is unclear."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Protocol

from hub.domain.application import Application, Source
from hub.domain.sources import SourceChoice, is_rendered, main_source
from hub.errors import Invalid
from hub.source.urls import redact

_MOST_SHOWN = 10
_LONGEST_SHOWN = 120


class Named(Protocol):
    """Revisions, and which source each of them is for: by position from 1, or by name."""

    @property
    def revisions(self) -> Sequence[str]: ...

    @property
    def source_positions(self) -> Sequence[int]: ...

    @property
    def source_names(self) -> Sequence[str]: ...


def chosen(application: Application, named: Named, revision: str = "") -> tuple[SourceChoice, ...]:
    """Return which sources are asked for at which revisions; none where no source is named. `revision` is what is named
    without one. Raises Invalid."""
    revisions, positions, names = named.revisions, named.source_positions, named.source_names
    if not (revisions or positions or names):
        return ()
    if revision:
        raise _unclear(application, "--revision and --revisions are both given: each of its sources has one revision")
    if positions and names:
        raise _unclear(
            application, "sources are named by position and by name: use --source-positions or --source-names"
        )
    given = positions or names
    if len(revisions) != len(given):
        raise _unclear(
            application,
            f"{len(revisions)} of --revisions and {len(given)} of --source-{'names' if names else 'positions'} are "
            "given: each revision is for one source, so give one of --source-positions or --source-names with each of "
            "--revisions",
        )
    found = [_at(application, position) for position in positions] or [_named(application, name) for name in names]
    for index, position in enumerate(found):
        if position in found[:index]:
            raise _unclear(application, f"source {position + 1} is named more than once: give it one revision")
    sources = application.spec.sources
    return tuple(
        SourceChoice(position, revision, sources[position].repo_url)
        for position, revision in zip(found, revisions, strict=True)
    )


def only(application: Application, revision: str) -> SourceChoice:
    """Return what a revision is of that is named without a source: the one that is rendered. Raises Invalid where
    there is not one."""
    sources = application.spec.sources
    position = main_source(sources)
    if position is None:
        raise _unclear(
            application,
            f"it has {_rendered(sources)} sources that are rendered, and {revision[:100]!r} does not say of which it "
            "is a revision: in place of --revision give --revisions, each with one of --source-positions or "
            "--source-names",
        )
    return SourceChoice(position, revision, sources[position].repo_url)


def stood_in_for(application: Application, position: int | None, name: str | None, path: str) -> int:
    """Return which source files stand in for, from 0; `path` is where its own path is among them. Raises Invalid."""
    if position is not None and name:
        raise _unclear(application, "the source is named by position and by name: use one of the two")
    sources = application.spec.sources
    if position is not None:
        found = _at(application, position)
    elif name:
        found = _named(application, name)
    else:
        main = main_source(sources)
        if main is None:
            raise _unclear(
                application,
                f"it has {_rendered(sources)} sources that are rendered, and files do not say in the place of which "
                "they are: give --source-position or --source-name",
            )
        found = main
    if not is_rendered(sources[found]) and posixpath.normpath(path or ".") != ".":
        raise _unclear(
            application,
            f"source {found + 1} has no path, and lends its files to others from the root of its repository: send "
            "that, with --local alone or the same directory for --local-repo-root",
        )
    return found


def _at(application: Application, position: int) -> int:
    if not 1 <= position <= len(application.spec.sources):
        raise _unclear(application, f"it has no source at position {position}: positions count from 1")
    return position - 1


def _named(application: Application, name: str) -> int:
    found = [index for index, source in enumerate(application.spec.sources) if source.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise _unclear(application, f"{len(found)} of its sources are named {name[:100]!r}: name it by position")
    raise _unclear(application, f"it has no source named {name[:100]!r}")


def _rendered(sources: Sequence[Source]) -> int:
    return sum(map(is_rendered, sources))


def _unclear(application: Application, problem: str) -> Invalid:
    sources = application.spec.sources
    told = [f"{number} {_words(source)}" for number, source in enumerate(sources[:_MOST_SHOWN], 1)]
    more = f", and {len(sources) - _MOST_SHOWN} more" if len(sources) > _MOST_SHOWN else ""
    message = f"application {application.id.display}: {problem}. Its sources are {', '.join(told)}{more}"
    return Invalid(message, code="unclear-source")


def _words(source: Source) -> str:
    place = " ".join(filter(None, (redact(source.repo_url), source.chart or source.path)))
    roles = [f"{word} {text!r}" for word, text in (("named", source.name), ("ref", source.ref)) if text]
    return " ".join(filter(None, (place[:_LONGEST_SHOWN], f"({', '.join(roles)[:_LONGEST_SHOWN]})" if roles else "")))
