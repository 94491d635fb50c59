"""Finding and storing applications: the same rules for every route that does."""

from __future__ import annotations

from dataclasses import dataclass

from hub.api.context import Api, Caller, missing
from hub.api.models.objects import Action
from hub.domain.application import Application, ApplicationId, without_refresh
from hub.domain.place import place_of
from hub.domain.targeting import ClusterIndex, unmet_destinations
from hub.errors import Conflict
from hub.source.addresses import check_address
from hub.source.errors import RepositoryRefused


@dataclass(frozen=True, slots=True)
class Change:
    """An application that is to be stored, over the one that is."""

    wanted: Application
    stored: Application | None
    refresh: str = ""
    """"" | normal | hard: the look that is asked for with it."""
    is_part: bool = False
    """Worked out from the one that is stored, of which it changes a part: it is no change of any other."""

    @property
    def action(self) -> Action:
        if self.stored is None:
            return "created"
        return "unchanged" if _content(self.stored) == _content(self.wanted) else "configured"


async def find(api: Api, caller: Caller, name: str, namespace: str, action: str = "get") -> Application:
    """Raises NotFound, PermissionDenied."""
    id = ApplicationId(namespace, name)
    application = await api.services.store.get_application(id)
    if application is None:
        raise missing(id)
    caller.require_application(action, application)
    return application


async def prepare(api: Api, caller: Caller, wanted: Application, *, part_of: Application | None = None) -> Change:
    """Look at what is stored under the id. `part_of`: the stored one that it was worked out from. Raises
    PermissionDenied; Conflict for one on its way out."""
    wanted, refresh = without_refresh(wanted)
    stored = part_of or await api.services.store.get_application(wanted.id)
    if stored is None:
        caller.require_application("create", wanted)
        return Change(wanted, None, refresh)
    if stored.deletion is not None:
        raise Conflict(
            f"application {stored.id.display} is being deleted: wait until it is gone from its clusters, then create it"
        )
    caller.require_application("update", stored)
    if wanted.spec.project != stored.spec.project:
        caller.require_application("create", wanted)
    return Change(wanted, stored, refresh, is_part=part_of is not None)


async def carry_out(api: Api, caller: Caller, change: Change) -> Application:
    """Store it, and ask for the look that it asks for. Raises Conflict when somebody else has changed it meanwhile."""
    services = api.services
    if change.stored is not None and change.action == "unchanged":
        await _ask_for_look(api, change)
        return change.stored
    expected = change.stored.generation if change.stored else 0
    over = change.stored if change.is_part else None
    result = await services.store.put_application(change.wanted, expected_generation=expected, over=over)
    api.overviews.invalidate()
    reason, verb = ("ApplicationCreated", "created") if change.stored is None else ("ApplicationUpdated", "changed")
    message = f"application {result.id.display} was {verb}, generation {result.generation}"
    await services.audit.record(reason, message, actor=caller.name, application=str(result.id))
    await services.bus.publish("applications", str(result.id))
    await _ask_for_look(api, change)
    return result


async def _ask_for_look(api: Api, change: Change) -> None:
    """One that is left as it is has a fresh look when that ends, and none before."""
    if change.refresh and not change.wanted.skips_reconcile:
        await request_look(api, change.wanted.id, change.refresh)


async def request_look(api: Api, id: ApplicationId, mode: str) -> None:
    """`mode`: normal | hard. It is written down, and the controller takes it up."""
    await api.services.store.request_refresh([str(id)], mode)
    await api.services.bus.publish("refresh", str(id))


def source_warnings(api: Api, application: Application) -> list[str]:
    """Say which repositories the hub will not read, before it tries."""
    found = []
    for source in application.spec.sources:
        try:
            check_address(place_of(source), api.services.settings.file_prefixes)
        except RepositoryRefused as error:
            found.append(error.message)
    return list(dict.fromkeys(found))


def destination_warnings(application: Application, clusters: ClusterIndex) -> list[str]:
    """Say which of its destinations mean no cluster as yet: it may come, or the name is mistyped."""
    return [f"{words}: nothing is deployed there as yet" for words in unmet_destinations(application, clusters)]


async def project_warnings(api: Api, application: Application, also: frozenset[str] = frozenset()) -> list[str]:
    """`also`: projects that are stored together with it."""
    name = application.spec.project
    if name in also or await api.services.store.get_project(name) is not None:
        return []
    return [f"project {name} does not exist: nothing is deployed until it does"]


def _content(application: Application) -> tuple[object, ...]:
    """Return what its owner wrote of it."""
    return (
        application.spec,
        dict(application.labels),
        dict(application.annotations),
        application.finalizers,
        application.manifest,
    )
