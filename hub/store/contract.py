"""The abstract store: what every database behind the hub must do.

Roles of the hub (api, gateway, controller) share nothing but this and the bus, so every method is atomic, and every
list a role needs to follow is readable as "changed since sequence N". Sequences come from one counter of the store and
only grow; a reader that has seen N has missed nothing below it (implementations MUST make a sequence visible only
after every lower one: SQLite has one writer; PostgreSQL takes an advisory lock while handing them out).

Rules for every implementation:
- A method either takes effect whole or raises and changes nothing. It MUST be safe to repeat after `StoreUnavailable`.
- Values given back are the domain's frozen dataclasses; times are timezone-aware UTC.
- Methods that take an iterable write it in one transaction.
- Nothing grows for ever: what `collect` may remove is said at each table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from hub.domain.access import Account, Event, Session
from hub.domain.application import Application, ApplicationId
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.cluster import Capabilities, Cluster, Connection
from hub.domain.manifest import ManifestSetRef
from hub.domain.operation import HistoryEntry, OperationRequest, OperationState, RequestFailure
from hub.domain.pki import Authority, CertificateRecord, JoinToken
from hub.domain.project import Project
from hub.domain.repository import HostTrust, SealedEntry
from hub.domain.status import ApplicationStatus, DriftReport, RefreshState


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """Why nothing can be stored, and since when."""

    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RenderRecord:
    """The outcome of rendering one distinct input. `error` is set when it failed for good with this input."""

    key: str
    manifest_set: ManifestSetRef | None
    error: str = ""
    warnings: tuple[str, ...] = ()


class ApplicationStore(ABC):
    @abstractmethod
    async def put_application(
        self, application: Application, *, expected_generation: int | None = None, over: Application | None = None
    ) -> Application:
        """Create or update by id. MUST set uid and created_at at creation, MUST raise generation by one when the spec
        differs and leave it when not. Raises Conflict when expected_generation is given and is not the stored one
        (0: must not exist yet), and for a change that takes a deletion back: there is no way to do that. MUST raise
        ChangedMeanwhile when `over` is given and is not what is stored, be it for a label, which raises no generation.
        """

    @abstractmethod
    async def get_application(self, id: ApplicationId) -> Application | None: ...

    @abstractmethod
    async def list_applications(self, *, project: str = "") -> list[Application]: ...

    @abstractmethod
    async def applications_since(self, sequence: int) -> tuple[list[Application], list[ApplicationId], int]:
        """Return (changed applications, ids removed, newest sequence). Removals are remembered for a day at least."""

    @abstractmethod
    async def remove_application(self, id: ApplicationId) -> bool:
        """Remove it with its assignments, statuses, history, drifts and refresh state."""

    @abstractmethod
    async def put_refresh_states(self, states: Iterable[RefreshState]) -> None:
        """Write what a refresh found; states of applications that do not exist (any more) MUST be passed over. MUST
        NOT lose a refresh requested meanwhile: `requested` is left as stored."""

    @abstractmethod
    async def get_refresh_states(self, ids: Collection[str] | None = None) -> dict[str, RefreshState]: ...

    @abstractmethod
    async def request_refresh(self, ids: Iterable[str], mode: str) -> None:
        """mode: normal | hard. hard wins over normal. Applications that do not exist are passed over."""

    @abstractmethod
    async def take_refresh_requests(self, *, anew: bool = False) -> dict[str, str]:
        """Return what was requested and not taken: id → mode. `anew` also what whoever died had taken. It shows in the
        refresh states until it is finished."""

    @abstractmethod
    async def finish_refresh_requests(self, ids: Collection[str]) -> None:
        """What was taken of these is done. What was requested again since MUST stay."""

    @abstractmethod
    async def put_project(self, project: Project, *, over: Project | None = None) -> None:
        """Create or update by name. MUST raise ChangedMeanwhile when `over` is given and is not what is stored."""

    @abstractmethod
    async def get_project(self, name: str) -> Project | None:
        """The project "default" MUST exist from the first migration on (`default_project()`)."""

    @abstractmethod
    async def list_projects(self) -> list[Project]: ...

    @abstractmethod
    async def remove_project(self, name: str) -> bool:
        """Raises Conflict while applications name it, and for "default"."""


class ClusterStore(ABC):
    @abstractmethod
    async def add_cluster(self, cluster: Cluster) -> None:
        """Raises Conflict when the name is taken by another; adding the same uid under its name again does nothing."""

    @abstractmethod
    async def update_cluster(
        self, uid: str, *, labels: Mapping[str, str] | None = None, server: str | None = None
    ) -> Cluster:
        """Raises NotFound."""

    @abstractmethod
    async def get_cluster(self, uid: str) -> Cluster | None: ...

    @abstractmethod
    async def find_cluster(self, name: str) -> Cluster | None: ...

    @abstractmethod
    async def list_clusters(self) -> list[Cluster]: ...

    @abstractmethod
    async def remove_cluster(self, uid: str, at: datetime) -> bool:
        """Remove it with its assignments, statuses, drifts and join tokens, and mark its certificates revoked. The
        revocation MUST outlive the cluster: see CERTIFICATE_KEPT."""

    @abstractmethod
    async def put_connections(self, connections: Mapping[str, Connection]) -> None:
        """Write many clusters' connections at once; unknown uids are passed over. MUST leave one that stands and began
        later: a gateway that still holds a dead stream does not know that the agent has come back to another."""

    @abstractmethod
    async def disconnect(self, uid: str, session: str, at: datetime) -> None:
        """Mark unreachable since `at`, unless a newer session has taken over."""

    @abstractmethod
    async def disconnect_replica(self, replica: str, at: datetime) -> None:
        """Mark every cluster held by this gateway replica unreachable: it starts, or was found dead."""

    @abstractmethod
    async def disconnect_silent(self, seen_before: datetime) -> list[str]:
        """Mark every cluster last seen before that unreachable since it was seen: its gateway died and did not come
        back. Returns their uids."""

    @abstractmethod
    async def put_capabilities(self, uid: str, capabilities: Capabilities, server: str) -> None:
        """`server` fills the cluster's server only where none was given by hand."""

    @abstractmethod
    async def clusters_version(self) -> int:
        """A number that grows whenever a cluster is added, removed, or changes labels, server or capabilities."""


class AssignmentStore(ABC):
    @abstractmethod
    async def assign(
        self, contents: Iterable[tuple[str, AssignmentContent]], *, release: bool = True
    ) -> list[Assignment]:
        """Move (cluster uid, content) pointers, in one transaction. MUST change nothing where the digest is the stored
        one and it is not held; elsewhere MUST raise the generation by one above max(stored, held-back), un-hold it
        and give a new sequence. A held one moves even to the digest it has: the agent may hold something else under
        the generation they share. Without `release` a held one MUST stay as it is. Returns the ones that changed. MUST
        skip clusters that do not exist."""

    @abstractmethod
    async def unassign(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Remove (cluster uid, application) rows and their statuses: the agent has carried out the tombstone."""

    @abstractmethod
    async def get_assignment(self, cluster: str, application: str) -> Assignment | None: ...

    @abstractmethod
    async def assignments_of_application(self, application: str) -> list[Assignment]: ...

    @abstractmethod
    async def assignments_of_cluster(self, cluster: str) -> list[Assignment]: ...

    @abstractmethod
    async def assignments_since(self, sequence: int, clusters: Collection[str] | None = None) -> list[Assignment]:
        """Those with a greater sequence, in order."""

    @abstractmethod
    async def assignment_sequence(self) -> int:
        """The newest sequence handed out."""

    @abstractmethod
    async def current_sets(self) -> dict[str, str]:
        """application → the manifest set assigned last on any of its clusters: what a new set differs from."""

    @abstractmethod
    async def assignment_index(self, clusters: Collection[str]) -> dict[str, dict[str, tuple[int, str, bool]]]:
        """cluster → application → (generation, digest, held): what inventory digests are computed from. MUST be one
        query that reads no content: a thousand agents may ask in the same second."""

    @abstractmethod
    async def acknowledge(self, acknowledged: Iterable[tuple[str, str, int, str]]) -> None:
        """(cluster, application, generation, refusal) from agents, many at once. Never lowers a generation; the refusal
        of a generation that has been replaced meanwhile is forgotten."""

    @abstractmethod
    async def hold_back(self, cluster: str, application: str, held_generation: int) -> None:
        """The agent holds a newer generation than stored: raise the stored one to it, mark it held, and request a
        hard refresh of the application."""


class StatusStore(ABC):
    @abstractmethod
    async def put_statuses(self, statuses: Iterable[ApplicationStatus]) -> None:
        """Upsert by (cluster, application), in one transaction; MUST pass over pairs that are not assigned."""

    @abstractmethod
    async def get_statuses(self, pairs: Collection[tuple[str, str]]) -> list[ApplicationStatus]: ...

    @abstractmethod
    async def statuses_of_application(self, application: str) -> list[ApplicationStatus]: ...

    @abstractmethod
    async def status_summaries(self) -> list[tuple[str, str, str, str, int]]:
        """(application, cluster, sync, health, generation) of everything: what lists and roll-ups need, without
        the details."""

    @abstractmethod
    async def statuses_since(self, sequence: int, limit: int = 1000) -> tuple[list[ApplicationStatus], int]:
        """Changed statuses and the newest sequence, for watchers."""

    @abstractmethod
    async def status_index(self, clusters: Collection[str]) -> dict[str, dict[str, str]]:
        """cluster → application → the agent's status digest."""

    @abstractmethod
    async def put_drifts(self, drifts: Iterable[DriftReport]) -> None:
        """Upsert by (cluster, id); MUST pass over pairs that are not assigned. At most the newest 50 per (application,
        cluster) are kept by `collect`."""

    @abstractmethod
    async def drifts_of_application(self, application: str, *, limit: int = 100) -> list[DriftReport]:
        """Newest first."""

    @abstractmethod
    async def put_operations(self, states: Iterable[tuple[str, str, OperationState]]) -> None:
        """(cluster, application, state): finished ones that succeeded, deployed a set (a delete does not), are not
        partial and not dry runs MUST leave one history entry, however often they are reported; pairs that are not
        assigned MUST be passed over. A status's operation is kept in the status itself."""

    @abstractmethod
    async def history(self, application: str, cluster: str = "") -> list[HistoryEntry]:
        """Newest first. `collect` keeps the application's revisionHistoryLimit per cluster."""

    @abstractmethod
    async def record_operation_request(self, application: str, request: OperationRequest) -> None:
        """Remember a request, for audit and for `app get`; the newest 20 per application are kept."""

    @abstractmethod
    async def conclude_operation_request(
        self, application: str, id: str, *, began: bool, failures: Sequence[RequestFailure] = ()
    ) -> None:
        """Note of a request that it began, if it did, and where else it has failed. One that is not there (any more)
        is passed over. MUST add a failure only where it says something new: `failure_on` has none for its clusters."""

    @abstractmethod
    async def operation_requests(self, application: str) -> list[OperationRequest]:
        """Newest first."""


class BlobStore(ABC):
    @abstractmethod
    async def put_blobs(self, blobs: Mapping[str, bytes]) -> int:
        """Store contents by hex digest; those that exist cost next to nothing. Returns how many were new. MUST protect
        all of them from `collect` for the next half hour at least, in which the caller names them."""

    @abstractmethod
    async def get_blobs(self, digests: Collection[str]) -> dict[str, bytes]:
        """Those that exist."""

    @abstractmethod
    async def have_blobs(self, digests: Collection[str]) -> set[str]:
        """Those that exist now. Only `put_blobs` protects them from `collect`."""

    @abstractmethod
    async def put_render(self, record: RenderRecord) -> None:
        """Remember a render's outcome under its key. `collect` removes records unused for 7 days whose set is on no
        cluster."""

    @abstractmethod
    async def get_renders(self, keys: Collection[str]) -> dict[str, RenderRecord]: ...

    @abstractmethod
    async def remove_renders(self, keys: Collection[str]) -> None:
        """For a hard refresh."""


class PkiStore(ABC):
    @abstractmethod
    async def put_authority(self, authority: Authority) -> None:
        """Upsert by id."""

    @abstractmethod
    async def list_authorities(self) -> list[Authority]: ...

    @abstractmethod
    async def put_join_token(self, token: JoinToken) -> None:
        """Replaces unused tokens of the same cluster: one is valid at a time."""

    @abstractmethod
    async def get_join_token(self, hash: str) -> JoinToken | None: ...

    @abstractmethod
    async def use_join_token(self, hash: str, at: datetime, used_by: str = "") -> JoinToken | None:
        """Mark it used by that key, once: of two concurrent calls one MUST get None. None too when unknown, used or
        expired. `get_join_token` gives used ones back too, until `collect` removes them once expired."""

    @abstractmethod
    async def add_certificate(self, record: CertificateRecord) -> None:
        """Raises Conflict when another has that serial; adding the same once more does nothing."""

    @abstractmethod
    async def get_certificate(self, serial: str) -> CertificateRecord | None: ...

    @abstractmethod
    async def list_certificates(self, *, not_after: datetime) -> list[CertificateRecord]:
        """Those that expire later than that, revoked ones included."""

    @abstractmethod
    async def revoke_certificates(self, cluster: str, at: datetime) -> int: ...

    @abstractmethod
    async def revoked_serials(self) -> set[str]:
        """Those that have not expired yet."""


class RepositoryStore(ABC):
    @abstractmethod
    async def put_entries(self, entries: Iterable[SealedEntry]) -> None:
        """Upsert by id."""

    @abstractmethod
    async def list_entries(self) -> list[SealedEntry]:
        """By kind, URL and project."""

    @abstractmethod
    async def remove_entry(self, id: str) -> bool: ...

    @abstractmethod
    async def put_host_trust(self, trust: Iterable[HostTrust]) -> None:
        """Upsert by id."""

    @abstractmethod
    async def list_host_trust(self) -> list[HostTrust]: ...

    @abstractmethod
    async def remove_host_trust(self, ids: Iterable[str]) -> int: ...

    @abstractmethod
    async def reseal(self, again: Callable[[bytes, str], bytes]) -> int:
        """Replace every encrypted value by `again(value, purpose)`, all of them or none, and return how many there are:
        the private keys of authorities and the entries. `again` MUST have no other effect."""


class AccessStore(ABC):
    @abstractmethod
    async def put_account(self, account: Account) -> None: ...

    @abstractmethod
    async def get_account(self, name: str) -> Account | None: ...

    @abstractmethod
    async def list_accounts(self) -> list[Account]: ...

    @abstractmethod
    async def put_session(self, session: Session) -> None:
        """Upsert by hash: logging out is putting it with an expiry that has come."""

    @abstractmethod
    async def get_session(self, hash: str) -> Session | None:
        """None when expired."""

    @abstractmethod
    async def remove_sessions(self, account: str, *, keep: str = "") -> None:
        """All of an account's sessions, but the one with the hash `keep`."""

    @abstractmethod
    async def add_events(self, events: Iterable[Event]) -> None: ...

    @abstractmethod
    async def list_events(self, *, application: str = "", cluster: str = "", limit: int = 200) -> Sequence[Event]:
        """Newest first."""


class Store(
    ApplicationStore,
    ClusterStore,
    AssignmentStore,
    StatusStore,
    BlobStore,
    PkiStore,
    RepositoryStore,
    AccessStore,
):
    """Everything the hub remembers."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and migrate to the newest schema. Raises SchemaTooNew when the database was written by a newer
        hub, StoreUnavailable when it cannot be reached."""

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def ping(self) -> None:
        """Raises StoreUnavailable."""

    @abstractmethod
    def trouble(self) -> StoreTrouble | None:
        """What has kept this process' writes from being stored since the last that was; None when the last one was. A
        store whose disk is full still answers."""

    @abstractmethod
    async def get_setting(self, key: str) -> str | None: ...

    @abstractmethod
    async def put_setting(self, key: str, value: str, *, only_if_absent: bool = False) -> str:
        """Return the value now stored: with only_if_absent the first writer wins."""

    @abstractmethod
    def lease(self, name: str, holder: str, seconds: float) -> AbstractAsyncContextManager[bool]:
        """Hold a named lease while the context lasts, renewed at a third of its time; yields whether it was got. Every
        use excludes every other, the same holder's too. After the holder dies, others get it when the time is over.
        When it cannot be renewed in time, the body is cancelled before others may get it, and StoreUnavailable is
        raised."""

    @abstractmethod
    async def end_leases(self, holder: str) -> int:
        """End all that this holder still has, and return how many. Only for a caller that knows that whoever went by
        this name before is dead, and has not taken a lease itself yet."""

    @abstractmethod
    async def collect(self, now: datetime) -> Mapping[str, int]:
        """Remove what nothing needs any more, and say how much of each: history over the limit; drifts, events,
        operation requests and sessions over theirs; expired tokens; certificates CERTIFICATE_KEPT after their expiry;
        renders unused for 7 days; blobs and sets that no assignment, history entry or render names and that were
        not put within the hour. What history removed here alone named goes at the next call."""

    @abstractmethod
    async def backup(self, path: str) -> None:
        """Write a consistent copy (SQLite: VACUUM INTO). Raises Unsupported on PostgreSQL, naming pg_dump."""
