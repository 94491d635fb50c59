"""The parameters that many routes share. What cannot be a name goes no further than here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Query

from hub.api.models.sources import MOST_SOURCES, NameText, PositionNumber, RevisionText
from hub.domain.application import DEFAULT_NAMESPACE
from hub.domain.selector import LabelSelector, parse_selector
from hub.errors import Invalid

T = TypeVar("T")

_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_NAME_OR_NONE = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"

ApplicationName = Annotated[str, Path(max_length=253, pattern=_NAME, description="The application's name.")]
ClusterName = Annotated[str, Path(max_length=253, pattern=_NAME, description="The cluster's name.")]
ProjectName = Annotated[str, Path(max_length=253, pattern=_NAME, description="The project's name.")]
Namespace = Annotated[
    str, Query(max_length=63, pattern=_NAME, description=f"Of the Application itself; {DEFAULT_NAMESPACE} else.")
]
InCluster = Annotated[str, Query(max_length=253, pattern=_NAME_OR_NONE, description="Only this cluster, by name.")]
InProject = Annotated[str, Query(max_length=253, pattern=_NAME_OR_NONE, description="Only this project's.")]
Selector = Annotated[
    str, Query(max_length=16_384, description='A label selector: "region=eu,tier in (a,b),team!=x,canary,!old".')
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most.")]
Continue = Annotated[
    str, Query(alias="continue", max_length=400, description="The `continue` of the reply before this one.")
]
InPlaceOfPosition = Annotated[
    PositionNumber | None, Query(description="Which source the files stand in for, from 1; else the one there is.")
]
InPlaceOfName = Annotated[NameText | None, Query(description="The same by the source's name.")]

DEFAULT = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class SourceRevisions:
    """The query of everything that is about other revisions of some sources."""

    revisions: Annotated[
        list[RevisionText],
        Query(
            default_factory=list,
            max_length=MOST_SOURCES,
            description="One for each of `source_positions`, or of `source_names`.",
        ),
    ]
    source_positions: Annotated[
        list[PositionNumber],
        Query(
            default_factory=list,
            max_length=MOST_SOURCES,
            description="Which source each of `revisions` is for, from 1.",
        ),
    ]
    source_names: Annotated[
        list[NameText],
        Query(default_factory=list, max_length=MOST_SOURCES, description="The same by the sources' names."),
    ]


OfSources = Annotated[SourceRevisions, Depends()]


def read_selector(text: str) -> LabelSelector:
    """Raises Invalid."""
    try:
        return parse_selector(text)
    except ValueError as error:
        raise Invalid(str(error)) from error


def page(items: Sequence[T], keys: Sequence[str], limit: int, after: str) -> tuple[Sequence[T], str]:
    """Return the items whose keys come after one, and what to go on from; `keys` are sorted. Items that come and go
    between two pages disturb no others."""
    start = next((index for index, key in enumerate(keys) if key > after), len(keys)) if after else 0
    end = start + limit
    return items[start:end], keys[end - 1] if end < len(keys) else ""
