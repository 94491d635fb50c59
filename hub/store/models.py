"""The tables: what the hub remembers, laid out so that the questions asked most often read the least.

Domain values are kept as JSON documents next to the few columns that are searched or followed. Two choices carry the
size of a fleet:

- An assignment's content is stored once under its own hash (`AssignmentContentRow`), because nearly every cluster of an
  application is assigned the same one; the assignment itself is a short row of pointers and counters.
- What followers read ("changed since N") has a `sequence` with an index; the counter is a row of `SequenceRow`.

The tables change only through `hub/store/migrations`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.types import DateTime, TypeDecorator
from sqlmodel import Field, SQLModel


class CleanText(TypeDecorator[str]):
    """Text that every database takes: PostgreSQL refuses NUL, and one such character in what one agent sends must
    not fail the batch of many. It becomes U+FFFD, on every database alike."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\ufffd") if value is not None and "\0" in value else value


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. SQLite keeps no time zone, so everything is turned to UTC on the way in and marked UTC on the way
    out. Raises ValueError for a time without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time to be stored has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _text(**options: Any) -> Any:
    return Field(sa_type=CleanText, **options)


def _time(**options: Any) -> Any:
    return Field(sa_type=UtcDateTime, **options)


def _number(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


def _counter() -> Any:
    # SQLite counts up only in a column that is declared INTEGER.
    return Field(default=None, sa_type=BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


_CLUSTERED = {"sqlite_with_rowid": False}
"""Rows lie in the order of the primary key, so that one cluster's are read together."""


class SettingRow(SQLModel, table=True):
    __tablename__ = "settings"
    key: str = _text(primary_key=True)
    value: str = _text()


class SequenceRow(SQLModel, table=True):
    """Counters: `changes`, of which every followed row takes a number, and `clusters`, for `clusters_version`."""

    __tablename__ = "sequences"
    name: str = _text(primary_key=True)
    value: int = _number()


class LeaseRow(SQLModel, table=True):
    __tablename__ = "leases"
    name: str = _text(primary_key=True)
    holder: str = _text()
    token: str = _text()
    """Which use of the lease it is: one holder may want it twice at once, and gets it once."""
    expires_at: datetime = _time()


class ProjectRow(SQLModel, table=True):
    __tablename__ = "projects"
    name: str = _text(primary_key=True)
    document: str = _text()


class ApplicationRow(SQLModel, table=True):
    __tablename__ = "applications"
    id: str = _text(primary_key=True)
    project: str = _text(index=True)
    generation: int = _number()
    sequence: int = _number(index=True)
    document: str = _text()


class RemovedApplicationRow(SQLModel, table=True):
    """Removals, for followers. Removed by `collect` after 7 days."""

    __tablename__ = "removed_applications"
    id: str = _text(primary_key=True)
    sequence: int = _number(index=True)
    removed_at: datetime = _time()


class RefreshStateRow(SQLModel, table=True):
    __tablename__ = "refresh_states"
    application: str = _text(primary_key=True)
    document: str = _text()


class RefreshRequestRow(SQLModel, table=True):
    """One row per application at most; gone when what was taken is done."""

    __tablename__ = "refresh_requests"
    application: str = _text(primary_key=True)
    mode: str = _text()
    taken: bool


class ClusterRow(SQLModel, table=True):
    __tablename__ = "clusters"
    uid: str = _text(primary_key=True)
    name: str = _text(unique=True)
    labels: str = _text()
    server: str = _text()
    """As given by hand."""
    reported_server: str = _text()
    created_at: datetime = _time()
    capabilities: str = _text()
    replica: str = _text(index=True)
    session: str = _text()
    changed_at: datetime | None = _time()
    last_seen_at: datetime | None = _time()
    agent_version: str = _text()
    simulated: bool


class AssignmentContentRow(SQLModel, table=True):
    """Contents by the SHA-256 of their document. Removed by `collect` when no assignment points there."""

    __tablename__ = "assignment_contents"
    id: str = _text(primary_key=True)
    manifest_set: str = _text()
    operation_manifest_set: str = _text()
    sources: str = _text(default="")
    """Digest of the blob that says what the set was made from; also below."""
    operation_sources: str = _text(default="")
    document: str = _text()


class AssignmentRow(SQLModel, table=True):
    __tablename__ = "assignments"
    __table_args__ = (Index("ix_assignments_application", "application", "sequence"), _CLUSTERED)
    cluster: str = _text(primary_key=True)
    application: str = _text(primary_key=True)
    generation: int = _number()
    digest: str = _text()
    held: bool
    acknowledged_generation: int = _number()
    refusal: str = _text()
    content: str = _text(index=True)
    """The id of its AssignmentContentRow."""
    sequence: int = _number(index=True)


class StatusRow(SQLModel, table=True):
    __tablename__ = "statuses"
    __table_args__ = (Index("ix_statuses_application", "application", "cluster"),)
    cluster: str = _text(primary_key=True)
    application: str = _text(primary_key=True)
    generation: int = _number()
    sync: str = _text()
    health: str = _text()
    digest: str = _text()
    sequence: int = _number(index=True)
    document: str = _text()


class DriftRow(SQLModel, table=True):
    """The id is the agent's, so it counts only within its cluster. `collect` keeps 50 per application and cluster."""

    __tablename__ = "drifts"
    __table_args__ = (Index("ix_drifts_application", "application", "seen_at"),)
    cluster: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    application: str = _text()
    seen_at: datetime = _time()
    document: str = _text()


class HistoryRow(SQLModel, table=True):
    """`collect` keeps an application's revisionHistoryLimit per cluster, and a removed cluster's for 30 days."""

    __tablename__ = "history"
    __table_args__ = (Index("ix_history_operation", "application", "cluster", "operation", unique=True),)
    application: str = _text(primary_key=True)
    cluster: str = _text(primary_key=True)
    id: int = Field(sa_type=BigInteger, primary_key=True)
    operation: str = _text()
    manifest_set: str = _text(index=True)
    sources: str = _text(default="")
    deployed_at: datetime = _time()
    document: str = _text()


class OperationRequestRow(SQLModel, table=True):
    """`collect` keeps 20 per application."""

    __tablename__ = "operation_requests"
    application: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    requested_at: datetime = _time()
    document: str = _text()


class BlobRow(SQLModel, table=True):
    __tablename__ = "blobs"
    __table_args__ = (Index("ix_blobs_touched", "touched_at", "digest"),)
    digest: str = _text(primary_key=True)
    touched_at: datetime = _time()
    """When it was last put; `collect` removes nothing put within the hour."""
    content: bytes = Field(sa_type=LargeBinary)


class RenderRow(SQLModel, table=True):
    """`collect` removes what was not used for 7 days."""

    __tablename__ = "renders"
    key: str = _text(primary_key=True)
    manifest_set: str = _text()
    """Empty for a failure."""
    used_at: datetime = _time(index=True)
    document: str = _text()


class AuthorityRow(SQLModel, table=True):
    __tablename__ = "authorities"
    id: str = _text(primary_key=True)
    kind: str = _text()
    certificate: bytes = Field(sa_type=LargeBinary)
    private_key: bytes = Field(sa_type=LargeBinary)
    state: str = _text()
    created_at: datetime = _time()


class JoinTokenRow(SQLModel, table=True):
    """Removed by `collect` once expired."""

    __tablename__ = "join_tokens"
    hash: str = _text(primary_key=True)
    cluster: str = _text(index=True)
    expires_at: datetime = _time()
    used_at: datetime | None = _time()
    used_by: str = _text()


class CertificateRow(SQLModel, table=True):
    """Outlives its cluster. Removed by `collect` CERTIFICATE_KEPT after its expiry."""

    __tablename__ = "certificates"
    serial: str = _text(primary_key=True)
    cluster: str = _text(index=True)
    not_before: datetime = _time()
    not_after: datetime = _time(index=True)
    revoked_at: datetime | None = _time()
    authority: str = _text()
    key_pin: str = _text()


class RepositoryEntryRow(SQLModel, table=True):
    """Registered repositories and credential templates: `hub.domain.repository.SealedEntry`."""

    __tablename__ = "repository_entries"
    id: str = _text(primary_key=True)
    kind: str = _text()
    project: str = _text()
    url: str = _text()
    sealed: bytes = Field(sa_type=LargeBinary)


class HostTrustRow(SQLModel, table=True):
    """Host keys and certificates: `hub.domain.repository.HostTrust`."""

    __tablename__ = "host_trust"
    id: str = _text(primary_key=True)
    kind: str = _text()
    server: str = _text()
    subtype: str = _text()
    data: str = _text()
    marker: str = _text()


class AccountRow(SQLModel, table=True):
    __tablename__ = "accounts"
    name: str = _text(primary_key=True)
    password_hash: str = _text()
    enabled: bool
    role: str = _text()
    created_at: datetime = _time()


class SessionRow(SQLModel, table=True):
    """Removed by `collect` once expired."""

    __tablename__ = "sessions"
    hash: str = _text(primary_key=True)
    account: str = _text(index=True)
    expires_at: datetime = _time()
    created_at: datetime = _time()


class EventRow(SQLModel, table=True):
    """`collect` keeps 30 days; 100,000 of operations and 100,000 others at most."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_application", "application", "at"),
        Index("ix_events_cluster", "cluster", "at"),
    )
    id: int | None = _counter()
    at: datetime = _time(index=True)
    severity: str = _text()
    reason: str = _text()
    message: str = _text()
    cluster: str = _text()
    application: str = _text()
    actor: str = _text()


METADATA = SQLModel.metadata


def table_of(row: type[SQLModel]) -> Table:
    """Return the Core table of a row class; the store speaks Core only, for its bulk statements."""
    return METADATA.tables[str(row.__tablename__)]
