"""The parameters that many routes share. What cannot be a name goes no further than here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Path, Query

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

DEFAULT = DEFAULT_NAMESPACE


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
