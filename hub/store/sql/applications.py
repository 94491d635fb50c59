"""Applications, projects, and what refreshing an application's sources found."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, and_, case, delete, false, select, update

from hub.domain.application import Application, ApplicationId
from hub.domain.project import DEFAULT_PROJECT, Project
from hub.domain.status import RefreshState
from hub.errors import ChangedMeanwhile, Conflict
from hub.store.codec import decode, encode, encode_checked
from hub.store.contract import ApplicationStore
from hub.store.models import (
    ApplicationRow,
    AssignmentRow,
    DriftRow,
    HistoryRow,
    OperationRequestRow,
    ProjectRow,
    RefreshRequestRow,
    RefreshStateRow,
    RemovedApplicationRow,
    StatusRow,
    table_of,
)
from hub.store.sql.database import insert, newest_sequence, one_of, serialize, take_sequences, upsert
from hub.store.sql.facet import Facet, documents

_APPLICATIONS = table_of(ApplicationRow)
_REMOVED = table_of(RemovedApplicationRow)
_STATES = table_of(RefreshStateRow)
_REQUESTS = table_of(RefreshRequestRow)
_PROJECTS = table_of(ProjectRow)
_BELONGINGS = [table_of(row) for row in (AssignmentRow, StatusRow, HistoryRow, DriftRow, OperationRequestRow)] + [
    _STATES,
    _REQUESTS,
]


class SqlApplications(Facet, ApplicationStore):
    async def put_application(
        self, application: Application, *, expected_generation: int | None = None, over: Application | None = None
    ) -> Application:
        return await self._database.write(_put_application, application, expected_generation, over, self._now())

    async def get_application(self, id: ApplicationId) -> Application | None:
        return await self._database.read(_get_application, str(id))

    async def list_applications(self, *, project: str = "") -> list[Application]:
        query = select(_APPLICATIONS.c.document)
        if project:
            query = query.where(_APPLICATIONS.c.project == project)
        found = await self._database.read(documents, Application, query)
        return sorted(found, key=lambda application: application.id)

    async def applications_since(self, sequence: int) -> tuple[list[Application], list[ApplicationId], int]:
        return await self._database.read(_applications_since, sequence)

    async def remove_application(self, id: ApplicationId) -> bool:
        return await self._database.write(_remove_application, str(id), self._now())

    async def put_refresh_states(self, states: Iterable[RefreshState]) -> None:
        rows = {s.application: encode(replace(s, requested="")) for s in states}
        await self._database.write(_put_refresh_states, rows)

    async def get_refresh_states(self, ids: Collection[str] | None = None) -> dict[str, RefreshState]:
        return await self._database.read(_get_refresh_states, ids)

    async def request_refresh(self, ids: Iterable[str], mode: str) -> None:
        await self._database.write(_request_refresh, list(ids), mode)

    async def take_refresh_requests(self, *, anew: bool = False) -> dict[str, str]:
        return await self._database.write(_take_refresh_requests, anew)

    async def finish_refresh_requests(self, ids: Collection[str]) -> None:
        await self._database.write(_finish_refresh_requests, ids)

    async def put_project(self, project: Project, *, over: Project | None = None) -> None:
        await self._database.write(_put_project, project, over)

    async def get_project(self, name: str) -> Project | None:
        return await self._database.read(_get_project, name)

    async def list_projects(self) -> list[Project]:
        found = await self._database.read(documents, Project, select(_PROJECTS.c.document))
        return sorted(found, key=lambda project: project.name)

    async def remove_project(self, name: str) -> bool:
        if name == DEFAULT_PROJECT:
            raise Conflict(f'project "{name}" cannot be removed: applications that name no project belong to it')
        return await self._database.write(_remove_project, name)


def request_refreshes(connection: Connection, ids: Collection[str], mode: str) -> None:
    """Remember requests for those applications that exist; hard wins over normal."""
    known = select(_APPLICATIONS.c.id).where(one_of(connection, _APPLICATIONS.c.id, ids))
    rows = [{"application": id, "mode": mode, "taken": False} for id in connection.scalars(known)]
    if not rows:
        return
    statement = insert(connection, _REQUESTS)
    waiting_hard = and_(_REQUESTS.c.mode == "hard", _REQUESTS.c.taken == false())
    wanted = {"mode": case((waiting_hard, "hard"), else_=statement.excluded.mode), "taken": False}
    connection.execute(statement.on_conflict_do_update(index_elements=["application"], set_=wanted), rows)


def _put_application(
    connection: Connection, application: Application, expected: int | None, over: Application | None, now: datetime
) -> Application:
    serialize(connection)
    stored = _get_application(connection, str(application.id))
    if over is not None and stored != over:
        raise ChangedMeanwhile(
            f"application {application.id.display} was changed meanwhile: read it again and repeat the change"
        )
    generation = stored.generation if stored else 0
    if expected is not None and expected != generation:
        raise Conflict(
            f"application {application.id.display} is at generation {generation}, not {expected}: "
            "it was changed meanwhile; read it again and repeat the change"
        )
    if stored is not None and stored.deletion is not None and application.deletion is None:
        raise Conflict(
            f"application {application.id.display} is being deleted: wait until it is gone from its clusters, then "
            "create it"
        )
    if stored is None:
        result = replace(application, uid=str(uuid4()), generation=1, created_at=now)
        connection.execute(delete(_REMOVED).where(_REMOVED.c.id == str(application.id)))
    else:
        raised = generation + (application.spec != stored.spec)
        result = replace(application, uid=stored.uid, generation=raised, created_at=stored.created_at)
    if result != stored:
        row = {
            "id": str(result.id),
            "project": result.spec.project,
            "generation": result.generation,
            "sequence": take_sequences(connection, 1),
            "document": encode_checked(Application, result),
        }
        upsert(connection, _APPLICATIONS, [row])
    return result


def _put_project(connection: Connection, project: Project, over: Project | None) -> None:
    serialize(connection)
    if over is not None and _get_project(connection, project.name) != over:
        raise ChangedMeanwhile(f"project {project.name} was changed meanwhile: read it again and repeat the change")
    row = {"name": project.name, "document": encode_checked(Project, project)}
    upsert(connection, _PROJECTS, [row])


def _get_project(connection: Connection, name: str) -> Project | None:
    document = connection.scalar(select(_PROJECTS.c.document).where(_PROJECTS.c.name == name))
    return None if document is None else decode(Project, document)


def _get_application(connection: Connection, id: str) -> Application | None:
    document = connection.scalar(select(_APPLICATIONS.c.document).where(_APPLICATIONS.c.id == id))
    return None if document is None else decode(Application, document)


def _applications_since(connection: Connection, sequence: int) -> tuple[list[Application], list[ApplicationId], int]:
    changed = select(_APPLICATIONS.c.document).where(_APPLICATIONS.c.sequence > sequence)
    removed = select(_REMOVED.c.id).where(_REMOVED.c.sequence > sequence)
    return (
        documents(connection, Application, changed.order_by(_APPLICATIONS.c.sequence)),
        [ApplicationId.parse(id) for id in connection.scalars(removed.order_by(_REMOVED.c.sequence))],
        newest_sequence(connection),
    )


def _remove_application(connection: Connection, id: str, now: datetime) -> bool:
    serialize(connection)
    if not connection.execute(delete(_APPLICATIONS).where(_APPLICATIONS.c.id == id)).rowcount:
        return False
    for table in _BELONGINGS:
        connection.execute(delete(table).where(table.c.application == id))
    row = {"id": id, "sequence": take_sequences(connection, 1), "removed_at": now}
    upsert(connection, _REMOVED, [row])
    return True


def _put_refresh_states(connection: Connection, documents: dict[str, str]) -> None:
    # Serialized against remove_application: the state of one removed meanwhile would stay for ever.
    serialize(connection)
    known = select(_APPLICATIONS.c.id).where(one_of(connection, _APPLICATIONS.c.id, documents))
    rows = [{"application": id, "document": documents[id]} for id in connection.scalars(known)]
    upsert(connection, _STATES, rows)


def _get_refresh_states(connection: Connection, ids: Collection[str] | None) -> dict[str, RefreshState]:
    states = select(_STATES.c.application, _STATES.c.document)
    requests = select(_REQUESTS.c.application, _REQUESTS.c.mode)
    if ids is not None:
        states = states.where(one_of(connection, _STATES.c.application, ids))
        requests = requests.where(one_of(connection, _REQUESTS.c.application, ids))
    found = {id: decode(RefreshState, document) for id, document in connection.execute(states)}
    for id, mode in connection.execute(requests):
        found[id] = replace(found.get(id) or RefreshState(id), requested=mode)
    return found


def _request_refresh(connection: Connection, ids: list[str], mode: str) -> None:
    serialize(connection)
    request_refreshes(connection, ids, mode)


def _take_refresh_requests(connection: Connection, anew: bool) -> dict[str, str]:
    columns = _REQUESTS.c
    wanted = update(_REQUESTS).values(taken=True)
    if not anew:
        wanted = wanted.where(columns.taken == false())
    taken = connection.execute(wanted.returning(columns.application, columns.mode))
    return {row.application: row.mode for row in taken}


def _finish_refresh_requests(connection: Connection, ids: Collection[str]) -> None:
    columns = _REQUESTS.c
    connection.execute(delete(_REQUESTS).where(columns.taken, one_of(connection, columns.application, ids)))


def _remove_project(connection: Connection, name: str) -> bool:
    serialize(connection)
    users = select(_APPLICATIONS.c.id).where(_APPLICATIONS.c.project == name).order_by(_APPLICATIONS.c.id)
    first = connection.scalar(users.limit(1))
    if first is not None:
        display = ApplicationId.parse(first).display
        raise Conflict(f'project "{name}" is still used by application {display}: move or delete them first')
    return bool(connection.execute(delete(_PROJECTS).where(_PROJECTS.c.name == name)).rowcount)
