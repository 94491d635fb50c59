"""What every facet of the store shares: the database, the clock, and reading documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Select

from hub.store.codec import decode
from hub.store.sql.database import Database

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


class Facet:
    _database: Database
    _now: Callable[[], datetime]


def documents(connection: Connection, kind: type[T], query: Select[str]) -> list[T]:
    """Decode the one column of a query, without holding all its text at once."""
    return [decode(kind, document) for document in connection.scalars(query)]


def values_of(value: DataclassInstance) -> dict[str, Any]:
    """Return the columns of a dataclass whose table has one of the same name for each field."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
